"""A formula from traces, confirmed on random configurations of the real class.

Every random configuration is built for real on the meta device and compared: the elements in total and the shapes of
every pattern of names, parameters and persistent buffers. A configuration outside the traced region is traced as
well and adds a region; one inside that is predicted wrongly shows that the trace lost something, and it is traced
again there. What is published has predicted every configuration that was ever built on the way, the last
`configurations` of them in a row.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

from verify.derive.building.configurations import Keywords, assign, copied, flatten
from verify.derive.building.points import Point, beginning, built, difference, predicts
from verify.derive.building.variation import ACTIVATIONS
from verify.derive.confirming.search import Search
from verify.derive.confirming.sides import look_beyond
from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import INDICES, Expression
from verify.derive.formulas.formula import Concretised, Condition, Confirmation, Derived, Region
from verify.derive.formulas.naming import pattern
from verify.derive.regions.merging import merged, needed
from verify.errors import VerifyError
from verify.evidence.meta import silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from verify.derive.building.classes import Target

    Trace = Callable[[Target, Keywords], tuple[Region, tuple[Concretised, ...]]]

__all__ = ["derive", "pattern", "traced", "unvaried"]

#: Traces beside the first one; a class that needs more has no formula worth the name.
_TRACES = 12
#: Wrong predictions where a formula should hold, before it is given up.
_DOUBTS = 5
#: Random configurations for each one that must be predicted; most of them are rejected by some classes.
_TRIES = 60


def derive(
    target: Target,
    keywords: Keywords,
    *,
    configurations: int = 20,
    seed: int = 0,
    seconds: float = 60.0,
    trace: Trace | None = None,
) -> Derived:
    """Derive the formula of a class and confirm it.

    Args:
        target: The class.
        keywords: The configuration to start from: switches and words keep the values they have here.
        configurations: How many random configurations in a row the formula must predict.
        seed: Of the random choices.
        seconds: The most processor time that confirming may take, the first trace aside.
        trace: What traces a configuration; None for `verify.derive.tracing.trace`.

    Returns:
        The formula. Whether it is confirmed, and if not why, is in its `confirmation`.

    Raises:
        ConfigError: The class rejects the configuration.
        UnavailableError: The class needs a package that is not installed.
    """
    import transformers

    with silence():
        given = built(target, keywords)
        start = beginning(target, keywords) or given
        search = Search(start.keywords, Random(seed))  # noqa: S311 - no secret
        loop = Loop(target, trace or traced, search, configurations)
        confirmation = loop.run((start, given), seconds)
    return Derived(
        target.model_type,
        target.model_class.__name__,
        transformers.__version__,
        tuple(loop.published),
        confirmation,
        tuple(dict.fromkeys(loop.concretised)),
    )


def unvaried(derived: Derived) -> tuple[str, ...]:
    """The numbers and lists of a formula that no confirmed configuration moved: nothing is known about them.

    Switches and words are not among them: a condition says which value the formula is for.
    """
    moved = {path.split("[")[0] for path in derived.confirmation.varied} | set(derived.confirmation.varied)
    fixed = {
        path
        for region in derived.regions
        for path, value in region.values.items()
        if value is None or isinstance(value, bool | str)
    }
    return tuple(sorted(_read(derived.regions) - moved - fixed))


@dataclass(slots=True)
class Loop:
    """Random configurations until enough in a row are predicted.

    Attributes:
        target: The class.
        trace: What traces a configuration.
        search: Where configurations come from.
        enough: How many in a row are enough.
        regions: What was traced, with all conditions.
        idle: Conditions that may be otherwise without a change of the formula.
        seen: Every configuration that was built.
        concretised: What the traces lost.
        streak: Configurations predicted since the last one that was not.
        traces: How often the class was traced.
        doubts: What was predicted wrongly by a region whose conditions held.
        rejected: What the class said of configurations that it did not take.
    """

    target: Target
    trace: Trace
    search: Search
    enough: int
    regions: list[Region] = field(default_factory=list)
    idle: set[tuple[str, str, str]] = field(default_factory=set)
    seen: list[Point] = field(default_factory=list)
    concretised: list[Concretised] = field(default_factory=list)
    streak: int = 0
    traces: int = 0
    doubts: list[str] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    _known: set[str] = field(default_factory=set)
    #: Conditions that were thought to be idle and were not.
    _vital: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def published(self) -> list[Region]:
        """The regions without idle conditions; an idle one on a word keeps the formula to the words that are tried."""
        return [
            replace(region, conditions=tuple(filter(None, map(self._kept, region.conditions))))
            for region in self.regions
        ]

    def _kept(self, condition: Condition) -> Condition | None:
        if _key(condition) not in self.idle:
            return condition
        word = condition.right.text
        if condition.operator != "==" or word.strip("'") not in ACTIVATIONS:
            return None
        return replace(condition, operator="in", right=Expression(repr(ACTIVATIONS)))

    def run(self, first: tuple[Point, ...], seconds: float) -> Confirmation:
        """Trace, then confirm.

        Args:
            first: Configurations that the formula must hold for besides random ones; the first one is traced.
            seconds: The most processor time that it may take after that.
        """
        try:
            self._add(first[0])
            end = time.process_time() + seconds
            for point in first:
                self.meet(point)
            look_beyond(self, end)
            self.streak = 0
            self._confirm(end)
        except DeriveError as error:
            return self._result(str(error))
        self.regions = needed(self.regions, self.published, self.seen)
        return self._result(self._doubt(len(first), end))

    def _confirm(self, end: float) -> None:
        """Meet random configurations until enough were predicted and everything in the formula has moved."""
        self._want()
        for _ in range(self.enough * _TRIES):
            if time.process_time() > end or (self.streak >= self.enough and not self.search.open):
                return
            varied = self.search.next()
            if not varied.paths:
                continue
            try:
                point = built(self.target, varied.keywords)
            except VerifyError as error:
                self.rejected[str(error)] += 1
                continue
            if not self.new(point):
                continue
            if self.meet(point):
                self.search.moved.update(self.search.differing(point.values))

    def state(self) -> tuple[Any, ...]:
        """What meeting a configuration may change, but for what was met: nothing forgets a wrong prediction."""
        return [*self.regions], {*self.idle}, {*self._vital}, [*self.concretised], [*self.doubts], self.traces

    def restore(self, state: tuple[Any, ...]) -> None:
        """Forget what was learnt since; a region that was wrong where its conditions hold is looked at again."""
        self.regions, self.idle, self._vital, self.concretised, self.doubts, self.traces = state
        for point in self.wrong():
            self.meet(point)
        self._want()

    def wrong(self) -> list[Point]:
        """The configurations that the first region that claims them predicts wrongly."""
        claims = (
            (next((one for one in self.regions if not self._flipped(one, point)), None), point) for point in self.seen
        )
        return [point for region, point in claims if region and not predicts(region, point)]

    def spare(self, traces: int) -> None:
        """Leave no more than so many traces."""
        self.traces = max(self.traces, _TRACES - traces)

    def settled(self, condition: Condition) -> bool:
        """Whether it is known if the formula can do without a condition."""
        return _key(condition) in self.idle | self._vital

    def new(self, point: Point) -> bool:
        """Whether a configuration was not met before, so that it counts."""
        known = len(self._known)
        self._known.add(repr(sorted(point.values.items())))
        return len(self._known) > known

    def meet(self, point: Point) -> bool:
        """Compare a configuration; whether the formula as it was has predicted it."""
        self.seen.append(point)
        flipped = [self._flipped(region, point) for region in self.regions]
        best = min(range(len(flipped)), key=lambda at: len(flipped[at]))
        right = predicts(self.regions[best], point)
        if right and not flipped[best]:
            self.streak += 1
            return True
        self.streak = 0
        if right and self._idle(flipped[best]):
            return False
        if not flipped[best]:
            self._doubtful(best, point)
        else:
            self._add(point)
        return False

    def _flipped(self, region: Region, point: Point) -> list[Condition]:
        return [each for each in region.flipped(point.values) if _key(each) not in self.idle]

    def _idle(self, conditions: list[Condition]) -> bool:
        """Take conditions for idle that the formula has just done without.

        Not one that was found vital before, nor one that ties a region to a value.
        """
        keys = {_key(each) for each in conditions}
        if keys & self._vital or any(_bound(each) for each in conditions):
            return False
        self.idle |= keys
        return True

    def _doubtful(self, at: int, point: Point) -> None:
        """A region predicts a configuration wrongly that its conditions admit.

        Either a condition was taken for idle that is not, or the trace lost something: then the one of two traces
        that explains more of what was seen stays.
        """
        doubted = [each for each in self.regions[at].flipped(point.values) if _key(each) in self.idle]
        if doubted and self._at_fault(doubted, self.regions[at], point):
            alone = [each for each in doubted if self._at_fault([each], self.regions[at], point)]
            wrongly = {_key(each) for each in alone or doubted}
            self.idle -= wrongly
            self._vital |= wrongly
            if any(predicts(each, point) and not self._flipped(each, point) for each in self.regions):
                return
            self._add(point)
            return
        self.doubts.append(difference(self.regions[at], point))
        if len(self.doubts) > _DOUBTS:
            raise DeriveError(self.doubts[0], hint="something was lost in the trace")
        self._add(point)
        old, new = self.regions[at], self.regions[-1]
        both = (each for each in merged(old, new) if predicts(each, point))
        best = max(both, key=self._explained, default=new)
        if self._explained(best) > self._explained(new):
            self.regions[-1] = best
        if self._explained(self.regions[-1]) >= self._explained(old):
            self.regions.pop(at)

    def _at_fault(self, conditions: list[Condition], region: Region, point: Point) -> bool:
        """Whether a wrong prediction is right once what the conditions read is as it was in the beginning."""
        keywords = copied(point.keywords)
        start = flatten(self.search.keywords)
        for path in {path for each in conditions for path in each.left.paths | each.right.paths}:
            if path in start and path in point.values:
                assign(keywords, path, start[path])
        try:
            return predicts(region, built(self.target, keywords))
        except VerifyError:
            return True

    def _explained(self, region: Region) -> int:
        """How many of the configurations inside a region it predicts, less those that it does not."""
        inside = [point for point in self.seen if not self._flipped(region, point)]
        return sum(1 if predicts(region, point) else -1 for point in inside)

    def _add(self, point: Point) -> None:
        """Trace a configuration and keep its region.

        Raises:
            DeriveError: It cannot be traced, its formula is wrong where it was traced, or there were too many.
        """
        if self.traces > _TRACES:
            bound = min((self._flipped(region, point) for region in self.regions), key=len)
            only = bound[0].text if bound else difference(self.regions[-1], point)
            raise DeriveError(f"more than {_TRACES} regions: the nearest formula holds only where {only[:100]}")
        self.traces += 1
        region, concretised = self.trace(self.target, point.keywords)
        self.concretised += concretised
        if not predicts(region, point):
            raise DeriveError(f"the formula is wrong where it was traced: {difference(region, point)}")
        self.regions.append(region)
        self._want()

    def _want(self) -> None:
        conditions = (condition for region in self.regions for condition in region.conditions)
        self.search.hold(condition.left.text for condition in conditions if _names(condition))
        self.search.want(_read(self.published))

    def _doubt(self, first: int, end: float) -> str:
        """Why the formula is not confirmed, or "": it is right where it claims to hold, the first points included."""
        published = Derived("", "", "", tuple(self.published), Confirmation())
        for at, point in enumerate(self.seen):
            try:
                region = published.region(point.values)
            except DeriveError as error:
                if at < first:
                    return str(error)
                continue  # it is no claim of the formula
            if not predicts(region, point):
                return difference(region, point)
        bound = next((each.text for region in published.regions for each in region.conditions if _bound(each)), "")
        if bound:
            return f"a rule for the layers is known only where {bound[:100]}"
        if self.streak >= self.enough:
            return ""
        why, number = self.rejected.most_common(1)[0] if self.rejected else ("", 0)
        late = " before the time was up" if time.process_time() > end else ""
        return f"{self.streak} random configurations in a row{late}, {self.enough} are needed" + (
            f"; {number} times {why}" if number else ""
        )

    def _result(self, failure: str) -> Confirmation:
        where = self.concretised[0].where if failure and self.concretised else ""
        return Confirmation(self.streak, self.search.names(), failure, where)


def traced(target: Target, keywords: Keywords) -> tuple[Region, tuple[Concretised, ...]]:
    """The region of one trace, and what may have escaped it; errors as for `verify.derive.tracing.trace.trace`."""
    from verify.derive.regions.region import region
    from verify.derive.tracing.trace import trace

    found = trace(target, keywords)
    return region(found), tuple(Concretised(what, where) for what, where in found.concretised)


def _bound(condition: Condition) -> bool:
    """Whether a condition ties a region to one value, because no rule was found that holds for others."""
    value = condition.operator == "==" and not condition.where and condition.left.text in condition.left.paths
    return value and not condition.right.text.startswith("'")  # the class of a part of the configuration


def _names(condition: Condition) -> bool:
    """Whether a condition gives a list the words that are names of modules."""
    return condition.operator == "==" and bool(condition.where) and condition.right.text.startswith("(")


def _key(condition: Condition) -> tuple[str, str, str]:
    return condition.operator, condition.left.text, condition.right.text


def _read(regions: tuple[Region, ...] | list[Region]) -> set[str]:
    """The paths that terms and conditions read."""
    found: set[str] = set()
    for region in regions:
        found.update(region.symbols)
        for condition in region.conditions:
            found |= condition.left.paths | condition.right.paths
            found |= condition.stop.paths if condition.stop else frozenset()
    return found - set(INDICES)
