"""A hyper-parameter is one number under all its names."""

from collections.abc import Mapping

import pytest

from verify.config import Config
from verify.errors import ConfigError, ExpressionError
from verify.published._hyperparameters import Hyperparameters
from verify.symbols import LETTERS, Size

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
}
GPT2 = {
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_inner": None,
    "n_positions": 1024,
    "n_ctx": 1024,
    "vocab_size": 50257,
}


def value(values: Mapping[str, object], name: str) -> int | None:
    size = Hyperparameters(Config(values)).find(name)
    return None if size is None else size.value


@pytest.mark.parametrize("name", ["h", "hidden_size", "n_embd", "d_model"])
@pytest.mark.parametrize("stated", ["hidden_size", "n_embd", "d_model", "dim"])
def test_any_name_finds_any_spelling(name: str, stated: str) -> None:
    assert Hyperparameters(Config({stated: 768})).find(name) == Size.symbol("hidden_size", 768)


@pytest.mark.parametrize(
    ("letter", "expected"),
    [("h", 768), ("L", 12), ("V", 50257), ("f", 4 * 768), ("a", 12), ("k", 12), ("d", 768 // 12), ("N", 1024)],
)
def test_gpt2_by_letter(letter: str, expected: int) -> None:
    assert value(GPT2, letter) == expected


@pytest.mark.parametrize(
    ("letter", "expected"),
    [("h", 4096), ("L", 32), ("V", 32000), ("f", 11008), ("a", 32), ("k", 32), ("d", 128), ("N", 4096)],
)
def test_llama_by_letter(letter: str, expected: int) -> None:
    assert value(LLAMA, letter) == expected


def test_every_letter_of_the_literature_is_known() -> None:
    config = Config(dict.fromkeys(LETTERS, 8))
    for name, letter in LETTERS.items():
        assert Hyperparameters(config).find(letter) == Size.symbol(name, 8)


def test_what_is_implied_says_how() -> None:
    sizes = [Hyperparameters(Config(GPT2)).find(letter) for letter in "fkd"]
    assert [symbol.definition for size in sizes if size for symbol in size.symbols()] == [
        "4*hidden_size",
        "num_attention_heads",
        "hidden_size // num_attention_heads",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"multi_query": True, "num_kv_heads": 71}, 1),
        ({"multi_query": True, "num_kv_heads": 8, "new_decoder_architecture": True}, 8),
        ({"multi_query": False, "num_kv_heads": 71}, 71),
        ({"num_key_value_heads": 8}, 8),
        ({}, 71),
    ],
)
def test_multi_query_shares_one_key_and_value_head(values: dict[str, object], expected: int) -> None:
    assert value({"num_attention_heads": 71, **values}, "k") == expected


def test_latent_attention_has_no_single_head_size() -> None:
    assert value({"hidden_size": 7168, "num_attention_heads": 128, "qk_nope_head_dim": 128}, "d") is None


def test_a_stated_head_size_wins() -> None:
    assert value({"hidden_size": 1024, "num_attention_heads": 16, "head_dim": 128}, "d") == 128


def test_heads_that_do_not_divide_the_hidden_size_are_refused() -> None:
    with pytest.raises(ExpressionError, match="hidden_size 10 is no multiple of num_attention_heads 3"):
        value({"hidden_size": 10, "num_attention_heads": 3}, "d")


def test_other_keys_go_by_their_own_name() -> None:
    assert value({"num_nextn_predict_layers": 0}, "num_nextn_predict_layers") == 0


@pytest.mark.parametrize("stated", [1.5, "many", True, -1, [1], {"x": 1}])
def test_a_key_that_is_no_count_is_refused(stated: object) -> None:
    with pytest.raises(ExpressionError, match=r"something in config.json is no count"):
        value({"something": stated}, "something")


def test_sections_are_reached_by_dots() -> None:
    config = Config({"hidden_size": 1, "text_config": {"n_embd": 48, "n_head": 3, "extra": {"depth": 5}}})
    names = Hyperparameters(config)
    assert names.find("text_config.h") == Size.symbol("text_config.hidden_size", 48)
    assert names.find("text_config.extra.depth") == Size.symbol("text_config.extra.depth", 5)
    inner = names.find("text_config.f")
    assert inner == Size.symbol("text_config.intermediate_size", 192, "4*text_config.hidden_size")


@pytest.mark.parametrize("name", ["x", "text_config.x", "vision_config.h", "hidden_size.real", "h.real", "E", "m", "N"])
def test_what_config_does_not_have_is_absent(name: str) -> None:
    assert value({"hidden_size": 1, "text_config": {"hidden_size": 2}}, name) is None


@pytest.mark.parametrize("letter", ["h", "L", "f", "k", "d"])
def test_nothing_is_implied_from_nothing(letter: str) -> None:
    assert value({}, letter) is None


def test_only_what_is_named_counts_as_read() -> None:
    config = Config(dict(LLAMA))
    Hyperparameters(config).find("h")
    assert "hidden_size" not in config.unread()
    assert "vocab_size" in config.unread()


def test_an_impossible_hyperparameter_is_the_config_s_error() -> None:
    with pytest.raises(ConfigError, match="hidden_size is 'big'"):
        value({"hidden_size": "big"}, "h")


def test_spellings_that_disagree_are_the_config_s_error() -> None:
    with pytest.raises(ConfigError, match="expected one value"):
        value({"hidden_size": 8, "n_embd": 9}, "h")
