"""Which loop of the source each number in a tensor's name counts, so that axes and conditions speak of `i` and `j`.

`model.layers.3.mlp.weight` was created in a pass of `for i in range(config.num_hidden_layers)`: the tensors whose
names begin alike were all created in passes of the loop at the same line, and its index is the number in the name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.expressions import INDICES
from verify.derive.printing import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from verify.derive.recorder import Pass
    from verify.derive.trace import Traced, TracedTensor


@dataclass(frozen=True, slots=True)
class Named:
    """A tensor and the numbers in its name.

    Attributes:
        pattern: The name with `{}` for each number.
        indices: The numbers.
        tensor: The tensor.
    """

    pattern: str
    indices: tuple[int, ...]
    tensor: TracedTensor

    def prefix(self, at: int) -> str:
        """The pattern up to the `{}` of that place, which is what modules of one list share."""
        return "{}".join(self.pattern.split("{}")[: at + 1]) + "{}"


@dataclass(frozen=True, slots=True)
class Link:
    """The loop behind the `{}` of a prefix.

    Attributes:
        site: Where the loop stands.
        before: How many modules of the list come before those of the loop; None where the number is the index of
            the loop itself.
    """

    site: str
    before: int | None = None

    def number(self, step: Pass, passes: Mapping[sympy.Symbol, Pass]) -> int:
        """The number in a name that a pass made."""
        return step.value if self.before is None else _position(step, passes) + self.before


def named(tensor: TracedTensor) -> Named:
    """The pattern and the indices of a tensor's name."""
    pieces = tensor.name.split(".")
    indices = tuple(int(piece) for piece in pieces if piece.isdecimal())
    return Named(".".join("{}" if piece.isdecimal() else piece for piece in pieces), indices, tensor)


def links(tensors: Iterable[Named], traced: Traced) -> dict[str, Link]:
    """The loop behind each prefix; prefixes that no loop explains are left out."""
    by_prefix: dict[str, list[tuple[Named, int]]] = {}
    for one in tensors:
        for at in range(len(one.indices)):
            by_prefix.setdefault(one.prefix(at), []).append((one, at))
    found: dict[str, Link] = {}
    for prefix, members in sorted(by_prefix.items(), key=lambda item: item[0].count("{}")):
        outer = {link.site for start, link in found.items() if prefix.startswith(start)}
        if link := _link(members, outer, traced):
            found[prefix] = link
    return found


def _link(members: list[tuple[Named, int]], outer: set[str], traced: Traced) -> Link | None:
    """The loop whose index, or else whose number of the pass, is the number in all names that have it."""
    votes: Counter[Link] = Counter()
    total: Counter[str] = Counter()
    for one, at in members:
        for step in one.tensor.passes:
            if step.loop.site in outer:
                continue
            total[step.loop.site] += 1
            votes[Link(step.loop.site, one.indices[at] - _position(step, traced.passes))] += 1
            if step.value == one.indices[at]:
                votes[Link(step.loop.site)] += 1
    good = [(count, link.before is None, link) for link, count in votes.items() if count == total[link.site]]
    return max(good, key=lambda item: item[:2], default=(0, False, None))[2]


def _position(at: Pass, passes: Mapping[sympy.Symbol, Pass]) -> int:
    """Which pass of its loop it is, from 0."""
    start, step = value(at.loop.start, passes), value(at.loop.step, passes)
    return (at.value - start) // step if start is not None and step else at.value


def value(expr: Any, passes: Mapping[sympy.Symbol, Pass]) -> int | None:
    """The number that an expression over passes is; None when it has other symbols."""
    known = expr.xreplace({name: sympy.Integer(passes[name].value) for name in expr.free_symbols if name in passes})
    return int(known) if known.is_Integer else None


class Words:
    """Turns expressions over passes into expressions over the indices `i`, `j`, … of a tensor's name."""

    def __init__(self, traced: Traced, links_: Mapping[str, Link]) -> None:
        self._traced = traced
        self._links = links_
        self._moving = set(traced.passes) | set(traced.entries)

    def indices(self, one: Named) -> dict[sympy.Symbol, sympy.Expr]:
        """What each pass in which a tensor was created is, in the indices of its name."""
        found: dict[sympy.Symbol, sympy.Expr] = {}
        for at in range(len(one.indices)):
            link = self._links.get(one.prefix(at))
            for step in one.tensor.passes:
                if link and step.loop.site == link.site and step.symbol not in found:
                    found[step.symbol] = self.index(step, INDICES[at], link, found)
        return found

    def index(self, step: Pass, name: str, link: Link, outer: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
        """The index of a loop by the name of its `{}`."""
        symbol = sympy.Symbol(name, integer=True, nonnegative=True)
        if link.before is None:
            return symbol
        return self.general(step.loop.start, outer) + self.general(step.loop.step, outer) * (symbol - link.before)

    def general(self, expr: Any, indices: Mapping[sympy.Symbol, sympy.Expr]) -> Any:
        """The expression in these indices; passes that have none become their numbers.

        Args:
            expr: An expression over passes, entries of lists and config paths.
            indices: What passes are to become.
        """
        moving = expr.free_symbols & self._moving
        if not moving:
            return expr
        return expr.xreplace({name: self._replaced(name, indices) for name in moving})

    def _replaced(self, name: sympy.Symbol, indices: Mapping[sympy.Symbol, sympy.Expr]) -> Any:
        if name in self._traced.passes:
            return indices[name] if name in indices else self._pass(name, indices)
        entry = self._traced.entries[name]
        index = self.general(entry.index, indices)
        return (
            entry.plain
            if index.is_Integer and index >= 0
            else sympy.Symbol(f"{entry.path}[{text(index)}]", **name.assumptions0)
        )

    def _pass(self, name: sympy.Symbol, indices: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
        """A pass without an index of its own: an earlier one of a loop that has (`i - 1`), or its number."""
        step = self._traced.passes[name]
        for other, index in indices.items():
            if (at := self._traced.passes.get(other)) and at.loop == step.loop:
                return index + (step.value - at.value)
        return sympy.Integer(step.value)

    def listed(self, expr: Any, numbers: tuple[int, ...]) -> Iterator[Any]:
        """The expression without passes, with entries of lists named by an index: `depths[2]` as `depths[i]`.

        That is how a loop over `zip(hidden_sizes, depths)` is followed, whose entries have plain numbers.

        Args:
            expr: An expression over passes, entries of lists and config paths.
            numbers: The numbers in the name of the tensor, of which each in turn gives its index to the entries.
        """
        fixed = self.general(expr, {})
        entries = [(name, *_entry(name)) for name in fixed.free_symbols if name.name.endswith("]")]
        for at, number in enumerate(numbers):
            near = {name: (path, k - number) for name, path, k in entries if k is not None and abs(k - number) <= 1}
            yield fixed.xreplace(
                {
                    name: sympy.Symbol(f"{path}[{INDICES[at]}{f' {shift:+d}'.replace('1', ' 1') if shift else ''}]",
                                       **name.assumptions0)
                    for name, (path, shift) in near.items()
                }
            )  # fmt: skip

    def passes(self, expr: Any) -> frozenset[sympy.Symbol]:
        """The passes that an expression mentions, also as the index of an entry."""
        found: set[sympy.Symbol] = set()
        for name in expr.free_symbols & self._moving:
            if name in self._traced.passes:
                found.add(name)
            else:
                found |= self.passes(self._traced.entries[name].index)
        return frozenset(found)


def _entry(name: sympy.Symbol) -> tuple[str, int | None]:
    path, _, index = name.name.removesuffix("]").rpartition("[")
    return path, int(index) if index.isdecimal() else None
