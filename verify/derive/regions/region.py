"""From a trace to a region: tensors that repeat become terms, and what the source compared becomes conditions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.errors import DeriveError
from verify.derive.formulas import naming
from verify.derive.formulas.expressions import INDICES, Expression
from verify.derive.formulas.formula import Condition, DerivedTerm, Predicate, Region
from verify.derive.formulas.printing import text
from verify.derive.regions.conditions import Conditions
from verify.derive.regions.linking import Link, Named, Words, links, named
from verify.derive.regions.predicates import Domain, Predicates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verify.derive.tracing.recorder import Pass
    from verify.derive.tracing.trace import Traced

_Axes = tuple[str, ...]


def region(traced: Traced) -> Region:
    """The terms and conditions of a trace.

    Returns:
        The region; it gives the traced tensors where it was traced, to the last shape.

    Raises:
        DeriveError: It does not, so that the trace cannot be trusted.
    """
    found = _Terms(traced)
    terms = tuple(found.terms())
    conditions = tuple(each for each in dict.fromkeys(_conditions(terms, traced, found)) if _read(each))
    made = Region(terms, conditions, {})
    read = {*made.symbols, *traced.typed, *(path for condition in conditions for path in _read(condition))}
    values = {path: value for path, value in traced.values.items() if path in read}
    made = Region(terms, conditions, values)
    _check(made, traced)
    return made


def _read(condition: Condition) -> frozenset[str]:
    return condition.left.paths | condition.right.paths | (condition.stop.paths if condition.stop else frozenset())


def _check(made: Region, traced: Traced) -> None:
    """The region gives what was traced."""
    expected: dict[str, Counter[tuple[int, ...]]] = {}
    for tensor in traced.tensors:
        expected.setdefault(naming.pattern(tensor.name), Counter())[tensor.shape] += 1
    shapes = made.shapes(traced.values)
    for name, counts in expected.items():
        if shapes.get(name) != counts:
            raise DeriveError(
                f"{name} is {dict(shapes.get(name, {}))} by the formula and {dict(counts)} in the traced model",
                hint="report this configuration",
            )


class _Terms:
    """Groups the tensors of a trace.

    Attributes:
        words: Turns expressions over passes into expressions over indices.
        predicates: Finds the rules for sets of modules.
        named: The lists whose words are names of modules, each with the condition that it has these words.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._tensors = named(traced)
        self._links, layouts = links(self._tensors, traced)
        self.words = Words(traced, self._links, layouts)
        self.predicates = Predicates(traced, self.words, self._links)
        self._domains = self._found_domains()
        self.named: dict[str, Condition] = {}
        self._pin_unlinked()

    def terms(self) -> Iterator[DerivedTerm]:
        """One term for each pattern, symbolic shape, and way to repeat, in the order of the module."""
        patterns: dict[tuple[str, Any], list[Named]] = {}
        for one in self._tensors:
            patterns.setdefault((one.pattern, one.tensor.kind), []).append(one)
        for (pattern, kind), members in patterns.items():
            after = {one.indices: one.tensor.after for one in members}
            for axes, group in self._grouped(members).items():
                indices = {numbers: after[numbers] for numbers in group}
                for repeats in self._repeats(pattern, indices, ()):
                    yield DerivedTerm(pattern, kind, tuple(map(Expression, axes)), repeats)

    def _grouped(self, members: list[Named]) -> dict[_Axes, list[tuple[int, ...]]]:
        """Indices by axes: as few different ones as can be, and best without an index in them.

        Where all are of one module of a loop, the index that the source has is in them, although there is no other.
        """
        found: list[dict[_Axes, list[tuple[int, ...]]]] = []
        for way in range(len(members[0].indices) + 2):
            if way > 1 and len(found[0]) == 1:
                return found[0]
            groups: dict[_Axes, list[tuple[int, ...]]] = {}
            for one in members:
                groups.setdefault(self._axes(one, way), []).append(one.indices)
            found.append(groups)
            if len(groups) == 1 and way:
                return groups
        return min(found, key=len)

    def _axes(self, one: Named, way: int) -> _Axes:
        """The axes without indices (0), with those of the loops (1), or with one for the entries of lists."""
        if way == 0:
            return tuple(text(self.words.general(axis, {})) for axis in one.tensor.axes)
        if way == 1:
            indices = self.words.indices(one)
            return tuple(text(self.words.general(axis, indices)) for axis in one.tensor.axes)
        return tuple(text(list(self.words.listed(axis, one.indices))[way - 2]) for axis in one.tensor.axes)

    def _repeats(
        self, pattern: str, indices: dict[tuple[int, ...], int], outer: tuple[int, ...]
    ) -> Iterator[tuple[Predicate, ...]]:
        """The predicates of each `{}` whose products together are exactly these indices."""
        at = len(outer)
        if at == pattern.count("{}"):
            yield ()
            return
        rests: dict[int, dict[tuple[int, ...], int]] = {}
        for numbers, after in indices.items():
            rests.setdefault(numbers[0], {})[numbers[1:]] = after
        alike: dict[tuple[tuple[Predicate, ...], ...], dict[int, int]] = {}
        for number, rest in sorted(rests.items()):
            inner = tuple(self._repeats(pattern, rest, (*outer, number)))
            alike.setdefault(inner, {})[number] = min(rest.values())
        prefix = "{}".join(pattern.split("{}")[: at + 1]) + "{}"
        scope = dict(zip(INDICES, outer, strict=False))
        for inner, chosen in alike.items():
            first = self.predicates.find(self._domains[prefix, outer], prefix, chosen, scope)
            for rest_ in inner:
                yield (first, *rest_)

    def _found_domains(self) -> dict[tuple[str, tuple[int, ...]], Domain]:
        """The indices of each prefix, given the numbers to its left."""
        numbers: dict[tuple[str, tuple[int, ...]], set[int]] = {}
        runs: dict[str, dict[tuple[int, ...], tuple[str, ...]]] = {}
        for one in self._tensors:
            indices = self.words.indices(one)
            for at, number in enumerate(one.indices):
                prefix, outer = one.prefix(at), one.indices[:at]
                numbers.setdefault((prefix, outer), set()).add(number)
                link = self._links.get(prefix)
                for step in one.tensor.passes:
                    if link and step.loop.site == link.site and outer not in runs.get(prefix, {}):
                        runs.setdefault(prefix, {})[outer] = self._stops(step, link, indices, outer)
        return {
            (prefix, outer): self.predicates.laid(layout)
            if (layout := self.words.layouts.get((prefix, outer)))
            else self.predicates.domain(
                prefix,
                _common(runs.get(prefix, {}), outer),
                frozenset(found),
                dict(zip(INDICES, outer, strict=False)),
            )
            for (prefix, outer), found in numbers.items()
        }

    def _pin_unlinked(self) -> None:
        """Loops that made several modules of a list in each pass, which no index follows, go as far as they did."""
        for one in self._tensors:
            sites = {link.site for at in range(len(one.indices)) if (link := self._links.get(one.prefix(at)))}
            sites |= {site for at in range(len(one.indices)) if (laid := self.words.laid(one, at)) for site in laid}
            for step in one.tensor.passes:
                stop = self.words.general(step.loop.stop, {})
                if step.loop.site not in sites and stop.free_symbols:
                    self._pin(one, step, text(stop))

    def _pin(self, one: Named, step: Pass, stop: str) -> None:
        """Let a loop go as far as it did; one that names modules by the words of a list, have the words that it had."""
        path = stop.removeprefix("len(").removesuffix(")")
        items = self._traced.values.get(path)
        if isinstance(items, tuple) and items[step.value] in one.tensor.name.split("."):
            where = step.loop.site.rpartition(":")[0]
            self.named[path] = Condition("==", Expression(path), Expression(repr(items)), outcome=True, where=where)
        else:
            self.predicates.pin(stop, Expression(stop).integer(self._traced.values))

    def _stops(
        self, step: Pass, link: Link, indices: dict[sympy.Symbol, sympy.Expr], outer: tuple[int, ...]
    ) -> tuple[str, ...]:
        """How many modules a run of a loop made, in each of the ways to word it."""
        start, stop, pace = step.loop.start, step.loop.stop, step.loop.step
        if link.before is not None:
            stop = (stop - start if pace == 1 else sympy.ceiling((stop - start) / pace)) + link.before
        others = {name: index for name, index in indices.items() if name != step.symbol}
        return text(self.words.general(stop, others)), *map(text, self.words.listed(stop, outer))


