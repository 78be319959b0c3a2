"""Both sides of a proof in the same words: what stands in a slot, with which axes, how often, and in which layers.

A region says it by the names of modules, which the family's `NameTable` sorts into slots; a fused tensor is taken
apart into those that it holds. Layers are compared as sets, at many configurations: at each of them, the indices in
the names on one side and `Layers.indices` on the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import INDICES, Expression
from verify.derive.formulas.printing import text
from verify.derive.proof.family import Sizes, closed
from verify.roles import Fused, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from verify.derive.formulas.expressions import Values
    from verify.derive.formulas.formula import DerivedTerm, Predicate, Region
    from verify.derive.proof.algebra import Algebra
    from verify.formula import Formula, Term
    from verify.names import Entry, NameTable

_ONE = sympy.Integer(1)

#: Of each configuration, the indices of the layers that hold something; None stands for what is outside the layers.
Where = tuple[frozenset[int | None], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """Tensors of one slot that have the same symbolic shape.

    Attributes:
        slot: The slot; or the pattern of names that no table knows.
        kind: Whether they are parameters or buffers.
        axes: Their axes.
        copies: How many each layer holds.
        where: The layers that hold them, at each configuration.
        count: In how many layers they are, in closed form; None where there is none.
        words: The condition on the layers as that side words it.
    """

    slot: str
    kind: str
    axes: tuple[sympy.Expr, ...]
    copies: sympy.Expr
    where: Where
    count: sympy.Expr | None
    words: str

    @property
    def per_layer(self) -> sympy.Expr:
        """The elements of one layer."""
        return sympy.Mul(self.copies, *self.axes)


def of_family(formula: Formula, plain: Sequence[Formula], points: Sequence[Values], algebra: Algebra) -> list[Item]:
    """The terms of a family.

    Args:
        formula: Its formula with symbolic sizes.
        plain: The same formula in numbers, at each configuration.
        points: The flat values of the configurations.
        algebra: What reads expressions.

    Raises:
        DeriveError: The family computes a size in a way that cannot be followed.
    """
    sizes = Sizes(plain, algebra)
    found = []
    for at, term in enumerate(formula.terms):
        terms = [each.terms[at] for each in plain]
        item = _of_term(term, terms, sizes)
        _check(item, terms, points)
        found.append(item)
    return found


def _of_term(term: Term, plain: Sequence[Term], sizes: Sizes) -> Item:
    count: sympy.Expr | None = _ONE
    if term.layers:
        count = sizes.polynomial(term.layers.count) if closed(term) else None
    return Item(
        str(term.slot), str(term.slot.kind), tuple(map(sizes.polynomial, term.axes)), sizes.polynomial(term.copies),
        tuple(frozenset(each.indices) for each in plain), count, term.layers.text if term.layers else "",
    )  # fmt: skip


def _check(item: Item, plain: Sequence[Term], points: Sequence[Values]) -> None:
    """The expressions have the values that the family has."""
    for term, values in zip(plain, points, strict=True):
        numbers = [*term.shape, term.copies.value, *([len(term.indices)] if item.count is not None else [])]
        exprs = [*item.axes, item.copies, *([item.count] if item.count is not None else [])]
        for expr, number in zip(exprs, numbers, strict=True):
            _agree(item.slot, expr, number, values)


def _agree(what: str, expr: sympy.Expr, number: int, values: Values) -> None:
    """An expression has the value at a configuration that it must have, whatever algebra was done with it.

    Raises:
        DeriveError: It has not.
    """
    found = Expression(text(expr))(values)
    if found != number:
        raise DeriveError(f"{what} cannot be followed: {text(expr)} is {found} and not {number} at a configuration")


def of_region(region: Region, table: NameTable, points: Sequence[Values], algebra: Algebra) -> list[Item]:
    """The terms of a region by the slots that a family has for them.

    Args:
        region: The region.
        table: The names of the family.
        points: The flat values of configurations in the region.
        algebra: What reads expressions.
    """
    groups = (group for term in region.terms for group in _groups(term, table, points))
    return [part for group in groups for item in group.items(algebra) for part in _parts(item, group.entry)]


@dataclass(frozen=True, slots=True)
class _Group:
    """Tensors of one term that the table has one entry for.

    Attributes:
        term: The term.
        entry: The entry; None where the table has none.
        numbers: The first indices of each tensor, at each configuration: of its layer, and of its copy in it.
        fixed: The other indices, which the entry names.
        points: The flat values of the configurations.
        whole: Whether the term is in no other layers than these.
    """

    term: DerivedTerm
    entry: Entry | None
    numbers: tuple[frozenset[tuple[int, ...]], ...]
    fixed: dict[str, int]
    points: Sequence[Values]
    whole: bool

    @property
    def open(self) -> int:
        """How many indices are not fixed."""
        return len(self.term.repeats) - len(self.fixed)

    def items(self, algebra: Algebra) -> Iterator[Item]:
        """One item, or one for each index where the shape or the number of copies moves with it."""
        names = INDICES[: self.open]
        if not self._moving(names):
            yield self._item(algebra)
            return
        for numbers in sorted(frozenset[tuple[int, ...]]().union(*self.numbers)):
            where = tuple(_layer(numbers) if numbers in each else frozenset[int | None]() for each in self.numbers)
            yield self._one(algebra, dict(zip(names, numbers, strict=True)), where)

    def _moving(self, names: tuple[str, ...]) -> bool:
        parts = [*self.term.axes]
        if self.open > 1:
            copies = self.term.repeats[1]
            parts += [copies.stop, *([copies.where] if copies.where and names[0] in copies.where.indices else [])]
        return any(part.indices & set(names) for part in parts)

    def _item(self, algebra: Algebra) -> Item:
        repeats = self.term.repeats
        where = tuple(frozenset().union(*map(_layer, each)) for each in self.numbers)
        copies, count, words = _ONE, _ONE if all(where) else None, ""
        if self.open:
            words = repeats[0].text(INDICES[0])
            count = _count(repeats[0], algebra) if self.whole else None
            if count is not None and not self._gives(count, [len(layers) for layers in where]):
                count = None
        if self.open > 1:
            # Each layer has as many, or the term would be one that moves.
            numbers = [len(each) // max(len(layers), 1) for each, layers in zip(self.numbers, where, strict=True)]
            stated = _count(repeats[1], algebra)
            words_ = f"#[{repeats[1].text(INDICES[1])}]"
            copies = stated if stated is not None and self._gives(stated, numbers) else algebra.symbol(words_)
        return Item(self._slot, self.term.kind, self._axes(algebra, self.fixed), copies, where, count, words)

    def _gives(self, count: sympy.Expr, numbers: list[int]) -> bool:
        """Whether a closed form gives these numbers, wherever there is any such tensor."""
        form = Expression(text(count))
        known = zip(self.points, numbers, self.numbers, strict=True)
        return all(form(values) == number for values, number, held in known if held or self.open == 1)

    def _one(self, algebra: Algebra, at: dict[str, int], where: Where) -> Item:
        axes = self._axes(algebra, at | self.fixed)
        words = f"i == {next(iter(at.values()))}"
        return Item(self._slot, self.term.kind, axes, _ONE, where, _ONE if all(where) else None, words)

    def _axes(self, algebra: Algebra, at: Mapping[str, int]) -> tuple[sympy.Expr, ...]:
        """The axes, which have the values there that the region has.

        Raises:
            DeriveError: They have not.
        """
        axes = tuple(algebra.read(axis.text, at if axis.indices else None) for axis in self.term.axes)
        for values, held in zip(self.points, self.numbers, strict=True):
            for axis, expr in zip(self.term.axes, axes, strict=True) if held else ():
                _agree(self.term.pattern, expr, axis.integer(values, at), values)
        return axes

    @property
    def _slot(self) -> str:
        return str(self.entry) if isinstance(self.entry, Slot) else self.term.pattern


def _groups(term: DerivedTerm, table: NameTable, points: Sequence[Values]) -> Iterator[_Group]:
    """The tensors of a term by the entry of the table that each one's name finds."""
    entries: dict[tuple[int, ...], tuple[Entry | None, int]] = {}
    found: dict[tuple[int, tuple[int, ...]], list[set[tuple[int, ...]]]] = {}
    for at, values in enumerate(points):
        for numbers in _numbers(term.repeats, values, ()):
            entry, opened = _entry(term.pattern, numbers, table)
            key = opened, numbers[opened:]
            entries[key[1]] = entry, opened
            found.setdefault(key, [set() for _ in points])[at].add(numbers[:opened])
    every = [frozenset(term.repeats[0].indices(values)) if term.repeats else frozenset() for values in points]
    for (opened, fixed), sets in found.items():
        layers = [frozenset(numbers[0] for numbers in each) if opened else frozenset() for each in sets]
        yield _Group(
            term, entries[fixed][0], tuple(map(frozenset, sets)), dict(zip(INDICES[opened:], fixed, strict=False)),
            points, layers == every,
        )  # fmt: skip


