"""Formula, implementation and file side by side: three differences, and what the implementation does with the file.

The verdict of a check is on formula and file. What the implementation builds, and what it would make of the stored
tensors, are findings of their own, with causes of their own: it drops layers that only serve training, merges
experts, renames, ties. Where formula and file agree and the implementation does not, it is the implementation.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from verify.breakdown import Breakdown
from verify.roles import Kind


class Step(StrEnum):
    """What the implementation does with stored tensors when it loads them; the first are those that go wrong."""

    UNEXPECTED = "not expected"
    FAILED = "cannot be converted"
    MISMATCHED = "another shape"
    MISSING = "missing"
    SHADOWED = "stored twice"
    IGNORED = "ignored"
    OPTIONAL = "done without"
    COPY = "copy of a tied one"
    TIED = "tied"
    MERGED = "merged"
    SPLIT = "split"
    CONVERTED = "converted"
    RENAMED = "renamed"
    TAKEN = "taken as they are"


_WRONG = frozenset({Step.UNEXPECTED, Step.FAILED, Step.MISMATCHED, Step.MISSING, Step.SHADOWED})


class Line(msgspec.Struct, frozen=True):
    """Tensors with which the implementation does the same, for the same reason.

    Attributes:
        step: What it does.
        tensors: How many stored tensors they are; parameters, where none is stored.
        elements: How many elements these have.
        difference: What they add to the elements of the file minus those of the implementation.
        stored: Their names, with `{}` for numbers that differ.
        parameters: The names of what they become, or were sought as.
        why: The reason, in one line.
    """

    step: Step
    tensors: int
    elements: int
    difference: int
    stored: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    why: str = ""

    @property
    def explained(self) -> bool:
        """Whether the implementation provides for it."""
        return self.step not in _WRONG


class Sides(msgspec.Struct, frozen=True):
    """Elements of one layer type on the three sides.

    Attributes:
        layer_type: The slot, or what stands for all tensors that have none.
        kind: Parameter, buffer or bookkeeping.
        formula: What the formula predicts.
        implementation: What the implementation builds.
        file: What is stored.
    """

    layer_type: str
    kind: str
    formula: int
    implementation: int
    file: int

    @property
    def built(self) -> int:
        """Implementation minus formula."""
        return self.implementation - self.formula

    @property
    def loaded(self) -> int:
        """File minus implementation."""
        return self.file - self.implementation

    @property
    def stored(self) -> int:
        """File minus formula."""
        return self.file - self.formula

    @property
    def differ(self) -> bool:
        """Whether any two sides do."""
        return not self.formula == self.implementation == self.file


class Triangulation(msgspec.Struct, frozen=True):
    """The three sides.

    Attributes:
        formula: The formula's name.
        where: Version and class of the implementation.
        rows: Elements by layer type; then all tensors that have none, and all bookkeeping.
        lines: What the implementation does with the stored tensors.
    """

    formula: str
    where: str
    rows: tuple[Sides, ...]
    lines: tuple[Line, ...]

    @property
    def total(self) -> Sides:
        """All parameters."""
        return _sum("all parameters", Kind.PARAMETER, (row for row in self.rows if row.kind == Kind.PARAMETER))

    @property
    def loads(self) -> bool:
        """Whether the implementation provides for everything that it finds, and finds all it needs."""
        return all(line.explained for line in self.lines)

    @property
    def note(self) -> str:
        """What it does with the stored tensors, in one line."""
        said = (f"{line.step}: {line.tensors:,} tensors {line.difference:+,}" for line in self.lines if _matters(line))
        return "; ".join(said)


def rows(expected: Breakdown, built: Breakdown, stored: Breakdown) -> tuple[Sides, ...]:
    """Elements of formula, implementation and file by layer type.

    Args:
        expected: The formula's cells.
        built: What the implementation builds.
        stored: What is stored, unpacked.
    """
    counts = [{slot: elements for slot, (_, elements) in side.by_slot().items()} for side in (expected, built, stored)]
    found = {
        slot: Sides(str(slot), str(slot.kind), *(count.get(slot, 0) for count in counts))
        for slot in dict.fromkeys(slot for side in counts for slot in side)
    }
    sides = [each for slot, each in found.items() if slot.kind is not Kind.BOOKKEEPING]
    packed = [each for slot, each in found.items() if slot.kind is Kind.BOOKKEEPING]
    if packed:
        sides.append(_sum("bookkeeping", Kind.BOOKKEEPING, packed))
    strange = [sum(each.elements for each in side.unclassified) for side in (expected, built, stored)]
    if any(strange):
        sides.append(Sides("unclassified", str(Kind.PARAMETER), *strange))
    return tuple(sides)


def _sum(title: str, kind: Kind, sides: Iterable[Sides]) -> Sides:
    total: Counter[str] = Counter()
    for each in sides:
        total.update(formula=each.formula, implementation=each.implementation, file=each.file)
    return Sides(title, str(kind), total["formula"], total["implementation"], total["file"])


def _matters(line: Line) -> bool:
    return bool(line.difference) or not line.explained
