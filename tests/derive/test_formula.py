"""A formula as data: counted by hand, stored as JSON, and loaded without torch."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import (
    Concretised,
    Condition,
    Confirmation,
    Derived,
    DerivedTerm,
    Kind,
    Predicate,
    Region,
    from_json,
)
from verify.derive.formulas.text import text
from verify.errors import FormatError


def _term(pattern: str, axes: str, *repeats: Predicate, kind: Kind = "parameter") -> DerivedTerm:
    return DerivedTerm(pattern, kind, tuple(map(Expression, axes.split(" x "))), repeats)


def _every(stop: str, where: str = "") -> Predicate:
    return Predicate(Expression(stop), Expression(where) if where else None)


REGION = Region(
    terms=(
        _term("embed.weight", "vocab x h"),
        _term("layers.{}.q.weight", "(heads*d) x h", _every("n")),
        _term("layers.{}.experts.{}.up.weight", "f x h", _every("n", "i >= dense"), _every("experts")),
        _term("stages.{}.blocks.{}.w", "2**i*h", _every("len(depths)"), _every("depths[i]")),
        _term("layers.{}.position", "h", _every("n", "i == 0"), kind="buffer"),
    ),
    conditions=(
        Condition("==", Expression("h % heads"), Expression("0"), outcome=True, where="modeling_made.py:3"),
        Condition("<", Expression("i"), Expression("dense"), outcome=False, indexed=True, stop=Expression("0*n")),
        Condition("==", Expression("bias"), Expression("False"), outcome=True),
    ),
    values={"h": 8, "depths": (1, 2)},
)  # fmt: skip
DERIVED = Derived(
    "made", "MadeForCausalLM", "5.23.0", (REGION,), Confirmation(20, ("h", "n")), (Concretised("int() of h", "x.py:1"),)
)
VALUES = {
    "vocab": 100, "h": 8, "heads": 2, "d": 4, "n": 5, "dense": 2, "experts": 3, "f": 16, "depths": (1, 2),
    "bias": False,
}  # fmt: skip


def test_it_counts_what_the_terms_say() -> None:
    embedding, queries, experts, stages = 100 * 8, 5 * (8 * 8), 3 * 3 * (16 * 8), 1 * 8 + 2 * 16
    assert DERIVED.count(VALUES) == embedding + queries + experts + stages
    assert DERIVED.count(VALUES, "buffer") == 8


def test_shapes_are_told_by_pattern() -> None:
    shapes = REGION.shapes(VALUES | {"dense": 9})
    assert shapes["stages.{}.blocks.{}.w"] == Counter({(8,): 1, (16,): 2})
    assert shapes["layers.{}.q.weight"] == Counter({(8, 8): 5})
    assert "layers.{}.experts.{}.up.weight" not in shapes


@pytest.mark.parametrize(
    ("changed", "broken"),
    [({"h": 9}, "h % heads == 0"), ({"bias": True}, "bias == False"), ({"bias": None}, "bias == False")],
)
def test_outside_its_conditions_there_is_no_number(changed: dict[str, object], broken: str) -> None:
    assert [condition.text for condition in REGION.flipped(VALUES | changed)] == [broken]
    with pytest.raises(DeriveError, match="does not hold"):
        DERIVED.count(VALUES | changed)


def test_a_condition_that_cannot_be_evaluated_does_not_hold() -> None:
    without = {path: value for path, value in VALUES.items() if path != "bias"}
    assert [condition.text for condition in REGION.flipped(without)] == ["bias == False"]


def test_a_condition_for_every_index_must_hold_for_each() -> None:
    every = Condition(
        "in", Expression("t[i]"), Expression("('a', 'b')"), outcome=True, indexed=True, stop=Expression("3")
    )
    assert every.holds({"t": ("a", "b", "a")})
    assert not every.holds({"t": ("a", "c", "a")})
    assert not every.holds({"t": ("a",)})
    assert every.text == "t[i] in ('a', 'b') for every i < 3"


def test_the_first_region_that_holds_counts() -> None:
    other = replace(REGION, terms=REGION.terms[:1], conditions=())
    assert replace(DERIVED, regions=(REGION, other)).count(VALUES | {"bias": True}) == 800


def test_json_gives_it_back() -> None:
    assert from_json(DERIVED.to_json()).to_json() == DERIVED.to_json()
    assert from_json(DERIVED.to_json()).count(VALUES) == DERIVED.count(VALUES)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"vocab"', b'"__import__(1)"'),
        (b'"vocab"', b"7"),
        (b'"parameter"', b'"thing"'),
        (b'"regions":[', b'"regions":[1,'),
        (b'"layers.{}.q.weight"', b'"layers.{}.{}.q.weight"'),
        (b'"operator":"=="', b'"operator":"~"'),
        (b'"h % heads"', b'"h % "'),
        (b"}", b""),
        (b"made", b"\xff"),
    ],
)
def test_what_is_no_formula_is_refused(old: bytes, new: bytes) -> None:
    assert old in DERIVED.to_json()
    with pytest.raises(FormatError, match="derive it again"):
        from_json(DERIVED.to_json().replace(old, new))


def test_a_list_of_a_billion_modules_is_refused() -> None:
    with pytest.raises(DeriveError, match="at most"):
        REGION.count(VALUES | {"n": 10**9})


def test_only_twenty_configurations_without_a_failure_confirm() -> None:
    assert Confirmation(20).confirmed
    assert not Confirmation(19).confirmed
    assert not Confirmation(40, failure="a list of variable length").confirmed


def test_the_text_says_where_each_term_occurs() -> None:
    assert text(DERIVED).splitlines()[:7] == [
        "made MadeForCausalLM, transformers 5.23.0",
        "  [once]",
        "      embed.weight: vocab * h",
        "  [i < n] layers.",
        "      layers.{}.q.weight: (heads*d) * h",
        "  [i >= dense; j < experts] layers.",
        "      layers.{}.experts.{}.up.weight: f * h",
    ]


def test_reading_and_counting_needs_neither_torch_nor_sympy() -> None:
    program = (
        "import sys; from verify.derive.formulas.formula import from_json; "
        "from verify.derive.formulas.text import text; "
        "d = from_json(sys.stdin.read()); text(d); print(d.regions[0].count({'vocab': 3, 'h': 2, 'heads': 1, 'd': 1, "
        "'n': 1, 'dense': 1, 'experts': 0, 'f': 1, 'depths': [0]})); "
        "print(sorted({'torch', 'sympy', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=DERIVED.to_json(), capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode().split("\n")[:2] == ["8", "[]"]
