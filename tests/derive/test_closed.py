"""Closed forms: what terms come to, multiplied out and collected, as text and as LaTeX."""

import pytest
import sympy

from verify.derive.errors import DeriveError
from verify.derive.formulas import polynomials
from verify.derive.formulas.closed import checked, closed
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import DerivedTerm, Kind, Predicate
from verify.derive.formulas.latex import latex
from verify.derive.formulas.notation import LATEX, PLAIN

LAYERS = Predicate(Expression("L"), None, "L")


def term(axes: str, *repeats: Predicate, kind: Kind = "parameter") -> DerivedTerm:
    pattern = ".".join(("layers", *["{}"] * len(repeats), "weight"))
    return DerivedTerm(pattern, kind, tuple(map(Expression, axes.split(", "))), repeats)


def some(where: str, count: str = "", stop: str = "L") -> Predicate:
    return Predicate(Expression(stop), Expression(where), count)


def test_like_terms_are_added_and_what_they_share_stands_outside_brackets() -> None:
    terms = (term("V, h"), term("a*d, h", LAYERS), term("g*d, h", LAYERS), term("h, a*d", LAYERS), term("V, h"))
    text = closed((*terms, term("h", LAYERS))).text()
    assert text == "2*V*h + L*h*(d*(2*a + g) + 1)"


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ("2*x, 3*y", "6*x*y"),
        ("x, x", "x**2"),
        ("(x + 1)*(x - 1)", "x**2 - 1"),
        ("x//y, y", "(x//y)*y"),
        ("ceil(x/y), y", "ceil(x/y)*y"),
        ("x - y, 2", "2*x - 2*y"),
        ("7", "7"),
        ("x - x", "0"),
        ("text_config.x, sizes[0]", "text_config.x*sizes[0]"),
    ],
)
def test_products_of_sizes(axes: str, expected: str) -> None:
    assert closed((term(axes),)).text() == expected


def test_buffers_are_no_parameters() -> None:
    terms = (term("h"), term("N", kind="buffer"))
    assert closed(terms).text() == "h"
    assert closed(terms, "buffer").text() == "N"
    assert closed(()).text() == "0"


def test_sets_of_layers_have_a_bracket_each() -> None:
    sparse, dense = some("i % p == o", "ceil((L - o)/p)"), some("i % p != o", "L - ceil((L - o)/p)")
    form = closed((term("E, h", sparse), term("h, f", dense)))
    assert form.text() == "ceil((L - o)/p)*E*h + (L - ceil((L - o)/p))*f*h"
    # 2 of 7 layers are i % 3 == 2.
    assert form.value({"L": 7, "p": 3, "o": 2, "E": 5, "h": 11, "f": 13}) == 2 * 5 * 11 + 5 * 11 * 13


def test_a_set_without_a_closed_form_is_named() -> None:
    form = closed((term("h", some("kinds[i] == 'a' and i > 0")),))
    assert form.text() == "#[i < L: kinds[i] == 'a' and i > 0]*h"
    assert form.value({"L": 4, "kinds": ("a", "a", "b", "a"), "h": 10}) == 20


def test_a_number_of_modules_is_multiplied_in() -> None:
    pair = Predicate(Expression("3"), None, "3")
    assert closed((term("h", LAYERS, pair), term("f", LAYERS))).text() == "L*(3*h + f)"


def test_sizes_that_differ_from_layer_to_layer_are_summed() -> None:
    outer, inner = Predicate(Expression("len(d)"), None, "len(d)"), Predicate(Expression("d[i]"), None, "d[i]")
    form = closed((term("w[i], h", outer, inner),))
    assert form.text() == "sum[i < len(d), j < d[i]](w[i]*h)"
    assert form.value({"d": (1, 3), "w": (10, 100), "h": 2}) == 2 * (1 * 10 + 3 * 100)
    loops = r"\sum_{i < \left|\text{d}\right|}\sum_{j < {\text{d}}_{i}}"
    assert form.text(LATEX) == loops + r"\left({\text{w}}_{i} \, \text{h}\right)"


def test_a_difference_has_what_is_not_in_both() -> None:
    bias = closed((term("h, h", LAYERS), term("h", LAYERS), term("V, h")))
    plain = closed((term("h, h", LAYERS), term("V, h")))
    assert bias.minus(plain).text() == "L*h"
    assert plain.minus(bias).text() == "-L*h"
    assert bias.minus(bias).text() == "0"


def test_a_closed_form_that_is_not_what_its_terms_come_to_is_refused() -> None:
    terms = (term("h", Predicate(Expression("L"), Expression("i > 0"), "L")),)  # L - 1 would be right
    with pytest.raises(DeriveError, match=r"gives 12, its terms 9"):
        checked(closed(terms), terms, {"L": 4, "h": 3})


def test_collecting_changes_no_value() -> None:
    source = "3*a*b*c + a*b*d - 2*a*c + 5*b - 7 + a**2*b"
    polynomial = polynomials.parse(source)
    found = polynomials.written(polynomials.collected(polynomial, polynomials.ranked([polynomial])), PLAIN)
    assert sympy.expand(sympy.sympify(found) - sympy.sympify(source)) == 0
    assert found.count("(") >= 1


def test_what_is_long_is_not_multiplied_out() -> None:
    sums = "*".join(f"({' + '.join(f'x{at}_{each}' for each in range(9))})" for at in range(3))
    assert sum(1 for _ in polynomials.parse(sums)) <= 81


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("hidden_size//num_attention_heads", r"\left\lfloor \frac{h}{a} \right\rfloor"),
        ("i % period == offset", r"i \bmod \text{period} = \text{offset}"),
        ("vision_config.hidden_size", r"h_{\text{vision}}"),
        ("q_lora_rank*2", r"\text{q\_lora\_rank} \cdot 2"),
        ("layer_types[i] == 'full_attention'", r"{\text{layer\_types}}_{i} = \texttt{full\_attention}"),
        ("layer_types.count('a')", r"\#\{i : {\text{layer\_types}}_{i} = \texttt{a}\}"),
        ("types[:i].count('a')", r"\#\{q < i : {\text{types}}_{q} = \texttt{a}\}"),
        ("types[i + 1:].count('a')", r"\#\{i + 1 \leq q : {\text{types}}_{q} = \texttt{a}\}"),
        ("i == types.index('a')", r"i = \min\{q : {\text{types}}_{q} = \texttt{a}\}"),
        ("ceil((a - b)/c)", r"\left\lceil \frac{\text{a} - \text{b}}{\text{c}} \right\rceil"),
        ("(a + b)*c", r"\left(\text{a} + \text{b}\right) \text{c}"),
        ("a - (b - c)", r"\text{a} - \left(\text{b} - \text{c}\right)"),
        ("i > 1 and not (i == 2 or j in (3, 4))", r"i > 1 \land \neg \left(i = 2 \lor j \in \{3, 4\}\right)"),
        ("max(1, k)", r"\max\left(1, r\right)"),  # the third index, beside k key-value heads
    ],
)
def test_latex(expression: str, expected: str) -> None:
    assert latex(expression) == expected
