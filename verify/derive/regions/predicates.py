"""Sets of module indices as predicates in the words of the source.

A set of indices is described by what the source compared while it built the modules: `i % attn_layer_period ==
attn_layer_offset`. Where it compared nothing that explains the set, by a list of the configuration that has an entry
for each layer (`layer_types[i] == "mamba"`), by the ends of the range, by periods and thresholds of the
configuration, and at last by the indices themselves (`i in (0, 2)`), which is right for parts that no loop made.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import INDICES, Expression, Scope, Values
from verify.derive.formulas.formula import OPPOSITE, Predicate
from verify.derive.formulas.printing import text
from verify.derive.regions.counting import count
from verify.derive.regions.linking import Link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sympy

    from verify.derive.regions.linking import Words
    from verify.derive.regions.positions import Layout
    from verify.derive.tracing.recorder import Comparison
    from verify.derive.tracing.trace import Traced

#: Below this, a number of modules that no loop made is taken for the structure of the code, not for a setting.
_FEW = 4
_MOST_ATOMS = 60
_MOST_VALUES = 8

#: Words in names of settings that say where layers of a kind begin or how often they come.
_PERIODS = frozenset({"period", "freq", "frequency", "interval", "step", "every", "pattern", "stride"})
_BOUNDS = frozenset({"first", "start", "replace", "dense", "offset", "skip", "shared", "last", "moe", "layers"})
#: Words in names of lists that hold indices of layers.
_INDEXING = frozenset({"layers", "layer", "indices", "indexes", "index", "idx", "ids"})


@dataclass(frozen=True, slots=True)
class Domain:
    """The indices that a prefix has.

    Attributes:
        stop: How many, in the words of the source.
        linked: Whether a loop of the source made them.
        layout: Of a list that several loops fill, what stands where.
    """

    stop: Expression
    linked: bool
    layout: Layout | None = None


class Predicates:
    """Finds predicates for the prefixes of one trace.

    Attributes:
        pinned: What must stay what it is, because some modules had to be listed one by one: the number of modules, and
            lists of words.
    """

    def __init__(self, traced: Traced, words: Words, links: Mapping[str, Link]) -> None:
        self._values: Values = traced.values
        self._traced = traced
        self._words = words
        self._links = links
        self.pinned: dict[str, Any] = {}
        self._compared: dict[str, dict[str, tuple[bool, dict[int, int]]]] = {}

    def find(self, domain: Domain, prefix: str, chosen: Mapping[int, int], outer: Scope) -> Predicate:
        """The predicate of a set of indices.

        Args:
            domain: The indices that the prefix has.
            prefix: The pattern up to and with the `{}` in question.
            chosen: The indices that hold, and how many comparisons had been made when the first tensor of each was
                created: what decided about it is among them.
            outer: The indices to its left by name.

        Returns:
            The best description that gives exactly this set where it was traced.
        """
        at = prefix.count("{}") - 1
        index = INDICES[at]
        size = domain.stop.integer(self._values, outer)
        if chosen.keys() == set(range(size)):
            return Predicate(domain.stop, None, domain.stop.text)
        if domain.layout and (laid := domain.layout.where(index, frozenset(chosen))):
            where, number, pinned = laid
            found = Predicate(domain.stop, Expression(where), number)
            if chosen.keys() == set(found.indices(self._values, index, outer)):
                for stop, value in pinned.items():
                    self.pin(stop, value)
                return found
        where = self._where(domain, prefix, chosen, outer, size)
        return Predicate(
            domain.stop, Expression(where), count(where, index, domain.stop.text, self._values, len(chosen))
        )

    def _where(self, domain: Domain, prefix: str, after: Mapping[int, int], outer: Scope, size: int) -> str:
        index = INDICES[prefix.count("{}") - 1]
        chosen = frozenset(after)
        every = frozenset(range(size))
        if domain.linked or not domain.stop.text.isdecimal():
            for atom in self._firsts(index, size, len(chosen)):
                if self._truth(atom, index, size, outer) == chosen:
                    return atom
            tried: list[tuple[str, frozenset[int]]] = []
            for candidates in (
                self._source(prefix, after),
                self._lists(index, size),
                self._ends(index, domain.stop.text),
            ):
                atoms = [(atom, self._truth(atom, index, size, outer)) for atom in candidates]
                tried += [(atom, truth) for atom, truth in atoms if truth is not None]
                if found := _described(tried, chosen, every):
                    return found
            for atom in (*self._settings(index, size, domain.stop.text), *self._ranks(index, size, chosen)):
                if self._truth(atom, index, size, outer) == chosen:
                    return atom
            if not domain.stop.indices:
                self.pin(domain.stop.text, size)
        ordered = sorted(chosen)
        return f"{index} == {ordered[0]}" if len(ordered) == 1 else f"{index} in {tuple(ordered)}"

    def pin(self, stop: str, size: int) -> None:
        """Let a number of modules, and all lists of words, be what they are."""
        self.pinned[stop] = size
        for path, items in self._values.items():
            if isinstance(items, tuple) and items and all(isinstance(item, str | bool) for item in items):
                self.pinned[path] = items

    def guard(self, site: str, stop: Expression, chosen: frozenset[int]) -> str:
        """What tells the indices that a loop made no comparison for, so that the comparison is joined to it by `or`.

        Args:
            site: Where the loop stands.
            stop: How far it goes.
            chosen: The indices.

        Returns:
            The condition, or "" where none is known.
        """
        index = INDICES[0]
        size = stop.integer(self._values)
        found = self._atoms((site,), ("",))
        candidates = (*(atom for atom, (linked, _) in found.items() if linked), *self._ends(index, stop.text))
        atoms = [(atom, self._truth(atom, index, size, {})) for atom in candidates]
        return _described([(atom, truth) for atom, truth in atoms if truth is not None], chosen, frozenset(range(size)))

    def _truth(self, atom: str, index: str, size: int, outer: Scope) -> frozenset[int] | None:
        condition = Expression(atom)
        try:
            return frozenset(at for at in range(size) if condition(self._values, {**outer, index: at}))
        except DeriveError:
            return None

    def _source(self, prefix: str, after: Mapping[int, int]) -> tuple[str, ...]:
        """Comparisons with an index of the source: those that may have decided first, and of these the latest first."""
        found = self._atoms_of(prefix)
        ranks = {
            atom: (
                all(made[at] < after[at] for at in made.keys() & after.keys()) if linked else False,
                linked,
                max(made.get(at, -1) for at in after),
            )
            for atom, (linked, made) in found.items()
        }
        return tuple(sorted(ranks, key=lambda atom: ranks[atom], reverse=True))[:_MOST_ATOMS]

    def _atoms_of(self, prefix: str) -> dict[str, tuple[bool, dict[int, int]]]:
        if prefix not in self._compared:
            starts = tuple(prefix[: at + 2] for at in range(len(prefix)) if prefix.startswith("{}", at))
            sites = tuple(self._links[start].site if start in self._links else "" for start in starts)
            self._compared[prefix] = self._atoms(sites, starts)
        return self._compared[prefix]

    def _atoms(self, sites: tuple[str, ...], starts: tuple[str, ...]) -> dict[str, tuple[bool, dict[int, int]]]:
        """Each comparison in the indices of a prefix: whether its loop is behind it, and when it was made by index."""
        found: dict[str, tuple[bool, dict[int, int]]] = {}
        for when, comparison in enumerate(self._traced.comparisons):
            if atom := self._atom(comparison, sites, starts):
                words, linked, number = atom
                found.setdefault(words, (linked, {}))[1][number] = when
        return found

    def _atom(
        self, comparison: Comparison, sites: tuple[str, ...], starts: tuple[str, ...]
    ) -> tuple[str, bool, int] | None:
        """A comparison in the indices of a prefix, and whether it is of the loop behind it."""
        passes = self._words.passes(comparison.left) | self._words.passes(comparison.right)
        steps = [self._traced.passes[name] for name in passes]
        mine = [step for step in steps if step.loop.site not in sites[:-1]]
        if len(mine) != 1:
            return None
        indices: dict[sympy.Symbol, sympy.Expr] = {}
        for step in steps:
            at = sites.index(step.loop.site) if step.loop.site in sites else len(sites) - 1
            link = self._links.get(starts[at])
            if link is None or link.site != step.loop.site:
                link = _FOREIGN
            indices[step.symbol] = self._words.index(step, INDICES[at], link, indices)
        left, right = (text(self._words.general(side, indices)) for side in (comparison.left, comparison.right))
        if INDICES[len(sites) - 1] not in Expression(left).indices | Expression(right).indices:
            return None
        link = self._links.get(starts[-1], _FOREIGN)
        return (
            f"{left} {comparison.sign} {right}",
            mine[0].loop.site == sites[-1],
            link.number(mine[0], self._traced.passes),
        )

    def _lists(self, index: str, size: int) -> Iterator[str]:
        """Lists of the configuration that have an entry for each module, or that hold indices."""
        for path, items in self._values.items():
            if not isinstance(items, tuple) or not items:
                continue
            kinds = list(dict.fromkeys(item for item in items if isinstance(item, (str, bool)) or item in (0, 1)))
            if len(items) == size and len(kinds) <= _MOST_VALUES:
                for item in kinds:
                    yield f"{path}[{index}]" if item is True else f"{path}[{index}] == {item!r}"
                    yield f"{index} == {path}.index({item!r})"
            elif len(items) < size and all(isinstance(item, str) for item in items):
                for item in kinds:
                    yield f"{path}[{index} % len({path})] == {item!r}"
            if _INDEXING & set(path.split("_")) and all(type(item) is int for item in items):
                yield f"{index} in {path}"

    def _kinds(self, size: int) -> Iterator[tuple[str, str]]:
        """Lists of the configuration that have a word for each module, and their words."""
        for path, items in self._values.items():
            if isinstance(items, tuple) and len(items) == size:
                yield from ((path, item) for item in dict.fromkeys(items) if isinstance(item, str))

    def _firsts(self, index: str, size: int, number: int) -> Iterator[str]:
        """The first modules of a kind, as many as a setting says that the source compared with a count of its own."""
        compared = self._traced.comparisons
        settings = {str(one.left) for one in compared if one.right == number} & self._values.keys()
        for path, item in self._kinds(size):
            if 1 < number < self._values[path].count(item):
                kind, before = f"{path}[{index}] == {item!r}", f"{path}[:{index}].count({item!r})"
                equal = (name for name in sorted(settings) if self._values[name] == number)
                yield from (f"{kind} and {before} < {name}" for name in equal)

    def _ranks(self, index: str, size: int, chosen: frozenset[int]) -> Iterator[str]:
        """The second module of a kind, or the third."""
        for path, item in self._kinds(size):
            rank = self._values[path][: min(chosen)].count(item)
            yield f"{path}[{index}] == {item!r} and {path}[:{index}].count({item!r}) == {rank}"

    @staticmethod
    def _ends(index: str, stop: str) -> Iterator[str]:
        yield from (f"{index} == 0", f"{index} == {stop} - 1", f"{index} % 2 == 0", f"{index} % 2 == 1")
        yield from (f"{index} >= {stop}//2", f"{index} == {stop}//2", f"{index} > {stop}//2")

    def _settings(self, index: str, size: int, stop: str) -> Iterator[str]:
        """Thresholds and periods that settings with a telling name would give."""
        numbers = {
            path: value
            for path, value in self._values.items()
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= size and "[" not in path
        }
        for path in numbers:
            names = set(path.rpartition(".")[2].split("_"))
            if names & _BOUNDS:
                yield from (f"{index} < {path}", f"{index} >= {path}")
                yield from (f"{index} < {stop} - {path}", f"{index} >= {stop} - {path}")
            if names & _PERIODS:
                for sign in ("==", "!="):
                    yield from (f"{index} % {path} {sign} 0", f"({index} + 1) % {path} {sign} 0")

    def domain(self, prefix: str, stops: frozenset[str], numbers: frozenset[int], outer: Scope) -> Domain:
        """The indices that a prefix has.

        Args:
            prefix: The pattern up to and with the `{}` in question.
            stops: What the runs of the loop behind it ran to, in the indices to its left; the best is one for all.
            numbers: The indices that there are; what was added to the list after the loop is counted too.
            outer: The indices to its left by name.
        """
        linked = prefix in self._links
        size = max(numbers) + 1
        if len(stops) == 1:
            stop = next(iter(stops))
            more = size - (self._number(stop, outer) or size)
            if more > 0:
                stop = stop.removesuffix(" - 1") if more == 1 and stop.endswith(" - 1") else f"{stop} + {more}"
            return Domain(Expression(stop), linked=True)
        if size >= _FEW and len(numbers) == size:
            for stop in self._sizes():
                if self._number(stop) == size:
                    return Domain(Expression(stop), linked=linked)
        return Domain(Expression(str(size)), linked=linked)

    @staticmethod
    def laid(layout: Layout) -> Domain:
        """The indices of a list that several loops fill."""
        return Domain(Expression(text(layout.size)), linked=True, layout=layout)

    def _sizes(self) -> Iterator[str]:
        """What a number of modules may be: how far loops of the source run, lengths of lists, numbers of layers."""
        yield from dict.fromkeys(
            text(step.loop.stop)
            for step in self._traced.passes.values()
            if not self._words.passes(step.loop.stop) and step.loop.start == 0
        )
        for path, items in self._values.items():
            if isinstance(items, tuple):
                yield f"len({path})"
        for path, value in self._values.items():
            if isinstance(value, int) and {"layers", "layer", "depth", "blocks"} & set(path.split("_")):
                yield from (path, f"{path} - 1", f"{path} + 1")

    def _number(self, stop: str, outer: Scope | None = None) -> int | None:
        try:
            return Expression(stop).integer(self._values, outer)
        except DeriveError:
            return None


#: The link of a loop elsewhere in the source, whose index is taken as it is.
_FOREIGN = Link("")


def _opposite(atom: str) -> str:
    """The negation of a comparison."""
    left, sign, right = _split(atom)
    return f"{left} {OPPOSITE[sign]} {right}" if sign else f"not {atom}"


def _split(atom: str) -> tuple[str, str, str]:
    """The sides and the sign of a comparison; expressions hold spaces only around `+`, `-` and `%`."""
    for sign in ("==", "!=", "<=", ">=", "<", ">", "not in", "in"):
        left, found, right = atom.partition(f" {sign} ")
        if found:
            return left, sign, right
    return atom, "", ""


def _described(atoms: list[tuple[str, frozenset[int]]], chosen: frozenset[int], every: frozenset[int]) -> str:
    """A comparison, or two or three joined by `and` or `or`, that give exactly the chosen indices; else ""."""
    both = [pair for atom, truth in atoms for pair in ((atom, truth), (_opposite(atom), every - truth))]
    both = [(atom, truth) for atom, truth in both if truth != every and truth]
    for atom, truth in both:
        if truth == chosen:
            return atom
    above = [(atom, truth) for atom, truth in both if chosen < truth]
    below = [(atom, truth) for atom, truth in both if truth < chosen]
    for number, most in ((2, _MOST_ATOMS), (3, _MOST_ATOMS // 3)):
        for group in combinations(above[:most], number):
            if frozenset.intersection(*(truth for _, truth in group)) == chosen:
                return " and ".join(atom for atom, _ in group)
        for group in combinations(below[:most], number):
            if frozenset.union(*(truth for _, truth in group)) == chosen:
                return " or ".join(atom for atom, _ in group)
    return ""
