"""The other side of the comparisons that the source made: where `num_experts > 1` is False.

A random search moves sizes by factors and seldom comes to a bound. What a comparison reads is known, and so are the
values near which it comes out otherwise; these are tried one after the other.
"""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

from verify.derive.building.configurations import Keywords, copied, flatten
from verify.derive.building.points import built
from verify.derive.building.variation import settle
from verify.derive.confirming.search import Search
from verify.derive.errors import DeriveError
from verify.derive.formulas.formula import OPPOSITE, Condition
from verify.errors import VerifyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from verify.derive.confirming.confirm import Loop
    from verify.derive.formulas.expressions import Expression

#: Signs of comparisons of numbers.
_SIGNS = frozenset({"==", "!=", "<", "<=", ">", ">="})
#: What most comparisons have on one side.
_SMALL = (1, 2)

#: Share of the time that looking beyond may take, regions that it may add, and traces for each.
_SHARE, _REGIONS, _TRACES = 0.15, 6, 2
#: Random configurations in a row that must be predicted on the other side, and tries for each.
_NEAR, _TRIES = 5, 6


def look_beyond(loop: Loop, end: float) -> None:
    """Trace the other side of the comparisons of the source, as far as the class takes that.

    What cannot be confirmed there after few traces stays outside of the formula.

    Args:
        loop: The regions so far, and the configurations that they were held against.
        end: The processor time when confirming must be over.

    Raises:
        DeriveError: A configuration was found where a region is wrong, and no other explains it.
    """
    late = time.process_time() + (end - time.process_time()) * _SHARE
    most = len(loop.regions) + _REGIONS
    for condition, path, keywords in other_sides(loop.regions[0].conditions, loop.search.keywords):
        if time.process_time() > late or len(loop.regions) >= most:
            return
        if loop.settled(condition):
            continue
        state = loop.state()
        try:
            known = _known(loop, keywords, path) and not loop.wrong()
        except VerifyError:
            known = False
        loop.restore(loop.state()[:-1] + state[-1:] if known else state)


def _known(loop: Loop, keywords: Keywords, held: str) -> bool:
    """Whether the formula, with what it learns, predicts a configuration and random ones that share a value."""
    loop.spare(_TRACES)
    loop.meet(built(loop.target, keywords))
    near = Search(keywords, Random(len(loop.seen)))  # noqa: S311 - no secret
    near.hold((held,))
    loop.streak = 0
    for _ in range(_NEAR * _TRIES):
        if loop.streak >= _NEAR:
            return True
        try:
            point = built(loop.target, near.next().keywords)
        except VerifyError:
            continue
        if loop.new(point):
            loop.meet(point)
    return False


def other_sides(conditions: Iterable[Condition], keywords: Keywords) -> Iterator[tuple[Condition, str, Keywords]]:
    """Configurations where one comparison of the source comes out otherwise because one number is another.

    Not for an equality that holds: almost every configuration is on its other side.

    Args:
        conditions: Conditions of a formula.
        keywords: A configuration where they hold; it is left as it is.

    Yields:
        The condition, the number that was changed, and the configuration; of each condition and number the first one.
    """
    values = flatten(keywords)
    for condition in conditions:
        generic = OPPOSITE.get(condition.operator) if condition.outcome else condition.operator
        if not condition.where or condition.indexed or condition.operator not in _SIGNS or generic == "!=":
            continue
        for path in sorted(condition.left.paths | condition.right.paths):
            for value in _near(condition, path, values):
                if not condition.holds({**values, path: value}):
                    moved = copied(keywords)
                    settle(moved, path, value)
                    yield condition, path, moved
                    break


def _near(condition: Condition, path: str, values: Mapping[str, Any]) -> Iterator[int]:
    """Values of a path near which a comparison may come out otherwise, the nearest to a bound first."""
    now = values.get(path)
    if not isinstance(now, int) or isinstance(now, bool) or now < 0:
        return
    sides = [_number(side, values) for side in (condition.left, condition.right) if path not in side.paths]
    bounds = [bound + step for bound in sides if bound is not None for step in (0, 1, -1)]
    for value in dict.fromkeys((*bounds, *_SMALL, now + 1, now - 1, 2 * now, now // 2)):
        if value >= 0 and value != now:
            yield value


def _number(side: Expression, values: Mapping[str, Any]) -> int | None:
    try:
        value = side(values)
    except DeriveError:
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
