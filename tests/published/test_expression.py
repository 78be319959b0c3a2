"""Expressions: Python's arithmetic on the harmless part of its syntax, and nothing else of it."""

import operator
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.config import Config
from verify.errors import ExpressionError
from verify.published._expression import MAX_LENGTH, evaluate

VALUES = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "text_config": {"hidden_size": 48},
}
SMALL = {"hidden_size": 12, "num_hidden_layers": 3, "vocab_size": 50, "num_attention_heads": 4}
OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}

THREE = st.integers(0, 3)

#: An expression as text, with the value that Python's operators give for it.
Rendered = tuple[str, int]


def config() -> Config:
    return Config(dict(VALUES))


def outcome(text: str) -> str:
    """The value, or the message of the error."""
    try:
        return str(evaluate(text, config()).value)
    except ExpressionError as error:
        return str(error)


def leaves() -> st.SearchStrategy[Rendered]:
    named = [("h", 12), ("hidden_size", 12), ("n_embd", 12), ("L", 3), ("V", 50), ("num_attention_heads", 4), ("f", 48)]
    numbers = st.integers(0, 99).map(lambda number: (str(number), number))
    powers = st.builds(lambda base, power: (f"{base[0]} ** {power}", base[1] ** power), st.sampled_from(named), THREE)
    squares = st.builds(
        lambda left, right: (f"({left[0]} - {right[0]})**2", (left[1] - right[1]) ** 2), st.sampled_from(named), numbers
    )
    return st.sampled_from(named) | numbers | powers | squares


def combine(children: st.SearchStrategy[Rendered]) -> st.SearchStrategy[Rendered]:
    def binary(left: Rendered, sign: str, right: Rendered) -> Rendered:
        sign = "+" if sign == "//" and right[1] == 0 else sign
        return f"({left[0]}) {sign} ({right[0]})", OPERATIONS[sign](left[1], right[1])

    negative = children.map(lambda child: (f"-({child[0]})", -child[1]))
    return st.builds(binary, children, st.sampled_from(list(OPERATIONS)), children) | negative


#: Small enough to stay inside every bound: at most 3**4 terms, each below 99**8.
EXPRESSIONS = st.recursive(leaves(), combine, max_leaves=4)


@given(EXPRESSIONS)
def test_values_are_those_of_python_s_arithmetic(rendered: Rendered) -> None:
    text, expected = rendered
    if expected < 1:
        with pytest.raises(ExpressionError, match=f"comes to {expected};"):
            evaluate(text, Config(SMALL))
    else:
        assert evaluate(text, Config(SMALL)).value == expected


@given(EXPRESSIONS)
def test_the_text_of_a_size_reads_back_as_the_same_size(rendered: Rendered) -> None:
    text, value = rendered
    size = evaluate(text if value >= 1 else f"{1 - value} + {text}", Config(SMALL))
    assert evaluate(size.text(), Config(SMALL)) == size
    assert size.latex()


@given(st.text(max_size=40))
def test_any_text_is_a_count_or_one_clear_line(text: str) -> None:
    assert re.fullmatch(r"[1-9][0-9]*|formula [^\n]+", outcome(text))


@given(st.text(alphabet="hLV0159_.+-*/() ", max_size=40))
def test_any_text_of_allowed_characters_is_a_count_or_one_clear_line(text: str) -> None:
    assert re.fullmatch(r"[1-9][0-9]*|formula [^\n]+", outcome(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 12 x 32 x 4096^2 + 32000 x 4096 = 6,442,450,944 + 131,072,000
        ("12*L*h**2 + V*h", 6_573_522_944),
        ("12*num_hidden_layers*hidden_size**2 + vocab_size*n_embd", 6_573_522_944),
        ("  12 * L\n * h ** 2\t+ V*h ", 6_573_522_944),
        ("2*V*h + L*(2*h*(a + k)*d + 3*h*f + 2*h) + h", 6_738_415_616),
        ("-h + h*2", 4096),
        ("+h", 4096),
        ("--h", 4096),
        ("-h**2 + 2*h**2", 16_777_216),
        ("h // 3", 1365),
        ("h / 4", 1024),
        ("-h // 3 + 2000", 634),  # -4096 // 3 is -1366, towards minus infinity
        ("7 // 2", 3),
        ("2 ** 0 + h**0", 2),
        ("1_000", 1000),
        ("text_config.h * 2", 96),
        ("2**8", 256),
        ("h - 3 - 2", 4091),
        ("h // 2 // 2", 1024),
        ("+".join(["h"] * 1000), 4_096_000),
    ],
)
def test_values(text: str, expected: int) -> None:
    assert evaluate(text, config()).value == expected


