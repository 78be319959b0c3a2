"""A derived formula and its switches as what is printed: rows, closed forms, and the conditions that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.derivation import Case, Confirmed, Derivation, Repeat, Requirement, Row, Switch, Switches
from verify.derive.building.configurations import flatten
from verify.derive.confirming import booleans
from verify.derive.confirming.confirm import unvaried
from verify.derive.errors import DeriveError
from verify.derive.formulas.closed import Closed, checked, closed
from verify.derive.formulas.expressions import INDICES
from verify.derive.formulas.formula import ENOUGH
from verify.derive.formulas.notation import LATEX, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from verify.derive.building.classes import Target
    from verify.derive.building.configurations import Keywords
    from verify.derive.confirming.booleans import Change, Table
    from verify.derive.formulas.formula import Condition, Confirmation, Derived, DerivedTerm, Region

    Values = Mapping[str, Any]

#: How the names of sizes end without which there is no model, so that they are above 0 in all of them.
_SIZES = ("vocab_size", "hidden_size", "head_dim", "d_model", "n_embd", "heads", "head", "layers", "layer")
#: How the names of activation functions end; the words that were tried are functions without parameters.
_FUNCTIONS = ("act", "activation", "activation_function", "activation_fn", "act_fn", "nonlinearity")


def report(
    target: Target,
    keywords: Keywords,
    derived: Derived,
    table: Table,
    *,
    given: str,
    revision: str = "",
    note: str = "",
) -> Derivation:
    """All that is printed.

    Args:
        target: The class.
        keywords: The configuration that the formula was derived for.
        derived: The formula.
        table: What booleans change.
        given: The name of the configuration.
        revision: Its commit, where it is from a repository.
        note: What is to be said about it.

    Raises:
        DeriveError: A closed form disagrees with its terms, which is a fault of this program.
    """
    values = flatten(keywords)
    here = _region(derived, values)
    return Derivation(
        derived.model_type,
        derived.class_name,
        target.model_class.__module__,
        derived.transformers,
        given,
        revision,
        note,
        tuple(_case(region, table, values, given=region is here) for region in derived.regions),
        here.count(values) if here else None,
        here.count(values, "buffer") if here else None,
        Switches(
            tuple(_switch(change, here, values) for change in table.changes),
            table.idle,
            table.rejected,
            table.configurations,
            table.unknown,
        ),
        _confirmed(derived, table),
    )


def _region(derived: Derived, values: Values) -> Region | None:
    try:
        return derived.region(values)
    except DeriveError:
        return None


def _confirmed(derived: Derived, table: Table) -> Confirmed:
    known = derived.confirmation
    flipped = {*table.idle, *(path for change in table.changes for path in change.flips)}
    return Confirmed(
        known.configurations,
        _heads(known.varied),
        tuple(path for path in unvaried(derived) if path not in flipped),
        _failure(known),
        known.where,
        tuple((each.what, each.where) for each in derived.concretised),
    )


def _failure(known: Confirmation) -> str:
    if known.confirmed:
        return ""
    return known.failure or f"{known.configurations} random configurations in a row, {ENOUGH} are needed"


def _heads(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths, lists without their entries."""
    return tuple(dict.fromkeys(path.partition("[")[0] for path in paths))


def _case(region: Region, table: Table, values: Values, *, given: bool) -> Case:
    at = values if given else region.values
    form = checked(closed(region.terms), region.terms, at)
    return Case(
        tuple(_requirements(region, table)),
        tuple(_row(term, values if given else None) for term in region.terms),
        form.lines(PLAIN),
        form.lines(LATEX),
        given,
    )


def _row(term: DerivedTerm, values: Values | None) -> Row:
    shapes = None if values is None else term.shapes(values)
    return Row(
        term.pattern,
        term.kind,
        tuple(axis.text for axis in term.axes),
        tuple(
            Repeat(index, part.stop.text, part.where.text if part.where else "", part.count)
            for index, part in zip(INDICES, term.repeats, strict=False)
        ),
        None if shapes is None else shapes.total(),
        None if values is None else term.count(values),
    )


def _requirements(region: Region, table: Table) -> Iterator[Requirement]:
    """The conditions of a region, and the booleans that decide although the model itself does not read them."""
    stated = set()
    for condition in region.conditions:
        stated.add(booleans.switch(condition))
        yield Requirement(condition.text, condition.where, _trivial(condition, table))
    for change in table.changes:
        for path, value in change.settings:
            if path not in stated:
                stated.add(path)
                yield Requirement(f"{path} == {not value}")


def _trivial(condition: Condition, table: Table) -> str:
    """Why no reader needs a condition; "" where one may."""
    if booleans.switch(condition) in table.idle:
        return "flipped, it changes nothing"
    sign = condition.operator if condition.outcome else f"not {condition.operator}"
    above = (sign, condition.right.text) in {("!=", "0"), (">", "0"), (">=", "1"), ("not ==", "0"), ("not <=", "0")}
    if above and all(path.endswith(_SIZES) for path in condition.left.paths):
        return "it holds for every model"
    if condition.operator == "in" and condition.left.text.endswith(_FUNCTIONS):
        return "a function without parameters"
    return ""


def _switch(change: Change, here: Region | None, values: Values) -> Switch:
    now = change.values
    then, known = _region(change.derived, now), change.derived.confirmation
    failure = _failure(known) + (f" ({known.where})" if known.where and not known.confirmed else "")
    if here is None or then is None:
        return Switch(change.settings, "", "", None, configurations=known.configurations, failure=failure)
    before, after = _form(here, values), _form(then, now)
    added = after.minus(before)
    return Switch(
        change.settings,
        added.text(PLAIN),
        added.text(LATEX),
        then.count(now) - here.count(values),
        tuple(_row(term, now) for term in then.terms if term not in here.terms),
        tuple(_row(term, values) for term in here.terms if term not in then.terms),
        known.configurations,
        failure,
    )


def _form(region: Region, values: Values) -> Closed:
    return checked(closed(region.terms), region.terms, values)
