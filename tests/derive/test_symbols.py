"""Symbolic numbers behave as their values, and their expressions say how they were computed."""

import copy
import math
import pickle
from collections.abc import Mapping

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.printing import text
from verify.derive.tracing.lists import SymbolicList, SymbolicTuple
from verify.derive.tracing.private import functions
from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.symbols import SymbolicFloat, SymbolicInt, SymbolicStr, expression, plain, symbol

SIZES = st.integers(1, 4096)


def made(name: str, value: int) -> SymbolicInt:
    return SymbolicInt(value, symbol(name, value))


def check(found: object, values: Mapping[str, object]) -> None:
    """The text of what was computed gives the value again."""
    assert isinstance(found, (SymbolicInt, SymbolicFloat))
    assert Expression(text(found.expr))(values) == pytest.approx(plain(found), rel=1e-12)
    if isinstance(found, SymbolicInt):
        assert Expression(text(found.expr)).integer(values) == found


@given(SIZES, SIZES)
def test_arithmetic_keeps_value_and_expression(a: int, b: int) -> None:
    values = {"a": a, "b": b}
    x, y = made("a", a), made("b", b)
    for found, expected in (
        (x + y, a + b),
        (3 * x * y, 3 * a * b),
        (x // y, a // b),
        (x % y + 1, a % b + 1),
        (7 % y + x, 7 % b + a),
        (256 * ((x + 255) // 256), 256 * ((a + 255) // 256)),
        ((x + y - 1) // y, -(-a // b)),
        (x**2, a**2),
        (math.ceil(x / 16), -(-a // 16)),
        (math.floor(x / y), a // b),
        (math.trunc(8 * x / 3), 8 * a // 3),
        (abs(-x), a),
    ):
        assert found == expected
        check(found, values)


@given(SIZES, st.floats(0.01, 8, allow_nan=False))
def test_a_ratio_of_the_configuration_stays_a_symbol(size: int, ratio: float) -> None:
    assume(ratio * size >= 1)
    found = math.trunc(made("a", size) * SymbolicFloat(ratio, symbol("r", ratio)))
    assert isinstance(found, SymbolicInt)
    assert found == int(size * ratio)
    assert text(found.expr) == "floor(a*r)"
    check(found, {"a": size, "r": ratio})


def test_it_is_an_int_to_everyone() -> None:
    size = made("hidden_size", 12)
    assert isinstance(size, int)
    assert {12: "found"}[size] == "found"
    assert f"{size:>4} {size}" == "  12 12"
    assert [0] * size == [0] * 12
    assert pickle.loads(pickle.dumps(size)) == 12  # noqa: S301 - our own bytes
    assert copy.deepcopy(size) is size
    assert divmod(size, 5) == (2, 2)
    assert (size == None) is False  # noqa: E711 - what a model may write


def test_a_list_keeps_its_path_when_it_is_copied() -> None:
    items = [SymbolicStr(word, sympy.Symbol(f"layer_types[{at}]")) for at, word in enumerate(("mamba", "attention"))]
    words = SymbolicList.of("layer_types")(items)
    for other in (words, copy.deepcopy(words), copy.copy(words), type(words)(item for item in words)):
        assert other.path == "layer_types"
        assert list(other) == ["mamba", "attention"]
        assert "attention" in other
        assert "moe" not in other
    assert plain(SymbolicTuple.of("depths")((made("depths[0]", 2),))) == (2,)
    assert pickle.loads(pickle.dumps(words)) == ["mamba", "attention"]  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        (lambda h, n: functions.FloorDiv(h, n) * n, "(hidden_size//n)*n"),
        (lambda h, n: functions.FloorDiv(h + n - 1, n), "ceil(hidden_size/n)"),
        (lambda h, n: functions.PythonMod(h, n) + 1, "(hidden_size % n) + 1"),
        (lambda h, n: functions.Mod(h + 1, n), "(hidden_size + 1) % n"),
        (lambda h, n: functions.Max(h, n) * functions.Min(h, n), "max(hidden_size, n)*min(hidden_size, n)"),
        (lambda h, n: functions.ModularIndexing(h, n, 3), "(hidden_size//n) % 3"),
        (lambda h, _: sympy.sqrt(h), "sqrt(hidden_size)"),
        (lambda h, _: expression(0.3) * h, "0.3*hidden_size"),
        (lambda h, _: expression(1.5) * h, "3*hidden_size/2"),
        (lambda h, _: h * sympy.Symbol("num_heads"), "num_heads*hidden_size"),
    ],
)
def test_expressions_are_printed_in_the_syntax_of_python(expr: object, words: str) -> None:
    h, n = symbol("hidden_size", 8), symbol("n", 3)
    assert text(expr(h, n)) == words  # type: ignore[operator]
    assert Expression(words)({"hidden_size": 8, "n": 3, "num_heads": 2}) is not None


def test_a_switch_of_a_list_that_a_pass_reads_is_compared() -> None:
    recorder = Recorder()
    flags = SymbolicList.of("flags")([False, True])
    source = "outcomes = [flags[at] for at in recorder.loop(zero, two, one, range(2))]"
    space = {"flags": flags, "recorder": recorder, "range": range}
    space |= {"zero": sympy.Integer(0), "two": sympy.Integer(2), "one": sympy.Integer(1)}
    before, Recorder.current = Recorder.current, recorder
    try:
        exec(compile(source, "/x/transformers/models/x/modeling_x.py", "exec"), space)  # noqa: S102 - as a model would
    finally:
        Recorder.current = before
    assert space["outcomes"] == [False, True]
    assert [each.outcome for each in recorder.comparisons.values()] == [False, True]
    assert {str(each.right) for each in recorder.comparisons.values()} == {"True"}