def _entry(pattern: str, numbers: tuple[int, ...], table: NameTable) -> tuple[Entry | None, int]:
    """What a tensor is, and how many of its indices its entry leaves open."""
    place = table.find(pattern.format(*numbers))
    if place is None:
        return None, min(len(numbers), 2)
    return place.entry, (place.layer is not None) + (place.copy is not None)


def _numbers(repeats: Sequence[Predicate], values: Values, outer: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The indices of every tensor of a term."""
    at = len(outer)
    if at == len(repeats):
        yield outer
        return
    for number in repeats[at].indices(values, INDICES[at], dict(zip(INDICES, outer, strict=False))):
        yield from _numbers(repeats, values, (*outer, number))


def _layer(numbers: tuple[int, ...]) -> frozenset[int | None]:
    return frozenset({numbers[0] if numbers else None})


def _count(part: Predicate, algebra: Algebra) -> sympy.Expr | None:
    """How many indices fulfil a predicate, where there is a closed form."""
    closed_form = part.count if part.where else part.stop.text
    if not closed_form or part.stop.indices:
        return None
    found, stop = algebra.read(closed_form), algebra.read(part.stop.text)
    # A bound beyond the last layer is no configuration of a family: `min(first_k_dense_replace, num_hidden_layers)`.
    within = {each: sympy.Min(*(one for one in each.args if one != stop)) for each in found.atoms(sympy.Min)}
    return found.xreplace(within)


def _parts(item: Item, entry: Entry | None) -> Iterator[Item]:
    """A fused tensor taken apart, as `verify.breakdown` does with numbers."""
    if not isinstance(entry, Fused):
        yield item
        return
    times, axes = (item.axes[0], item.axes[1:]) if entry.stacked else (_ONE, item.axes)
    part = (*axes[: entry.axis], sympy.expand(axes[entry.axis] / len(entry.slots)), *axes[entry.axis + 1 :])
    if entry.turned:
        part = part[::-1]
    for slot in entry.slots:
        yield replace(item, slot=str(slot), axes=part, copies=item.copies * times)
