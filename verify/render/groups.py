"""The breakdown table in groups: one per role, then buffers, bookkeeping and what nobody could classify."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from verify.breakdown import Breakdown, expect
from verify.roles import Kind, Role
from verify.verification import UNCLASSIFIED, Row, Verification


class Group(msgspec.Struct, frozen=True):
    """Rows that belong together.

    Attributes:
        total: Their sum, as a row of its own; its layer type is the title of the group.
        rows: The rows.
    """

    total: Row
    rows: tuple[Row, ...]


class Table(msgspec.Struct, frozen=True):
    """A breakdown as reports show it.

    Attributes:
        groups: The groups, parameters first.
        total: All parameters, unclassified tensors included.
        reference: What stands in the column `measured`: "measured", or the name of the family's formula
            where an approximation was checked and no tensors were at hand.
        approximation: Whether the checked formula speaks of roles or a total only, not of layer types.
    """

    groups: tuple[Group, ...]
    total: Row
    reference: str
    approximation: bool


def table(verification: Verification) -> Table:
    """The breakdown over the whole model."""
    approximation = not verification.expected.cells
    reference = "measured"
    if approximation and verification.measured is None:
        exact = Breakdown(expect(verification.exact.terms))
        verification, reference = replace(verification, measured=exact), f"{verification.family} formula"
    rows = verification.rows()
    tensors = sum(row.tensors for row in rows if row.kind in {Kind.PARAMETER, UNCLASSIFIED})
    expected, measured = verification.expected_parameters, verification.measured_parameters
    total = Row("total", "", str(Kind.PARAMETER), None, tensors, expected, measured, Fraction(1))
    return Table((*_roles(verification, rows), *_others(rows)), total, reference, approximation)


def _roles(verification: Verification, rows: tuple[Row, ...]) -> Iterator[Group]:
    """The parameters by role; what an approximation predicts stands at the role only."""
    predicted = verification.expected_by_role
    for role in Role:
        chosen = [row for row in rows if row.kind == Kind.PARAMETER and row.role == role]
        if not chosen and not predicted.get(role):
            continue
        total = _sum(str(role), chosen)
        if not verification.expected.cells:
            measured = None if verification.measured is None else total.measured or 0
            total = replace(total, expected=predicted.get(role, 0) if predicted else None, measured=measured)
        yield Group(total, tuple(chosen))
    rest = verification.expected_parameters - sum(predicted.values())
    if predicted and rest:
        yield Group(Row("of no single role", "", str(Kind.PARAMETER), None, 0, rest, None, None), ())


def _others(rows: tuple[Row, ...]) -> Iterator[Group]:
    for kind, title in ((Kind.BUFFER, "buffers"), (Kind.BOOKKEEPING, "bookkeeping"), (UNCLASSIFIED, UNCLASSIFIED)):
        chosen = [row for row in rows if row.kind == kind]
        if chosen:
            yield Group(_sum(title, chosen), tuple(chosen))


def _sum(title: str, rows: Iterable[Row]) -> Row:
    """The sum of rows of one kind; unknown where one of them is."""
    rows = list(rows)
    expected = [row.expected for row in rows]
    measured = [row.measured for row in rows]
    shares = [row.share for row in rows]
    return Row(
        layer_type=title,
        role=rows[0].role if rows else title,
        kind=rows[0].kind if rows else str(Kind.PARAMETER),
        layer=None,
        tensors=sum(row.tensors for row in rows),
        expected=None if None in expected else sum(filter(None, expected)),
        measured=None if None in measured else sum(filter(None, measured)),
        share=None if None in shares else sum(filter(None, shares), Fraction()),
    )


def layer_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by layer index; what stands before the layers comes first, what stands after them last."""
    rows = list(rows)
    first = next((place for place, row in enumerate(rows) if row.layer is not None), len(rows))
    inside = sorted((row for row in rows if row.layer is not None), key=lambda row: row.layer or 0)
    return [*rows[:first], *inside, *(row for row in rows[first:] if row.layer is None)]


class Alike(msgspec.Struct, frozen=True):
    """Layers that hold the same, number for number.

    Attributes:
        indices: Their indices.
        rows: The rows of one of them, parameters first in order of appearance.
    """

    indices: tuple[int, ...]
    rows: tuple[Row, ...]


def layers_alike(rows: Iterable[Row]) -> tuple[Alike, ...]:
    """The layers in groups of equal content, in order of their first index."""
    by_layer: dict[int, list[Row]] = {}
    for row in rows:
        if row.layer is not None:
            by_layer.setdefault(row.layer, []).append(row)
    contents: dict[tuple[Row, ...], list[int]] = {}
    for layer in sorted(by_layer):
        content = tuple(replace(row, layer=None) for row in by_layer[layer])
        contents.setdefault(content, []).append(layer)
    return tuple(Alike(tuple(indices), content) for content, indices in contents.items())


def layer_totals(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One row for each layer index: the sum of its parameters, buffers left aside."""
    by_layer: dict[int, list[Row]] = {}
    for row in rows:
        if row.layer is not None:
            by_layer.setdefault(row.layer, [])
            if row.kind == Kind.PARAMETER:
                by_layer[row.layer].append(row)
    return tuple(replace(_sum(f"layer {layer}", by_layer[layer]), layer=layer) for layer in sorted(by_layer))


def causes(verification: Verification) -> Counter[str]:
    """Elements by cause over all findings, in order of appearance; differences of either sign add up."""
    elements: Counter[str] = Counter()
    for finding in verification.findings:
        elements[str(finding.cause)] += finding.elements
    return elements
