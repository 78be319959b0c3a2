"""Settings of single layers: numbers in `per_layer_config` are values like all others, and never constants."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from verify.derive import library
from verify.derive.building import classes, configurations, points
from verify.derive.regions.region import region
from verify.derive.tracing import per_layer
from verify.derive.tracing.trace import trace
from verify.errors import ConfigError

#: Gemma 4 as its checkpoints spell it: the width of a head of full attention is a key of its own.
GEMMA = {
    "vocab_size": 41, "vocab_size_per_layer_input": 41, "hidden_size": 48, "intermediate_size": 20,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "global_head_dim": 10,
    "hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0, "pad_token_id": 1,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
}  # fmt: skip
Q_PROJ = "model.layers.{}.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def target() -> classes.Target:
    return classes.find("gemma4_text", kind="causal")


def keywords(target: classes.Target, **change: Any) -> configurations.Keywords:
    return configurations.keywords(target.config_class, GEMMA | change)


def test_a_setting_of_single_layers_is_a_list_with_an_entry_for_each(target: classes.Target) -> None:
    found = keywords(target)
    assert found["per_layer_config"] == "head_dim"
    assert found["per_layer_head_dim"] == [6, 10, 6, 10]
    again = configurations.build(target.config_class, found)
    assert [layer.head_dim for layer in again.per_layer_config] == [6, 10, 6, 10]
    assert configurations.resolved(again, found) == found


def test_the_spelling_of_transformers_is_read_alike(target: classes.Target) -> None:
    spelt = {name: value for name, value in GEMMA.items() if name != "global_head_dim"}
    own = spelt | {"per_layer_config": {"1": {"head_dim": 10}, "3": {"head_dim": 10}}}
    assert configurations.keywords(target.config_class, own) == keywords(target)


def test_no_layer_with_settings_of_its_own_stays_so(target: classes.Target) -> None:
    found = keywords(target, per_layer_config={})
    assert found["per_layer_config"] == ""
    assert points.built(target, found).shapes[Q_PROJ] == Counter({(24, 48): 4})


def test_a_formula_follows_the_settings_of_single_layers(target: classes.Target) -> None:
    made = region(trace(target, keywords(target)))
    for change in ({"global_head_dim": 14}, {"head_dim": 10}, {"head_dim": 18, "num_global_key_value_heads": None}):
        point = points.built(target, keywords(target, **change))
        assert not made.flipped(point.values)
        assert made.shapes(point.values) == point.shapes
    wide = points.built(target, keywords(target, global_head_dim=14))
    assert wide.shapes[Q_PROJ] == Counter({(24, 48): 2, (56, 48): 2})


def test_a_formula_is_for_the_fields_that_differ(target: classes.Target) -> None:
    made = region(trace(target, keywords(target)))
    alike = points.built(target, keywords(target, per_layer_config={}))
    assert made.flipped(alike.values)
    both = keywords(target, attention_k_eq_v=True, num_global_key_value_heads=1)
    assert both["per_layer_config"] == "head_dim,num_key_value_heads"
    assert made.flipped(points.built(target, both).values)
    assert region(trace(target, alike.keywords)).flipped(points.built(target, both).values)


def test_a_layer_that_leaves_parts_out_is_refused(target: classes.Target) -> None:
    with pytest.raises(ConfigError, match="sets skip of a layer"):
        keywords(target, per_layer_config={"1": {"skip": ["mlp"]}})


def test_words_and_switches_of_single_layers_are_what_a_formula_is_for() -> None:
    flat = {
        "part.per_layer_config": "head_dim,bias,window",
        "part.per_layer_head_dim": (6, 10),
        "part.per_layer_bias": (True, False),
        "part.per_layer_window": (None, 4),
    }
    kept = {path: value for path, value in flat.items() if not path.endswith("head_dim")}
    assert per_layer.switches(flat) == kept


def test_the_library_refuses_a_config_with_settings_of_single_layers() -> None:
    with pytest.raises(ConfigError, match="per_layer_config gives layers their own values"):
        library.values(library.find("arcee"), {"per_layer_config": {"0": {"head_dim": 4}}})
    assert library.values(library.find("arcee"), {"head_dim": 4, "per_layer_config": {}})["head_dim"] == 4