def test_the_polynomial_is_kept() -> None:
    size = evaluate("L*(8*h**2 + 4*h**2) + V*h", config())
    assert size.text() == "12*hidden_size**2*num_hidden_layers + hidden_size*vocab_size"
    assert size.latex() == "12 h^{2} L + h V"


def test_a_division_that_does_not_cancel_keeps_its_brackets() -> None:
    assert evaluate("(h + 1) // (2*a)", config()).text() == "((hidden_size + 1) // (2*num_attention_heads))"


def test_a_division_that_cancels_leaves_no_trace() -> None:
    assert evaluate("(4*h + 8*L) / 4", config()) == evaluate("h + 2*L", config())


HOSTILE = [
    "__import__('os')",
    "(lambda: 0)()",
    "9**9**9",
    "(" * 900 + "h" + ")" * 900,
    "(" * 10_000,
    "((h)" * 40,
    "-" * 1999 + "h",
    "h" + ".h" * 900,
    "~h",
    "1/0",
    "1//0",
    "h//(L - L)",
    "h if h else 0",
    "1if h else 0",
    "1.if h else 0",
    ".5if h else 0",
    "h.5if h else 0",
    "x[0]",
    "'h'",
    '"h"*3',
    "b'h'",
    "f'{h}'",
    "1.5*h",
    ".5*h",
    "1e9",
    "1j",
    "0x10",
    "1__0",
    "007",
    "h.__class__",
    "(h).__class__",
    "(1).real",
    "1 .real",
    "h.real",
    "h()",
    "h(L)",
    "2(h)",
    "h h",
    "12Lh",
    "h,L",
    "h:=3",
    "h=3",
    "h==L",
    "h<L",
    "h and L",
    "not h",
    "h is L",
    "[h for h in L]",
    "yield",
    "await h",
    "True",
    "None",
    "...",
    "{}",
    "()",
    "h;L",
    "h#L",
    "h\\L",
    "h@L",
    "h%L",
    "h&L",
    "h|L",
    "h>>L",
    "h^2",
    "h**-1",
    "h**9",
    "h**L",
    "h**(1+1)",
    "h**True",
    "*h",
    "**h",
    "h*",
    "h +",
    ")",
    "",
    "   ",
    "\x00",
    "\ud800",
    "\u210e",  # Planck's constant, which Python's identifiers fold to h
    "\u0661*h",  # an Arabic digit one
    "h\u200b",
    "h\u00b2",
    "\u02b0",
    "h\u00d72",
    "2**8*" * 20 + "1",
    "(2**8)**8*(2**8)**8",
    "((h**8)**8)**8",
    "((((h-L+1)**8)**8)**8)**8",
    "(((h+L+V+a+f+k+d)**8)**8)**8",
    "((h-L+V-a+f-k+d-1)**4)**4",
    "9" * 1900,
    "340282366920938463463374607431768211456",
    "h*" * 1000 + "h",
    "0",
    "h - h",
    "L - h",
    "hidden",
    "text_config",
    "text_config.nothing",
    "vision_config.h",
    "E",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_expressions_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"^formula [^\n]*, character \d+: [^\n]*$") as caught:
        evaluate(text, config())
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 600


def test_divisions_that_would_double_their_text_each_time_are_refused() -> None:
    text = "h // 5000"
    for _ in range(15):
        text = f"(({text} + 1)**2 // 3)"
    with pytest.raises(ExpressionError, match="too large a division"):
        evaluate(text, config())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("12*h^2", ["character 5: '^'", "write ** for a power"]),
        ("12*L*g", ["character 6: unknown name g", "letters: h hidden_size, L num_hidden_layers"]),
        ("2*hiden_size", ["character 3: unknown name hiden_size", "did you mean hidden_size"]),
        ("2 * E", ["character 5: E means num_experts, which config.json does not have"]),
        ("num_experts", ["character 1: num_experts, which config.json does not have"]),
        ("h / 3", ["character 5: 4096 / 3 is not whole", "use // to round down"]),
        ("12Lh**2", ["character 1: '12Lh'", "write 12*Lh"]),
        ("h*1.5", ["character 3: '1.5'", "expected names, whole numbers, + - * ** // / and parentheses"]),
        ("h**9", ["character 4: an exponent", "a number from 0 to 8"]),
        ("L - h", ["character 1: comes to -4064", "at least 1"]),
        ("L*(h + 2", ["character 3: cannot be read from here on"]),
        ("2(h)", ["character 1: something is called", "write * between factors"]),
        ("h" * (MAX_LENGTH + 1), ["2001 characters", "at most 2000"]),
        ("h//(L-L)", ["character 5: division by zero"]),
        ("2*text_config", ["character 3: text_config in config.json is no count"]),
    ],
)
def test_messages_say_where_what_and_what_next(text: str, parts: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, config())
    for part in parts:
        assert re.search(re.escape(part), str(caught.value)), str(caught.value)
