"""Which booleans of a configuration change the formula, and how.

Each one is flipped, those in its sections too, and the class is built again. Where other tensors come out, the formula
is derived anew with the boolean flipped. Then random configurations with several of them flipped at random say
whether what they change adds up; a combination that does not is derived as well.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from verify.derive.building.configurations import Keywords, assign, build, copied, flatten, resolved
from verify.derive.building.points import Shapes, beginning, built
from verify.derive.confirming import confirm
from verify.derive.confirming.search import Search
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import ENOUGH, Condition, Confirmation, Derived, Region
from verify.errors import ConfigError, VerifyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from verify.derive.building.classes import Target

#: What is flipped together.
Flips: TypeAlias = frozenset[str]

#: Random configurations for each one that must be predicted; classes reject many.
_TRIES = 8
#: Combinations that are derived because what their booleans change does not add up.
_COMBINATIONS = 8


@dataclass(frozen=True, slots=True)
class Change:
    """A boolean, or a combination of some, that changes the formula.

    Attributes:
        settings: Each boolean with the value that it is flipped to.
        derived: The formula with them.
        values: The flat values of the given configuration with them.
    """

    settings: tuple[tuple[str, bool], ...]
    derived: Derived
    values: Mapping[str, Any]

    @property
    def flips(self) -> Flips:
        """The booleans that are flipped."""
        return frozenset(path for path, _ in self.settings)


@dataclass(frozen=True, slots=True)
class Table:
    """What the booleans of a configuration do.

    Attributes:
        changes: Those that change the formula, each alone; then combinations whose changes do not add up.
        idle: Those that change nothing, sorted.
        rejected: Those that the class does not let be flipped, each with what it says.
        configurations: How many random configurations, with several flipped at random, came out as the changes add up.
        unknown: Which combinations are not known; "" where all add up.
    """

    changes: tuple[Change, ...] = ()
    idle: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    configurations: int = 0
    unknown: str = ""


def table(
    target: Target,
    keywords: Keywords,
    derived: Derived,
    *,
    configurations: int = ENOUGH,
    seed: int = 0,
    seconds: float = 60.0,
    progress: Callable[[str], None] = lambda _line: None,
) -> Table:
    """Flip every boolean of a configuration.

    Args:
        target: The class.
        keywords: The configuration that the formula was derived for.
        derived: The formula.
        configurations: How many random configurations in a row each formula must predict.
        seed: Of the random choices.
        seconds: The most processor time that looking at all of them, and each confirmation, may take.
        progress: Called with a line on what is being done.
    """
    few = beginning(target, keywords)
    start = few.keywords if few else keywords
    found = _Flipping(target, keywords, start, flatten(keywords), {frozenset[str](): derived})
    found.look(time.process_time() + seconds)

    def derive(flips: Flips) -> None:
        progress(f"{target.model_type} with {said(found.settings(flips))}")
        changed = found.flipped(keywords, flips)
        found.known[flips] = confirm.derive(target, changed, configurations=configurations, seed=seed, seconds=seconds)

    for flips in tuple(found.changing):
        try:
            derive(flips)
        except ConfigError as error:  # what a few layers can be, many cannot
            found.refuse(flips, error)
    number, unknown = found.add_up(derive, configurations, Random(seed), seconds)  # noqa: S311 - no secret
    changes = tuple(
        Change(found.settings(flips), one, flatten(found.flipped(keywords, flips)))
        for flips, one in found.known.items()
        if flips
    )
    flipped = {path for change in changes for path in change.flips}
    rejected = tuple((path, why) for path, why in found.rejected.items() if path not in flipped)
    return Table(changes, tuple(path for path in sorted(found.idle) if path not in flipped), rejected, number, unknown)


def said(settings: Iterable[tuple[str, bool]]) -> str:
    """Settings as they are printed: `tie_word_embeddings=True`."""
    return ", ".join(f"{path}={value}" for path, value in settings)


def merged(derived: Derived, found: Table) -> Derived:
    """One piecewise formula: the regions of the formula and those of all changes, told apart by the booleans.

    A combination of booleans that was not derived is in no region.
    """
    switches = {path for change in found.changes for path in change.flips}
    given = {path: not value for change in found.changes for path, value in change.settings}
    regions = [_told(region, given, found.idle) for region in derived.regions]
    for change in found.changes:
        values = given | dict(change.settings)
        regions += [_told(region, values, found.idle) for region in change.derived.regions]
    parts = (derived.confirmation, *(change.derived.confirmation for change in found.changes))
    confirmation = Confirmation(
        min(part.configurations for part in parts),
        tuple(sorted({*derived.confirmation.varied, *switches})),
        next((part.failure for part in parts if part.failure), ""),
        next((part.where for part in parts if part.where), ""),
    )
    return replace(derived, regions=tuple(regions), confirmation=confirmation)


def _told(region: Region, values: Mapping[str, bool], idle: Iterable[str]) -> Region:
    """A region with a condition on each boolean that changes something, and none on those that do not."""
    said_already = {*values, *idle}
    kept = tuple(each for each in region.conditions if switch(each) not in said_already)
    told = tuple(
        Condition("==", Expression(path), Expression(repr(value)), outcome=True) for path, value in values.items()
    )
    return Region(region.terms, (*kept, *told), {**region.values, **values})


def switch(condition: Condition) -> str:
    """The boolean whose value a condition states; "" where it is about something else."""
    path = condition.left.text
    stated = condition.operator in ("==", "is") and condition.right.text in ("True", "False")
    return path if stated and not condition.indexed and path in condition.left.paths else ""


@dataclass(slots=True)
class _Flipping:
    """The state of the search.

    Attributes:
        target: The class.
        given: The configuration.
        start: The same with few layers.
        values: Its flat values.
        known: The formulas by what is flipped in them.
        changing: What changes the tensors and has no formula yet.
        idle: Booleans that change nothing by themselves.
        rejected: Booleans that the class does not let be flipped, with what it says.
    """

    target: Target
    given: Keywords
    start: Keywords
    values: Mapping[str, Any]
    known: dict[Flips, Derived]
    changing: list[Flips] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)

    @property
    def booleans(self) -> list[str]:
        """The paths of all booleans; those in lists belong to a layer each and are varied with the sizes."""
        return [path for path, value in self.values.items() if isinstance(value, bool) and "[" not in path]

    def settings(self, flips: Flips) -> tuple[tuple[str, bool], ...]:
        """Each boolean with its flipped value, in the order of the configuration."""
        return tuple((path, not self.values[path]) for path in self.values if path in flips)

    def flipped(self, keywords: Keywords, flips: Flips) -> Keywords:
        """Other keywords with these flipped, as the class understands them.

        Raises:
            ConfigError: It does not take them.
        """
        changed = copied(keywords)
        for path, value in self.settings(flips):
            assign(changed, path, value)
        return resolved(build(self.target.config_class, changed), changed)

    def refuse(self, flips: Flips, error: VerifyError) -> None:
        """Note that the class does not take these flipped."""
        for path in flips:
            self.rejected.setdefault(path, str(error))

    def look(self, end: float) -> None:
        """Flip each one; one that the class rejects alone, together with each other one.

        Args:
            end: The processor time when it must be over; what is left then counts as rejected.
        """
        usual, seen = built(self.target, self.start).shapes, dict[str, Shapes]()
        for path in self.booleans:
            alone = frozenset({path})
            if time.process_time() > end:
                self.rejected[path] = "not tried, the time was up"
                continue
            try:
                seen[path] = built(self.target, self.flipped(self.start, alone)).shapes
            except VerifyError as error:
                self.refuse(alone, error)
                continue
            if seen[path] == usual:
                self.idle.append(path)
            else:
                self.changing.append(alone)
        for path in tuple(self.rejected):
            self._look_together(path, seen, end)

    def _look_together(self, path: str, seen: Mapping[str, Shapes], end: float) -> None:
        for other, alone in seen.items():
            if time.process_time() > end:
                return
            both = frozenset({path, other})
            try:
                now = built(self.target, self.flipped(self.start, both)).shapes
            except VerifyError:
                continue
            if now != alone:
                self.changing.append(both)
                return

    def add_up(self, derive: Callable[[Flips], None], enough: int, random: Random, seconds: float) -> tuple[int, str]:
        """Flip several at random in random configurations.

        Args:
            derive: What derives the formula of a combination that does not come out as its parts add up.
            enough: How many configurations in a row must.
            random: The source of chance.
            seconds: The most processor time that it may take.

        Returns:
            How many did, and why that is not enough; "" where it is.
        """
        free = [path for path in self.booleans if path not in self.rejected]
        free += [path for flips in self.changing for path in flips if path in self.rejected]
        if not free:
            return 0, ""
        search, streak, end = Search(self.start, random), 0, time.process_time() + seconds
        for _ in range(enough * _TRIES):
            if streak >= enough or time.process_time() > end:
                break
            flips = frozenset(path for path in free if random.random() < 0.5)  # noqa: PLR2004 - heads or tails
            wrong = self._wrong(search.next().keywords, flips)
            if wrong is None:
                continue
            if not wrong:
                streak += 1
                continue
            streak = 0
            if len(self.known) > len(self.changing) + _COMBINATIONS or wrong in self.known:
                together = said(self.settings(wrong))
                return 0, f"changes do not add up ({together}); combinations that are not listed were not derived"
            derive(wrong)
        if streak < enough:
            return streak, f"whether changes add up: {streak} random configurations say so, {enough} are needed"
        return streak, ""

    def _wrong(self, keywords: Keywords, flips: Flips) -> Flips | None:
        """The fewest of some booleans whose changes do not add up; none if they do, None if it cannot be said."""
        right = self._right(keywords, flips)
        if right is not False:
            return None if right is None else frozenset()
        for number in range(1, len(flips)):
            for fewer in combinations(sorted(flips), number):
                if number <= 2 and self._right(keywords, frozenset(fewer)) is False:  # noqa: PLR2004 - pairs are few
                    return frozenset(fewer)
        return self._reduced(keywords, flips)

    def _reduced(self, keywords: Keywords, flips: Flips) -> Flips:
        for path in sorted(flips):
            if self._right(keywords, flips - {path}) is False:
                return self._reduced(keywords, flips - {path})
        return flips

    def _right(self, keywords: Keywords, flips: Flips) -> bool | None:
        """Whether a configuration with these flipped has the tensors that the changes add up to."""
        try:
            shapes = built(self.target, self.flipped(keywords, flips)).shapes
            return self._sum(keywords, flips) == {(name, shape): number for name, shape, number in _flat(shapes)}
        except VerifyError:  # the class does not take it, or a formula does not hold there
            return None

    def _sum(self, keywords: Keywords, flips: Flips) -> dict[tuple[str, tuple[int, ...]], int]:
        """How many tensors of which shape there are when all that is known to change adds up."""
        total: Counter[tuple[str, tuple[int, ...]]] = Counter()
        for number in self._extra(keywords, flips):
            total.update(number)
        return {key: number for key, number in total.items() if number}

    def _extra(self, keywords: Keywords, flips: Flips) -> Iterator[Counter[tuple[str, tuple[int, ...]]]]:
        """What each known combination within these adds to all that are within it."""
        extras: dict[Flips, Counter[tuple[str, tuple[int, ...]]]] = {}
        for known, derived in sorted(self.known.items(), key=lambda item: len(item[0])):
            if not known <= flips:
                continue
            values = flatten(self.flipped(keywords, known))
            shapes = derived.region(values).shapes(values)
            extra = Counter({(name, shape): number for name, shape, number in _flat(shapes)})
            for inner, less in extras.items():
                if inner < known:
                    extra.subtract(less)
            extras[known] = extra
            yield extra


def _flat(shapes: Shapes) -> Iterator[tuple[str, tuple[int, ...], int]]:
    for name, counts in shapes.items():
        for shape, number in counts.items():
            yield name, shape, number
