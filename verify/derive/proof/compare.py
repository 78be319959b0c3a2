"""Two sides of a proof compared: slot by slot, and in each set of layers that either side tells from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy

from verify.derive.formulas.printing import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from verify.derive.proof.algebra import Algebra
    from verify.derive.proof.slots import Item

_ZERO = sympy.Integer(0)
_Shape = tuple[sympy.Expr, ...]
#: A configuration, and the index of a layer in it; None for what is outside the layers.
_Place = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class SlotDifference:
    """What differs in one slot, in one set of layers.

    Attributes:
        slot: The slot; or the pattern of module names that no table of the family knows.
        layers: The layers, in the words of either side; "" outside the layers.
        family: What the family says one of them holds: `num_experts x [intermediate_size, hidden_size]`.
        derived: What the implementation builds there.
        difference: Elements by the family minus those by the implementation, in all of these layers.
    """

    slot: str
    layers: str
    family: str
    derived: str
    difference: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found.

    Attributes:
        difference: Elements of all parameters by the family minus those by the implementation.
        slots: What differs.
        tested: Conditions on layers without a closed form, which were compared as sets.
    """

    difference: str
    slots: tuple[SlotDifference, ...]
    tested: tuple[str, ...]


def compare(family: Sequence[Item], derived: Sequence[Item], algebra: Algebra) -> Compared:
    """Compare the items of both sides.

    Args:
        family: Those of the family.
        derived: Those of the region.
        algebra: What simplifies.
    """
    total, slots = _ZERO, list[SlotDifference]()
    for slot, kind in dict.fromkeys((item.slot, item.kind) for item in (*family, *derived)):
        sides = [[item for item in side if (item.slot, item.kind) == (slot, kind)] for side in (family, derived)]
        compared = _Slot(slot, sides[0], sides[1], algebra)
        found = tuple(compared.differences())
        slots += found
        if kind == "parameter":
            total += compared.total
    tested = (item.words for item in (*family, *derived) if item.count is None)
    return Compared(text(algebra.simplified(total)), tuple(slots), tuple(dict.fromkeys(tested)))


def counts(
    family: Sequence[Item], derived: Sequence[Item], algebra: Algebra
) -> Iterator[tuple[sympy.Expr, sympy.Expr]]:
    """Closed forms that are not the same expression, for a number of layers that both sides of a slot have.

    First those of layers that no configuration has.
    """
    pairs = [(item.count, _ZERO) for item in (*family, *derived) if item.count is not None and not any(item.where)]
    pairs += [
        (one.count, other.count)
        for one in family
        for other in derived
        if (one.slot, one.where) == (other.slot, other.where) and one.count is not None and other.count is not None
    ]
    for left, right in dict.fromkeys(pairs):
        if not algebra.vanishes(left - right):
            yield left, right


@dataclass(frozen=True, slots=True)
class _Slot:
    """One slot on both sides."""

    slot: str
    family: list[Item]
    derived: list[Item]
    algebra: Algebra

    @property
    def items(self) -> list[Item]:
        """Both sides."""
        return [*self.family, *self.derived]

    @property
    def total(self) -> sympy.Expr:
        """Elements of the slot by the family minus those by the region."""
        if all(item.count is not None for item in self.items):
            return self.algebra.simplified(_sum(self.family) - _sum(self.derived))
        return sum((self._number(chosen) * self._elements(chosen) for chosen in self._sets()), _ZERO)

    def differences(self) -> Iterator[SlotDifference]:
        """The sets of layers in which the two sides hold something else, and a number of layers that differs."""
        found = False
        for chosen in self._sets():
            if self._left(chosen):
                found = True
                difference = self._number(chosen) * self._elements(chosen)
                yield self._difference(chosen, self.algebra.simplified(difference))
        if not found and (total := self.algebra.simplified(self.total)) != 0:
            yield self._difference(frozenset(range(len(self.items))), total)

    def _difference(self, chosen: frozenset[int], difference: sympy.Expr) -> SlotDifference:
        family, derived = self._of(chosen, self.family, 0), self._of(chosen, self.derived, len(self.family))
        return SlotDifference(self.slot, self._words(chosen), _described(family), _described(derived), text(difference))

    def _sets(self) -> Iterable[frozenset[int]]:
        """The sets of items that some layer holds together; in every one of its layers, both sides hold the same."""
        return dict.fromkeys(self._held().values())

    def _held(self) -> dict[_Place, frozenset[int]]:
        """The items that each layer of each configuration holds."""
        held: dict[_Place, frozenset[int]] = {}
        for at, item in enumerate(self.items):
            for place in _places(item):
                held[place] = held.get(place, frozenset()) | {at}
        return held

    def _of(self, chosen: frozenset[int], side: list[Item], start: int) -> list[Item]:
        return [item for at, item in enumerate(side) if start + at in chosen]

    def _left(self, chosen: frozenset[int]) -> list[tuple[_Shape, sympy.Expr]]:
        """Shapes that one layer holds more often on one side: (shape, times)."""
        left: list[tuple[_Shape, sympy.Expr]] = []
        for at in sorted(chosen):
            item = self.items[at]
            copies = item.copies if at < len(self.family) else -item.copies
            for place, (axes, times) in enumerate(left):
                if self._same(axes, item.axes):
                    left[place] = (axes, times + copies)
                    break
            else:
                left.append((item.axes, copies))
        return [(axes, times) for axes, times in left if not self.algebra.vanishes(times)]

    def _same(self, one: _Shape, other: _Shape) -> bool:
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(a == b or self.algebra.vanishes(a - b) for a, b in pairs)

    def _elements(self, chosen: frozenset[int]) -> sympy.Expr:
        return sum((sympy.Mul(times, *axes) for axes, times in self._left(chosen)), _ZERO)

    def _number(self, chosen: frozenset[int]) -> sympy.Expr:
        """How many layers hold exactly these items."""
        where = frozenset((point, layer) for (point, layer), held in self._held().items() if held == chosen)
        alike = (item for item in self.items if item.count is not None and frozenset(_places(item)) == where)
        item = next(alike, None)
        return self.algebra.symbol(f"#[{self._words(chosen)}]") if item is None or item.count is None else item.count

    def _words(self, chosen: frozenset[int]) -> str:
        """Which layers they are, in the words of the side that says it most closely."""
        words = [self.items[at].words for at in sorted(chosen) if self.items[at].words]
        return " and ".join(dict.fromkeys(words))


def _places(item: Item) -> Iterator[_Place]:
    return ((point, layer) for point, layers in enumerate(item.where) for layer in layers)


def _sum(items: list[Item]) -> sympy.Expr:
    return sum((item.per_layer * item.count for item in items if item.count is not None), _ZERO)


def _described(items: list[Item]) -> str:
    """The shapes of one layer."""
    shapes = []
    for item in items:
        shape = f"[{', '.join(map(text, item.axes))}]"
        shapes.append(shape if item.copies == 1 else f"{text(item.copies)} x {shape}")
    return " + ".join(shapes) or "nothing"
