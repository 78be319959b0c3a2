"""A size's value and its text come from the same operators."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from verify.symbols import Size

VALUES = {"hidden_size": 7, "num_hidden_layers": 3, "vocab_size": 11}

leaves = st.one_of(
    st.integers(-20, 20).map(lambda value: (Size.of(value), value)),
    st.sampled_from(sorted(VALUES)).map(lambda name: (Size.symbol(name, VALUES[name]), VALUES[name])),
)

OPERATORS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


def combined(children: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(children, st.sampled_from(sorted(OPERATORS)), children).map(
        lambda t: (OPERATORS[t[1]](t[0][0], t[2][0]), OPERATORS[t[1]](t[0][1], t[2][1]))
    )


def evaluate(text: str) -> object:
    tree = compile(ast.parse(text, mode="eval"), "<text>", "eval")
    return eval(tree, {"__builtins__": {}}, dict(VALUES))  # noqa: S307 - our own text, names only


@given(st.recursive(leaves, combined, max_leaves=8))
def test_value_equals_plain_arithmetic_and_text_evaluates_to_it(pair: tuple[Size, int]) -> None:
    """Law: the polynomial is the value, for any expression of +, - and *."""
    size, plain = pair
    assert size.value == plain
    assert evaluate(size.text()) == plain


def test_equal_polynomials_are_equal_however_they_were_built() -> None:
    h = Size.symbol("hidden_size", 7)
    v = Size.symbol("vocab_size", 11)
    assert (h + v) * (h - v) == h * h - v * v
    assert hash((h + v) * 2) == hash(2 * v + 2 * h)


def test_whole_division_cancels_constants_and_names_the_rest() -> None:
    h = Size.symbol("hidden_size", 7)
    assert (h * 6) // 3 == h * 2
    half = h // 2
    assert half.value == 3
    assert half.text() == "(hidden_size // 2)"
    assert evaluate(((h + 2) // (h - 4)).text()) == 3
    assert evaluate((h // (h * 2)).text()) == 0


def test_letters_are_those_of_the_literature() -> None:
    h = Size.symbol("hidden_size", 4096)
    f = Size.symbol("intermediate_size", 11008)
    assert (3 * h * f + h * h).text(letters=True) == "h**2 + 3*h*f"
    assert (h * h * 2).latex() == "2 h^{2}"
    assert Size.symbol("kv_lora_rank", 512).latex() == r"\text{kv\_lora\_rank}"


def test_zero_is_written_as_zero() -> None:
    h = Size.symbol("hidden_size", 7)
    assert (h - h).text() == "0"
    assert (h - h).symbols() == ()


def test_a_sum_is_bracketed_as_a_factor() -> None:
    h = Size.symbol("hidden_size", 7)
    v = Size.symbol("vocab_size", 11)
    assert (v - h).factor() == "(-hidden_size + vocab_size)"
    assert h.factor(letters=True) == "h"
    assert (h * 2).factor(letters=True) == "(2*h)"
    assert (v - h).latex_factor() == r"\left(-h + V\right)"


def test_latex_escapes_what_would_break_it() -> None:
    assert Size.symbol("#[i % 2]", 3).latex() == r"\text{\#[i \% 2]}"
