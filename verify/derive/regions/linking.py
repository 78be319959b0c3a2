"""Which loop of the source each number in a tensor's name counts, so that axes and conditions speak of `i` and `j`.

`model.layers.3.mlp.weight` was created in a pass of `for i in range(config.num_hidden_layers)`: the tensors whose
names begin alike were all created in passes of the loop at the same line, and its index is the number in the name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import INDICES, Expression
from verify.derive.formulas.naming import numbered
from verify.derive.formulas.printing import text
from verify.derive.regions.positions import Layout, layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from verify.derive.regions.positions import Labelled
    from verify.derive.tracing.recorder import Loop, Pass
    from verify.derive.tracing.trace import Traced, TracedTensor

#: The end of the prefix of a number that is not a whole piece of a name.
_JOINED = "_{}"

#: The layouts of the lists that several loops fill, by the prefix of their numbers and the numbers to the left.
Layouts = dict[tuple[str, tuple[int, ...]], Layout]


@dataclass(frozen=True, slots=True)
class Named:
    """A tensor and the numbers in its name.

    Attributes:
        pattern: The name with `{}` for each number that counts modules.
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


def named(traced: Traced) -> list[Named]:
    """The patterns and the indices of the names of all tensors.

    The number in `expert_3` is an index where a loop of the source explains it; that in `norm_1` is a part of the name.
    """
    found = [Named(*numbered(tensor.name), tensor) for tensor in traced.tensors]
    known, _ = links(found, traced)
    return [_closed(one, known) for one in found]


def _closed(one: Named, known: Mapping[str, Link]) -> Named:
    """The same tensor, with the numbers after a `_` that no loop explains as parts of its name."""
    if _JOINED not in one.pattern:
        return one
    pattern, *rest = one.pattern.split("{}")
    indices: list[int] = []
    for at, (number, more) in enumerate(zip(one.indices, rest, strict=True)):
        fixed = one.prefix(at).endswith(_JOINED) and one.prefix(at) not in known
        indices += [] if fixed else [number]
        pattern += f"{number if fixed else '{}'}{more}"
    return Named(pattern, tuple(indices), one.tensor)


def links(tensors: Iterable[Named], traced: Traced) -> tuple[dict[str, Link], Layouts]:
    """The loop behind each prefix, and of what several loops fill, the layouts; what no loop explains is left out."""
    by_prefix: dict[str, list[tuple[Named, int]]] = {}
    for one in tensors:
        for at in range(len(one.indices)):
            by_prefix.setdefault(one.prefix(at), []).append((one, at))
    found: dict[str, Link] = {}
    layouts: Layouts = {}
    words = Words(traced, found, layouts)
    for prefix, members in sorted(by_prefix.items(), key=lambda item: item[0].count("{}")):
        outer = {link.site for start, link in found.items() if prefix.startswith(start)}
        outer |= {site for (start, _), one in layouts.items() if prefix.startswith(start) for site in one.sites}
        link = _link(members, outer, traced)
        if laid := _laid(members, outer, link, words):
            layouts.update(laid)
        elif link:
            found[prefix] = link
    return found, layouts


def _laid(members: list[tuple[Named, int]], outer: set[str], link: Link | None, words: Words) -> Layouts:
    """The layouts of the lists of a prefix, unless its link explains every number that a loop made."""
    lists: dict[tuple[int, ...], dict[int, list[Named]]] = {}
    for one, at in members:
        lists.setdefault(one.indices[:at], {}).setdefault(one.indices[at], []).append(one)
    labelled = {
        numbers: [(number, _shared(inside, outer)) for number, inside in sorted(modules.items())]
        for numbers, modules in lists.items()
    }
    made = [passes for modules in labelled.values() for _, passes in modules if passes]
    if not made or (link and all(link.site in [step.loop.site for step in passes] for passes in made)):
        return {}
    first, at = members[0]
    try:
        found = {
            (first.prefix(at), numbers): words.layout(next(iter(lists[numbers].values()))[0], modules)
            for numbers, modules in labelled.items()
        }
    except DeriveError:  # a loop runs from a size that is no number
        return {}
    return found if any(each.sites for each in found.values()) else {}


def _shared(tensors: Iterable[Named], outer: set[str]) -> tuple[Pass, ...]:
    """The passes in which all tensors of a module were created, but for those that a number to its left counts."""
    runs = [tuple(step for step in one.tensor.passes if step.loop.site not in outer) for one in tensors]
    return tuple(steps[0] for steps in takewhile(lambda steps: len(set(steps)) == 1, zip(*runs, strict=False)))


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

    def __init__(self, traced: Traced, links_: Mapping[str, Link], layouts: Layouts) -> None:
        self._traced = traced
        self._links = links_
        self.layouts = layouts
        self._plain: dict[sympy.Expr, sympy.Expr] = {}
        self._known: dict[tuple[str, tuple[int, ...]], dict[str, sympy.Expr]] = {}
        self._moving = set(traced.passes) | set(traced.entries)

    def indices(self, one: Named) -> dict[sympy.Symbol, sympy.Expr]:
        """What each pass in which a tensor was created is, in the indices of its name."""
        found: dict[sympy.Symbol, sympy.Expr] = {}
        for at in range(len(one.indices)):
            link = self._links.get(one.prefix(at))
            for step in one.tensor.passes:
                if link and step.loop.site == link.site and step.symbol not in found:
                    found[step.symbol] = self.index(step, INDICES[at], link, found)
            for site, number in self.laid(one, at).items():
                for step in one.tensor.passes:
                    if step.loop.site == site and step.symbol not in found:
                        start, pace = (self.general(each, found) for each in (step.loop.start, step.loop.step))
                        found[step.symbol] = start + pace * number
        return found

    @property
    def unrolled(self) -> frozenset[str]:
        """The loops that fill lists with something else in each pass, so that no index follows them."""
        return frozenset[str]().union(*(each.unrolled for each in self.layouts.values()))

    def laid(self, one: Named, at: int) -> dict[str, sympy.Expr]:
        """For a list that several loops fill, which pass of each a module is of, by where the loop stands."""
        layout_ = self.layouts.get((one.prefix(at), one.indices[:at])) if self.layouts else None
        if layout_ is None:
            return {}
        key = one.prefix(at), one.indices[: at + 1]
        if key not in self._known:
            index = sympy.Symbol(INDICES[at], integer=True, nonnegative=True)
            self._known[key] = layout_.passes(one.indices[at], index)
        return self._known[key]

    def layout(self, one: Named, modules: Sequence[Labelled]) -> Layout:
        """The layout of a list.

        Args:
            one: A tensor of one of its modules, whose numbers to the left are those of the list.
            modules: The modules that have tensors, in order.

        Raises:
            DeriveError: A loop runs to what is no size.
        """
        outer = self.indices(one)
        scope = dict(zip(INDICES, one.indices, strict=False))

        def length(loop: Loop) -> sympy.Expr:
            start, stop, pace = (self.general(each, outer) for each in (loop.start, loop.stop, loop.step))
            return stop - start if pace == 1 else sympy.ceiling((stop - start) / pace)

        return layout(modules, length, lambda expr: Expression(text(expr)).integer(self._traced.values, scope))

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
        if not indices and expr in self._plain:
            return self._plain[expr]
        moving = expr.free_symbols & self._moving
        found = expr.xreplace({name: self._replaced(name, indices) for name in moving}) if moving else expr
        if not indices:
            self._plain[expr] = found
        return found

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
