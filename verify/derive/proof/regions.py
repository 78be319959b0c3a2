"""The regions on which a family is held against an implementation, with configurations in each.

A configuration that is in no region yet is traced and makes one; random configurations around it follow. A region is
what the source says only if the class is what it gives: where the family says another number, the class is built, and
a region that is wrong is traced again at a configuration that tells more apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from verify.derive.building import configurations
from verify.derive.building.instances import instance
from verify.derive.confirming.confirm import traced
from verify.derive.confirming.search import Search
from verify.derive.proof.family import predicted
from verify.errors import ConfigError, VerifyError
from verify.roles import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from verify.architectures import Family
    from verify.derive.building.classes import Target
    from verify.derive.building.configurations import Keywords
    from verify.derive.formulas.formula import Region
    from verify.formula import Formula

_KINDS: tuple[Literal["parameter", "buffer"], ...] = ("parameter", "buffer")

#: Tries to find a random configuration: most moves leave the region, or the class rejects them.
_TRIES = 20
#: Configurations to trace again where a region is wrong.
_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Point:
    """A configuration that class and family take.

    Attributes:
        keywords: Its keywords.
        values: The same, flat.
        formula: The family's formula there.
    """

    keywords: Keywords
    values: Mapping[str, Any]
    formula: Formula


@dataclass(frozen=True, slots=True)
class Cell:
    """A region and configurations in it.

    Attributes:
        keywords: Where it was traced.
        region: The region.
        points: The configurations.
    """

    keywords: Keywords
    region: Region
    points: list[Point]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Where it holds."""
        return tuple(condition.text for condition in self.region.conditions)


@dataclass(frozen=True, slots=True)
class Failure:
    """A region, or a configuration, on which nothing can be compared.

    Attributes:
        conditions: Where it would hold.
        reason: Why not.
    """

    conditions: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Regions:
    """Gathers regions.

    Attributes:
        family: The family.
        target: The class.
        samples: Random configurations in each region.
        cells: The regions.
        failed: What cannot be compared.
        refused: Why the family, or the class, takes some configurations not.
    """

    family: Family
    target: Target
    samples: int
    cells: list[Cell] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    refused: dict[str, None] = field(default_factory=dict)

    def meet(self, keywords: Keywords) -> None:
        """Put a configuration into its region, which is traced where none is known."""
        values = configurations.flatten(keywords)
        for cell in self.cells:
            # What the source asks without a comparison (`isinstance`), or in the configuration class, is no condition.
            if _switches(cell.keywords) == _switches(keywords) and not cell.region.flipped(values):
                cell.points.extend(self._points([keywords]))
                return
        try:
            region = traced(self.target, keywords)[0]
        except VerifyError as error:
            self.failed.append(Failure((), str(error)))
        else:
            self.add(region, keywords)

    def add(self, region: Region, keywords: Keywords) -> None:
        """Add a region that holds at a configuration."""
        cell = Cell(keywords, region, self._points([keywords]))
        refused = next(reversed(self.refused), "")
        cell.points.extend(self._sampled(cell))
        if cell.points:
            self.cells.append(cell)
        else:
            self.failed.append(Failure(cell.conditions, refused))

    def settled(self) -> Iterator[Cell]:
        """The regions, each traced again elsewhere if the implementation shows that it is wrong."""
        for cell in self.cells:
            best, wrong = cell, self._wrong(cell)
            for point in sorted(cell.points, key=_tensors, reverse=True)[:_RETRIES] if wrong else ():
                region = traced(self.target, point.keywords)[0]
                kept = [each for each in cell.points if not region.flipped(each.values)]
                other = Cell(point.keywords, region, kept)
                if cell.points[0] in kept and len(again := self._wrong(other)) < len(wrong):
                    best, wrong = other, again
            if wrong:
                what = f"what was traced is not what {self.target.model_class.__name__} builds"
                self.failed.append(Failure(best.conditions, f"{what}: {differing(best.region, wrong[0])}"))
            else:
                yield best

    def _wrong(self, cell: Cell) -> list[Point]:
        """Where the region is not what the class builds; it is built only where the family says something else."""
        return [
            point
            for point in cell.points
            if differing(cell.region, point)
            and instance(self.target, point.keywords).count != cell.region.count(point.values)
        ]

    def _points(self, given: list[Keywords]) -> list[Point]:
        found = []
        for keywords in given:
            try:
                config = configurations.build(self.target.config_class, keywords)
                found.append(self._point(keywords, config))
            except ConfigError as error:
                self._refuse(error)
        return found

    def _refuse(self, error: ConfigError) -> None:
        """Note the reason as the latest."""
        self.refused.pop(str(error), None)
        self.refused[str(error)] = None

    def _point(self, keywords: Keywords, config: Any) -> Point:
        formula = predicted(self.family, self.target, keywords, config)
        return Point(keywords, configurations.flatten(keywords), formula)

    def _sampled(self, cell: Cell) -> Iterator[Point]:
        """Random configurations of a region."""
        search = Search(cell.keywords, Random(0))  # noqa: S311 - no secret
        search.want(cell.region.symbols)
        left = self.samples
        for _ in range(self.samples * _TRIES):
            if not left:
                return
            varied = search.next()
            if cell.region.flipped(configurations.flatten(varied.keywords)):
                continue
            try:
                config = configurations.build(self.target.config_class, varied.keywords)
            except ConfigError:
                continue
            try:
                yield self._point(varied.keywords, config)
            except ConfigError as error:
                self._refuse(error)
            search.moved.update(varied.paths)
            left -= 1


def differing(region: Region, point: Point) -> str:
    """The totals at a configuration, where family and region have different numbers; else ""."""
    for kind in _KINDS:
        family, built = point.formula.count(Kind(kind)), region.count(point.values, kind)
        if family != built:
            where = {path: point.values[path] for path in region.symbols if path in point.values}
            return f"{family:,} {kind} elements by the family, {built:,} by the implementation at {where}"
    return ""


def _switches(keywords: Keywords) -> frozenset[tuple[str, object]]:
    """What decides beside numbers: words, switches, None, lengths of lists, and the classes of sections."""
    found = {(path, section.get(configurations.CLASS)) for path, section in configurations.sections(keywords)}
    for path, value in configurations.flatten(keywords).items():
        if isinstance(value, tuple):
            found.add((path, len(value)))
        elif "[" not in path:
            found.add((path, value if value is None or isinstance(value, bool | str) else type(value).__name__))
    return frozenset(found)


def _tensors(point: Point) -> int:
    """How many tensors a configuration has: the more, the more can be told apart."""
    return sum(len(term.indices) * term.copies.value for term in point.formula.terms)
