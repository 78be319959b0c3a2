"""A proof that the formula of a family is what the implementation builds: symbolically, region by region.

The family's own `formula` and the region of a trace are both polynomials over config paths. On each region, slot by
slot and in each set of layers, every axis of the one minus that of the other is 0 after simplification, and so is the
difference of the totals. This holds for every configuration of the region, of which examples only show some.

What the algebra cannot say is tested: which layers a condition chooses is compared as sets, at random configurations
of the region, and at each of them the totals are compared as numbers too.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from verify import architectures
from verify.derive.building import configurations, variation
from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.printing import text
from verify.derive.proof.algebra import Algebra, facts
from verify.derive.proof.compare import SlotDifference, compare, counts
from verify.derive.proof.family import expected
from verify.derive.proof.regions import Regions, differing
from verify.derive.proof.slots import of_family, of_region
from verify.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from verify.architectures import Family
    from verify.derive.building.classes import Target
    from verify.derive.building.configurations import Keywords
    from verify.derive.formulas.formula import Region
    from verify.derive.proof.regions import Cell, Point
    from verify.formula import Formula

Status = Literal["proved", "differs", "not comparable"]

#: Random configurations in each region.
_SAMPLES = 12
#: Random moves of each value of an equation.
_MOVES = 3

_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RegionProof:
    """What was found on one region.

    Attributes:
        status: Whether family and implementation are equal there.
        conditions: Where it holds, by the implementation.
        assumed: What the family takes for granted besides, or chooses its formula by.
        difference: Elements of all parameters by the family minus those by the implementation, as an expression.
        slots: What differs.
        configurations: At how many configurations sets of layers and totals were compared.
        tested: Conditions on layers that have no closed form and were only compared there.
        reason: Why the two cannot be compared, or what the numbers say.
    """

    status: Status
    conditions: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    difference: str = ""
    slots: tuple[SlotDifference, ...] = ()
    configurations: int = 0
    tested: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found for one class.

    Attributes:
        family: The name of the family file.
        model_type: The key of transformers.
        class_name: The class.
        regions: One for each region and each way in which the family counts there.
        refused: Why the family, or the class, takes some configurations not; nothing is said about these.
    """

    family: str
    model_type: str
    class_name: str
    regions: tuple[RegionProof, ...]
    refused: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """The worst of the regions; "proved" only if all of them are."""
        found = {each.status for each in self.regions}
        return "differs" if "differs" in found else "proved" if found == {"proved"} else "not comparable"

    @property
    def differences(self) -> tuple[str, ...]:
        """The differences of the totals, on all regions that differ."""
        return tuple(dict.fromkeys(each.difference for each in self.regions if each.status == "differs"))

    @property
    def slots(self) -> tuple[SlotDifference, ...]:
        """What differs on any region."""
        return tuple(dict.fromkeys(slot for each in self.regions for slot in each.slots))


def prove(
    target: Target,
    points: Sequence[Keywords],
    *,
    regions: Sequence[Region] = (),
    family: Family | None = None,
    samples: int = _SAMPLES,
) -> Proof:
    """Hold the family of a class against what its implementation builds.

    Args:
        target: The class.
        points: Keywords of configurations, at least one; where one is in no known region, that is traced.
        regions: Regions that are known, as those of a derived formula; the first configuration is moved into each.
        family: The family; None finds it by the model type.
        samples: Random configurations in each region.

    Raises:
        UnknownArchitectureError: There is no family for the model type.
    """
    family = family or architectures.find(target.model_type)
    gathered = Regions(family, target, samples)
    for region in regions:
        gathered.add(region, _inside(region, points[0]))
    for keywords in points:
        gathered.meet(keywords)
    found = [proof for cell in gathered.settled() for proof in _on(cell, family, target)]
    failed = [RegionProof("not comparable", each.conditions, reason=each.reason) for each in gathered.failed]
    name = family.__name__.rpartition(".")[2]
    return Proof(name, target.model_type, target.model_class.__name__, (*found, *failed), tuple(gathered.refused))


def _inside(region: Region, keywords: Keywords) -> Keywords:
    """Keywords with the values that a region was traced at."""
    moved: Keywords = configurations.copied(keywords)
    for path, value in region.values.items():
        configurations.assign(moved, path, value)
    return moved


def _on(cell: Cell, family: Family, target: Target) -> Iterator[RegionProof]:
    """The proofs on one region: the family may count in several ways there."""
    branches: dict[tuple[object, ...], list[Point]] = {}
    for point in cell.points:
        branches.setdefault(_way(point.formula), []).append(point)
    for points in branches.values():
        try:
            yield _Branch(cell, points, family, target).proof()
        except DeriveError as error:
            yield RegionProof("not comparable", cell.conditions, configurations=len(points), reason=str(error))


