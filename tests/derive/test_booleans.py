"""Which booleans change a formula, and how: against counts written by hand from the definitions of the layers."""

from typing import Any

import pytest

from verify.derive.building import classes, configurations
from verify.derive.confirming import booleans
from verify.derive.confirming.booleans import Table
from verify.derive.confirming.confirm import derive
from verify.derive.errors import DeriveError
from verify.derive.formulas.closed import closed
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import Condition, Derived
from verify.evidence.meta import silence

LLAMA = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "vocab_size": 128,
         "intermediate_size": 96, "num_hidden_layers": 3}  # fmt: skip
BERT = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "num_hidden_layers": 3, "vocab_size": 100}
FALCON = {"hidden_size": 32, "num_attention_heads": 4, "num_kv_heads": 2, "num_hidden_layers": 2, "vocab_size": 100,
          "ffn_hidden_size": 48}  # fmt: skip


def flipped(model_type: str, values: dict[str, Any]) -> tuple[dict[str, Any], Derived, Table]:
    target = classes.find(model_type)
    with silence():
        keywords = configurations.keywords(target.config_class, values)
        derived = derive(target, keywords)
        found = booleans.table(target, keywords, derived)
    return configurations.flatten(keywords), derived, found


@pytest.fixture(scope="module")
def llama() -> tuple[dict[str, Any], Derived, Table]:
    return flipped("llama", LLAMA)


@pytest.fixture(scope="module")
def bert() -> tuple[dict[str, Any], Derived, Table]:
    return flipped("bert", BERT)


@pytest.fixture(scope="module")
def falcon() -> tuple[dict[str, Any], Derived, Table]:
    return flipped("falcon", FALCON)


def added(values: dict[str, Any], derived: Derived, found: Table) -> dict[str, int]:
    """What each change adds at the given configuration; all of them are confirmed."""
    assert all(change.derived.confirmation.confirmed for change in found.changes)
    before = derived.count(values)
    return {booleans.said(each.settings): each.derived.count(each.values) - before for each in found.changes}


def test_each_boolean_of_llama_adds_what_its_layers_have(llama: tuple[dict[str, Any], Derived, Table]) -> None:
    values, derived, found = llama
    h, a, k, d, f, n, v = 64, 4, 2, 24, 96, 3, 128
    assert added(values, derived, found) == {
        "tie_word_embeddings=True": -v * h,  # Press and Wolf 2017: the head is the embedding
        "attention_bias=True": n * (a * d + k * d + k * d + h),  # of queries, keys, values, and the output
        "mlp_bias=True": n * (f + f + h),  # of gate, up and down
    }


def test_the_change_is_a_closed_form(llama: tuple[dict[str, Any], Derived, Table]) -> None:
    values, derived, found = llama
    before = closed(derived.region(values).terms)
    after = {booleans.said(each.settings): closed(each.derived.region(each.values).terms) for each in found.changes}
    assert after["tie_word_embeddings=True"].minus(before).text() == "-vocab_size*hidden_size"
    assert after["mlp_bias=True"].minus(before).text() == "num_hidden_layers*(2*intermediate_size + hidden_size)"


def test_what_changes_nothing_is_said_and_the_rest_adds_up(llama: tuple[dict[str, Any], Derived, Table]) -> None:
    *_, found = llama
    assert "is_encoder_decoder" in found.idle
    assert found.rejected == ()
    assert (found.configurations, found.unknown) == (20, "")


def test_the_formula_with_and_without_in_one(llama: tuple[dict[str, Any], Derived, Table]) -> None:
    values, derived, found = llama
    whole = booleans.merged(derived, found)
    assert whole.confirmation.confirmed
    assert {"attention_bias", "mlp_bias", "tie_word_embeddings"} <= set(whole.confirmation.varied)
    count = derived.count(values)
    assert whole.count(values) == count
    assert whole.count(values | {"tie_word_embeddings": True}) == count - 128 * 64
    assert whole.count(values | {"mlp_bias": True}) == count + 3 * (2 * 96 + 64)
    assert whole.count(values | {"is_encoder_decoder": True}) == count
    with pytest.raises(DeriveError, match="was not derived for this configuration"):
        whole.count(values | {"mlp_bias": True, "tie_word_embeddings": True})


def test_a_boolean_that_is_rejected_alone_is_tried_with_the_others(bert: tuple[dict[str, Any], Derived, Table]) -> None:
    values, derived, found = bert
    h, n, v = 32, 3, 100
    assert added(values, derived, found) == {
        # Its own decoder, and the bias of it that BERT has only once.
        "tie_word_embeddings=False": v * h + v,
        # Four projections with biases, and a LayerNorm; a class without a decoder takes no cross attention.
        "is_decoder=True, add_cross_attention=True": n * (4 * (h * h + h) + 2 * h),
    }
    assert found.rejected == ()
    assert "is_decoder" not in found.idle


def test_changes_that_do_not_add_up_are_derived_together(falcon: tuple[dict[str, Any], Derived, Table]) -> None:
    values, derived, found = falcon
    h, n, f, d = 32, 2, 48, 8
    changes = added(values, derived, found)
    # One head of keys and of values, or as many as there are queries; with biases of the fused projection.
    assert changes["multi_query=False"] == n * (2 * h - 2 * d) * h
    assert changes["bias=True"] == n * ((h + 2 * d) + h + f + h)
    assert changes["multi_query=False, bias=True"] == n * ((2 * h - 2 * d) * h + 3 * h + h + f + h)


@pytest.mark.parametrize(
    ("operator", "left", "right", "path"),
    [
        ("==", "attention_bias", "False", "attention_bias"),
        ("is", "text_config.bias", "True", "text_config.bias"),
        ("==", "hidden_act", "'silu'", ""),
        ("==", "hidden_size % heads", "0", ""),
        ("==", "i < first or kinds[i] == 'a'", "True", ""),
    ],
)
def test_conditions_that_state_a_boolean(operator: str, left: str, right: str, path: str) -> None:
    assert booleans.switch(Condition(operator, Expression(left), Expression(right), outcome=True)) == path
