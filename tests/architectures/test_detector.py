"""A wrong formula is found: whatever is changed in one term, the diff names that slot and no other."""

from collections.abc import Mapping

from msgspec.structs import replace

from verify import architectures
from verify.breakdown import Cell, Key, expect, measure
from verify.config import Config
from verify.diff import diff
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.formula import Formula, Term

Values = dict[str, object]


def _both(values: Values) -> tuple[Formula, Mapping[Key, Cell]]:
    family = architectures.find(str(values["model_type"]))
    measured = measure(unpack(meta.read(values, model="tiny").tensors, ""), family.NAMES)
    return family.formula(Config(values)), measured.cells


def _assert_found(formula: Formula, cells: Mapping[Key, Cell], index: int, *instead: Term) -> None:
    term = formula.terms[index]
    wrong = (*formula.terms[:index], *instead, *formula.terms[index + 1 :])
    found = diff(expect(wrong), cells)
    assert {(difference.slot, difference.layer) for difference in found} == {
        (term.slot, layer) for layer in term.indices
    }


def test_a_dropped_term_is_found(base: Values) -> None:
    formula, cells = _both(base)
    for index in range(len(formula.terms)):
        _assert_found(formula, cells, index)


def test_a_doubled_term_is_found(base: Values) -> None:
    formula, cells = _both(base)
    for index, term in enumerate(formula.terms):
        _assert_found(formula, cells, index, term, term)


def test_an_axis_off_by_one_is_found(base: Values) -> None:
    formula, cells = _both(base)
    for index, term in enumerate(formula.terms):
        for axis in range(len(term.axes)):
            for step in (-1, 1):
                axes = (*term.axes[:axis], term.axes[axis] + step, *term.axes[axis + 1 :])
                _assert_found(formula, cells, index, replace(term, axes=axes))


def test_turned_axes_are_found(base: Values) -> None:
    """Even where the count stays the same: a Conv1D stores its axes the other way round."""
    formula, cells = _both(base)
    turned = 0
    for index, term in enumerate(formula.terms):
        if term.shape != term.shape[::-1]:
            _assert_found(formula, cells, index, replace(term, axes=term.axes[::-1]))
            turned += 1
    assert turned


def test_an_expert_too_many_is_found(tiny: dict[str, Values]) -> None:
    for family in ("mixtral", "deepseek_v3"):
        formula, cells = _both(tiny[family])
        for index, term in enumerate(formula.terms):
            if term.copies.value > 1:
                _assert_found(formula, cells, index, replace(term, copies=term.copies + 1))


def test_a_layer_too_few_is_found(tiny: dict[str, Values]) -> None:
    formula, cells = _both(tiny["deepseek_v3"])
    for index, term in enumerate(formula.terms):
        if term.layers and len(term.layers.indices) > 1:
            fewer = replace(term, layers=replace(term.layers, indices=term.layers.indices[:-1]))
            wrong = (*formula.terms[:index], fewer, *formula.terms[index + 1 :])
            found = diff(expect(wrong), cells)
            assert [(difference.slot, difference.layer) for difference in found] == [(term.slot, term.indices[-1])]
