"""Which subset of amounts adds up to a total: exhaustive, with bounds; generic over what the amounts are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Subset: TypeAlias = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One amount that may be counted or left out.

    Attributes:
        amount: What it adds when counted; not negative.
        counted: How odd it is to count it, or None where that is impossible.
        left: How odd it is to leave it out, or None where that is impossible.
    """

    amount: int
    counted: int | None
    left: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """One subset.

    Attributes:
        subset: For each item, whether it is counted.
        total: The sum of the counted amounts.
        cost: The sum of what is odd about it.
    """

    subset: Subset
    total: int
    cost: int


def anything(_: Subset) -> bool:
    """Allow every subset."""
    return True


def solve(
    items: Sequence[Item], low: int, high: int, allowed: Callable[[Subset], bool] = anything
) -> tuple[Found, ...]:
    """The least odd subsets whose sum lies within `low` and `high`, both included.

    Args:
        items: The amounts.
        low: The smallest sum that will do.
        high: The largest.
        allowed: Whether a complete subset is consistent.

    Returns:
        All subsets of the smallest cost, of these the ones that count the fewest items; empty if none fits.
    """
    fitting = [found for found in _subsets(items, low, high) if allowed(found.subset)]
    if not fitting:
        return ()
    least = min((found.cost, sum(found.subset)) for found in fitting)
    return tuple(found for found in fitting if (found.cost, sum(found.subset)) == least)


def closest(items: Sequence[Item], target: int, allowed: Callable[[Subset], bool] = anything) -> Found | None:
    """The allowed subset whose sum is nearest to `target`, of equally near ones the least odd; None if none fits."""
    reach = 1
    most = sum(item.amount for item in items)
    while True:
        fitting = [found for found in _subsets(items, target - reach, target + reach) if allowed(found.subset)]
        if fitting:
            return min(fitting, key=lambda found: (abs(found.total - target), found.cost, found.subset))
        if reach > most + abs(target):
            return None
        reach *= 16


def _subsets(items: Sequence[Item], low: int, high: int) -> Iterator[Found]:
    """Every subset with a sum in the range; large amounts are decided first, so that bounds cut early."""
    order = sorted(range(len(items)), key=lambda position: -items[position].amount)
    least, most = [0], [0]
    for position in reversed(order):
        item = items[position]
        least.append(least[-1] + (item.amount if item.left is None else 0))
        most.append(most[-1] + (0 if item.counted is None else item.amount))
    least.reverse()
    most.reverse()
    chosen = [False] * len(items)

    def descend(depth: int, total: int, cost: int) -> Iterator[Found]:
        if total + least[depth] > high or total + most[depth] < low:
            return
        if depth == len(order):
            yield Found(tuple(chosen), total, cost)
            return
        position = order[depth]
        item = items[position]
        for counted, price in ((True, item.counted), (False, item.left)):
            if price is not None:
                chosen[position] = counted
                yield from descend(depth + 1, total + item.amount * counted, cost + price)

    yield from descend(0, 0, 0)
