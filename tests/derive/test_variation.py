"""Random configurations: what moves, what goes along, what stays."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from verify.derive.building import configurations
from verify.derive.building.configurations import CLASS
from verify.derive.building.variation import movable, spread, vary
from verify.derive.confirming.search import Search

LAYERED: dict[str, Any] = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 30,
    "num_experts": 60,
    "num_experts_per_tok": 4,
    "pad_token_id": 0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "dropout": 0.0,
    "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
    "cross_attention_layers": [3, 8, 13, 28],
    "text_config": {CLASS: "LlamaConfig", "num_hidden_layers": 30, "hidden_size": 32},
}


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - no secret


def moved(path: str, value: int) -> dict[str, Any]:
    """The keywords after one value has moved to a value that chance would give it."""
    for seed in range(1000):
        varied = vary(LAYERED, chance(seed), [path])
        if configurations.flatten(varied.keywords)[path] == value:
            return varied.keywords
    raise AssertionError(f"{path} never became {value}")


def test_spread_makes_numbers_of_layers_small_and_distinct() -> None:
    small = configurations.flatten(spread(LAYERED))
    assert (small["num_hidden_layers"], small["text_config.num_hidden_layers"]) == (13, 14)
    assert small["num_experts"] == 15  # the largest divisor of 60 below 16
    assert small["num_experts_per_tok"] == 4
    assert len(small["layer_types"]) == 13
    assert small["layer_types"][5] == "full_attention"
    assert small["cross_attention_layers"] == (3, 8)
    assert LAYERED["num_hidden_layers"] == 30


def test_a_list_grows_and_shrinks_with_the_number_of_layers_and_keeps_every_word() -> None:
    shorter = moved("num_hidden_layers", 15)
    assert shorter["layer_types"] == LAYERED["layer_types"][:15]
    tail = LAYERED | {"layer_types": ["a"] * 29 + ["b"]}
    assert spread(tail)["layer_types"] == ["a"] * 12 + ["b"]


def test_a_pattern_with_its_number_of_repetitions_goes_along() -> None:
    neo = {"num_layers": 24, "attention_types": [[["global", "local"], 12]]}
    assert spread(neo, layers=12)["attention_types"] == [[["global", "local"], 6]]


def test_what_may_move() -> None:
    paths = set(movable(LAYERED))
    assert {"hidden_size", "hidden_act", "layer_types", "cross_attention_layers[2]", "text_config.hidden_size"} <= paths
    assert not {"pad_token_id", "tie_word_embeddings", "layer_types[0]"} & paths


def test_sizes_move_by_one_factor_or_against_each_other() -> None:
    twice = vary(LAYERED, chance(0), ["hidden_size", "num_attention_heads"], together=2)
    assert (twice.keywords["hidden_size"], twice.keywords["num_attention_heads"]) == (128, 8)
    against = vary(LAYERED, chance(0), ["hidden_size", "num_attention_heads"], together=2, opposite=["hidden_size"])
    assert (against.keywords["hidden_size"], against.keywords["num_attention_heads"]) == (32, 8)
    assert against.paths == ("hidden_size", "num_attention_heads")


def test_words_of_a_list_are_drawn_from_those_it_has() -> None:
    drawn = [vary(LAYERED, chance(seed), ["layer_types"]) for seed in range(20)]
    assert {word for varied in drawn for word in varied.keywords["layer_types"]} == set(LAYERED["layer_types"])
    assert {len(varied.keywords["layer_types"]) for varied in drawn} == {30}
    assert all("layer_types" in varied.paths for varied in drawn)


@settings(max_examples=100, deadline=None)
@given(some.integers(0, 10**6), some.sets(some.sampled_from(movable(LAYERED))), some.sampled_from((0, 2, 3)))
def test_only_what_was_asked_for_moves_and_only_to_sizes(seed: int, paths: set[str], together: int) -> None:
    """Law: every difference is a path that was to move, or a list with an entry a layer; no size is < 1."""
    before = configurations.flatten(LAYERED)
    varied = vary(LAYERED, chance(seed), paths, together=together)
    after = configurations.flatten(varied.keywords)
    heads = {path.partition("[")[0] for path in paths}
    for path in before:
        if path in after and before[path] != after[path]:
            assert path.partition("[")[0] in heads | {"layer_types", "cross_attention_layers"}
            assert not isinstance(after[path], int) or after[path] >= 1
    assert len(after["layer_types"]) == after["num_hidden_layers"]
    assert configurations.flatten(LAYERED) == before


@pytest.mark.parametrize("opposite", [False, True])
def test_a_search_finds_the_partner_of_a_value_that_moves_only_with_another(*, opposite: bool) -> None:
    # hidden_size == heads * head_dim, or all else stays as it is: two of the three must move.
    keywords = {f"other_{number}": 8 for number in range(10)} | {"hidden_size": 64, "heads": 4, "head_dim": 16}
    search = Search(keywords, chance(0))
    search.want(["heads" if opposite else "hidden_size", "head_dim", *(f"other_{number}" for number in range(10))])
    for _ in range(400):
        found = search.next().keywords
        if found["hidden_size"] == found["heads"] * found["head_dim"]:
            search.moved |= search.differing(configurations.flatten(found))
    assert search.missing == ()


def test_a_search_gives_up_on_what_no_configuration_moves() -> None:
    search = Search({"hidden_size": 64, "stuck": 3}, chance(0))
    search.want(["stuck"])
    tries = 0
    while search.open:
        search.next()
        tries += 1
        assert tries < 1000
    assert search.missing == ("stuck",)


def test_layers_that_share_stay_fewer_than_all_layers() -> None:
    small = spread({"num_hidden_layers": 30, "num_kv_shared_layers": 15})
    assert small == {"num_hidden_layers": 13, "num_kv_shared_layers": 3}


PER_LAYER: dict[str, Any] = {
    "num_hidden_layers": 6,
    "layer_types": ["sliding", "sliding", "full", "sliding", "sliding", "full"],
    "per_layer_config": "head_dim",
    "per_layer_head_dim": [16, 16, 32, 16, 16, 32],
}


def test_settings_of_single_layers_move_with_those_of_their_kind() -> None:
    assert {path for path in movable(PER_LAYER) if "head_dim" in path} == {
        "per_layer_head_dim[0]",
        "per_layer_head_dim[2]",
    }
    tripled = vary(PER_LAYER, chance(1), ["per_layer_head_dim[2]"], together=3).keywords
    assert tripled["per_layer_head_dim"] == [16, 16, 96, 16, 16, 96]


@pytest.mark.parametrize("path", ["layer_types", "num_hidden_layers"])
def test_settings_of_single_layers_go_along_with_kinds_and_numbers_of_layers(path: str) -> None:
    for seed in range(30):
        moved = vary(PER_LAYER, chance(seed), [path]).keywords
        assert moved["per_layer_head_dim"] == [{"sliding": 16, "full": 32}[kind] for kind in moved["layer_types"]]
        assert len(moved["layer_types"]) == moved["num_hidden_layers"]


def test_every_stage_has_more_than_one_block_to_begin_with() -> None:
    keywords = {"depths": [1, 4, 1], "num_blocks": [1], "no_rope_layers": [1, 0, 1], "light_block": [True, False]}
    assert spread(keywords) == keywords | {"depths": [2, 4, 2], "num_blocks": [2]}


def test_settings_of_layers_that_went_with_their_layers_are_no_experts_to_spread() -> None:
    """Dots3 has a number of experts for each layer, and fewer layers to begin with."""
    keywords = {"num_hidden_layers": 40, "per_layer_num_experts": [64] * 40}
    assert spread(keywords)["per_layer_num_experts"] == [16] * 13
