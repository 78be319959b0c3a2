"""Expressions over config paths: what they compute, and what is no expression."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression

VALUES = {
    "hidden_size": 4100,
    "num_attention_heads": 32,
    "text_config.hidden_size": 96,
    "mlp_ratio": 3.5,
    "depths": (2, 2, 6),
    "depths[1]": 2,
    "layer_types": ("mamba", "attention", "mamba"),
    "q_lora_rank": None,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hidden_size//num_attention_heads", 128),
        ("ceil(hidden_size/16)", 257),
        ("floor(8*hidden_size/3)", 10933),
        ("-hidden_size % 7", 2),
        ("text_config.hidden_size*2", 192),
        ("floor(text_config.hidden_size*mlp_ratio)", 336),
        ("depths[1] + depths[-1]", 8),
        ("len(depths)", 3),
        ("layer_types.count('mamba')", 2),
        ("layer_types.index('attention')", 1),
        ("layer_types.index('moe') + 1", 0),
        ("max(hidden_size, 5000) - min(1, 2)", 4999),
        ("sqrt(16)*2**3", 32),
        ("96 if tie_word_embeddings else 97", 97),
        ("trunc(log2(hidden_size))", 12),
    ],
)
def test_a_number_is_what_python_makes_of_it(text: str, value: int) -> None:
    assert Expression(text).integer(VALUES) == value


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("layer_types[i] == 'mamba'", [True, False, True]),
        ("i % 2 == 1", [False, True, False]),
        ("i in (0, 1) and not i == 0", [False, True, False]),
        ("i not in depths", [True, True, False]),
        ("q_lora_rank is None", [True, True, True]),
    ],
)
def test_a_condition_takes_the_index_from_the_scope(text: str, truth: list[bool]) -> None:
    assert [Expression(text)(VALUES, {"i": at}) for at in range(3)] == truth


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_division_stays_exact(size: int, heads: int) -> None:
    """Two integers give a fraction, so that nothing is rounded before `ceil` or `floor`."""
    values = {"a": size, "b": heads}
    assert Expression("ceil(a/b)").integer(values) == -(-size // heads)
    assert Expression("(a/b)*b").integer(values) == size


@given(st.integers(1, 2048), st.floats(0.01, 8, allow_nan=False))
def test_a_float_rounds_as_in_python(size: int, ratio: float) -> None:
    assert Expression("floor(a*r)").integer({"a": size, "r": ratio}) == math.floor(size * ratio)


def test_it_says_what_it_reads() -> None:
    expression = Expression("depths[i]*text_config.hidden_size + len(layer_types) + depths[1]")
    assert expression.paths == {"depths", "i", "text_config.hidden_size", "layer_types", "depths[1]"}
    assert expression.indices == {"i"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "open('x')", "(lambda: 1)()", "[x for x in depths]", "a.b()",
        "hidden_size = 3",
        "f'{hidden_size}'", "a[b:c:2]",
        "depths['x']", "1j", "b'x'", "", "a b", "len()", "max(*depths)", "max(a, key=b)",
        "(" * 300 + "1" + ")" * 300, "-" * 200 + "1", "1" * 5000, "\0",
    ],
)  # fmt: skip
def test_anything_else_is_no_expression(text: str) -> None:
    with pytest.raises(DeriveError, match="expression"):
        _ = Expression(text).paths


@pytest.mark.parametrize(
    "text",
    [
        "missing", "hidden_size // 0", "hidden_size / (1 - 1)", "q_lora_rank + 1", "layer_types[5]", "'a' * 10**9",
        "10**10**10", "2**65", "depths + 1", "hidden_size < 'x'", "9**64**64", "sqrt(-1)", "log(0)",
    ],
)  # fmt: skip
def test_what_has_no_value_is_an_error_of_one_line(text: str) -> None:
    with pytest.raises(DeriveError) as error:
        Expression(text)(VALUES)
    assert "\n" not in str(error.value)
    assert text in str(error.value)


@pytest.mark.parametrize(
    "text", ["hidden_size/3", "1 - hidden_size", "mlp_ratio*1.01", "layer_types[0]", "q_lora_rank", "1 == 1"]
)
def test_a_size_is_a_whole_number(text: str) -> None:
    with pytest.raises(DeriveError, match="expected a size"):
        Expression(text).integer(VALUES)