def _common(runs: dict[tuple[int, ...], tuple[str, ...]], outer: tuple[int, ...]) -> frozenset[str]:
    """The wording that all runs of a loop share, else that of one of them."""
    shared = [frozenset(way) for way in zip(*runs.values(), strict=True)]
    own = frozenset(runs[outer][:1]) if outer in runs else frozenset()
    return min(shared, key=len) if shared and min(map(len, shared)) == 1 else own


def _conditions(terms: tuple[DerivedTerm, ...], traced: Traced, found: _Terms) -> Iterator[Condition]:
    yield from _lengths(terms, traced)
    yield from _pinned(found.predicates)
    yield from _counted(traced)
    yield from found.named.values()
    yield from _sections(traced)
    kept = Conditions(traced, found.words, found.predicates)
    yield from kept.found()
    for path in sorted({path for term in terms for part in term.repeats if part.where for path in part.where.paths}):
        items = traced.values.get(path)
        if isinstance(items, tuple) and items and all(isinstance(item, str) for item in items):
            yield kept.known(path)


def _lengths(terms: Iterable[DerivedTerm], traced: Traced) -> Iterator[Condition]:
    """Where terms read a certain entry of a list, the list keeps its length."""
    read: set[str] = set()
    for term in terms:
        for part in (*term.axes, *(part.stop for part in term.repeats)):
            read |= {path.partition("[")[0] for path in part.paths if "[" in path}
    for path in sorted(read):
        yield Condition("==", Expression(f"len({path})"), Expression(str(len(traced.values[path]))), outcome=True)