def _way(formula: Formula) -> tuple[object, ...]:
    """How a family counts: the same at two configurations where it has the same polynomials."""
    return tuple(
        (
            str(term.slot), tuple(axis.text() for axis in term.axes), term.copies.text(),
            term.layers and (term.layers.text, term.layers.count.text()),
        )
        for term in formula.terms
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Branch:
    """The configurations of a region at which the family has the same polynomials.

    Attributes:
        cell: The region.
        points: The configurations.
        family: The family.
        target: The class.
    """

    cell: Cell
    points: list[Point]
    family: Family
    target: Target

    def proof(self) -> RegionProof:
        """Compare the two, at first without taking for granted that a value is a certain number.

        Raises:
            DeriveError: The family computes a size in a way that cannot be followed.
        """
        wanted = expected(self.family, self.target, self.points[0].keywords)
        held = [pair for pair in wanted.facts if self._holds(pair, self.points)]
        general = [(left, right) for left, right in held if right == "0" or not right.isdecimal()]
        found = self._compared(wanted.formula, general)
        return found if found.status == "proved" or general == held else self._compared(wanted.formula, held)

    def _compared(self, formula: Formula, assumed: list[_Pair]) -> RegionProof:
        region, values = self.cell.region, [point.values for point in self.points]
        algebra = Algebra(values, (*facts(region.conditions), *assumed))
        items = of_family(formula, [point.formula for point in self.points], values, algebra)
        built = of_region(region, self.family.NAMES, values, algebra)
        for left, right in counts(items, built, algebra):
            if self._follows(pair := (text(left), text(right))):
                algebra.equal(left, right)
                assumed = [*assumed, pair]
        found = compare(items, built, algebra)
        reason = next((wrong for point in self.points if (wrong := differing(region, point))), "")
        return RegionProof(
            "differs" if found.slots or found.difference != "0" or reason else "proved",
            self.cell.conditions,
            tuple(f"{left} == {right}" for left, right in assumed),
            found.difference,
            found.slots,
            len(values),
            found.tested,
            reason,
        )

    def _follows(self, pair: _Pair) -> bool:
        """Whether an equation is part of what the branch or its region is: it holds here, and elsewhere it need not.

        The rest of the region is tried; where it holds there too, random configurations in which something of the
        equation has moved, which must then be outside the region.
        """
        if not self._holds(pair, self.points):
            return False
        if not self._holds(pair, self.cell.points):
            return True
        moved = [values for values in self._moved(pair) if not _equal(pair, values)]
        return bool(moved) and all(self.cell.region.flipped(values) for values in moved)

    def _moved(self, pair: _Pair) -> Iterator[Mapping[str, Any]]:
        """Configurations that the class takes, in which something of an equation has another value."""
        keywords, random = self.points[0].keywords, Random(0)  # noqa: S311 - no secret
        heads = {path.partition("[")[0] for side in pair for path in Expression(side).paths}
        words, movable = _words(self.cell.region), variation.movable(keywords)
        for path in (path for path in self.points[0].values if path.partition("[")[0] in heads):
            if path in movable:
                changed = [variation.vary(keywords, random, [path]).keywords for _ in range(_MOVES)]
            else:
                changed = [_with(keywords, path, word) for word in words if "[" in path]
            for each in changed:
                try:
                    configurations.build(self.target.config_class, each)
                except ConfigError:
                    continue
                yield configurations.flatten(each)

    @staticmethod
    def _holds(pair: _Pair, points: list[Point]) -> bool:
        return all(_equal(pair, point.values) for point in points)


def _equal(pair: _Pair, values: Mapping[str, Any]) -> bool:
    try:
        return bool(Expression(pair[0])(values) == Expression(pair[1])(values))
    except DeriveError:
        return False


def _words(region: Region) -> tuple[str, ...]:
    """The words that the conditions of a region speak of, and one that none knows."""
    texts = (side.text for condition in region.conditions for side in (condition.left, condition.right))
    nodes = (node for side in texts for node in ast.walk(ast.parse(side, mode="eval")))
    found = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return tuple(dict.fromkeys(("", *found)))


def _with(keywords: Keywords, path: str, word: str) -> Keywords:
    moved: Keywords = configurations.copied(keywords)
    configurations.assign(moved, path, word)
    return moved