def _counted(traced: Traced) -> Iterator[Condition]:
    """Where the source counted 0, 1, … and never reached a setting, what it counted keeps its number.

    Zamba2 makes a block of its own for each of the first `num_mem_blocks` hybrid layers, and counts them in a variable.
    """
    reached: dict[tuple[str, str, Any], dict[int, bool]] = {}
    for one in traced.comparisons:
        if one.left.is_Symbol and one.right.is_Integer and one.sign in ("<", "<=", ">", ">="):
            reached.setdefault((one.where, one.sign, one.left), {})[int(one.right)] = one.outcome
    numbers = {
        len(counted)
        for counted in reached.values()
        if len(counted) > 1 and sorted(counted) == list(range(len(counted))) and len(set(counted.values())) == 1
    }
    for path, items in traced.values.items():
        if isinstance(items, tuple):
            for word in dict.fromkeys(item for item in items if isinstance(item, str)):
                if items.count(word) in numbers:
                    where = Expression(f"{path}.count({word!r})")
                    yield Condition("==", where, Expression(str(items.count(word))), outcome=True)


def _sections(traced: Traced) -> Iterator[Condition]:
    """The parts of the configuration are of the classes that they were of."""
    parts = dict.fromkeys(path.rpartition(".")[0] for path in traced.values)
    for path in sorted(parts):
        if path:
            yield Condition("==", Expression(path), Expression(repr(traced.values[path])), outcome=True)


def _pinned(predicates: Predicates) -> Iterator[Condition]:
    """Where modules had to be listed one by one, there are as many of them."""
    for path, value in predicates.pinned.items():
        if path != str(value):
            yield Condition("==", Expression(path), Expression(repr(value)), outcome=True)
