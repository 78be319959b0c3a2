"""The closed form of a region: what its terms come to, one bracket for each set of modules.

`2*vocab_size*hidden_size + hidden_size + num_hidden_layers*(...)`. A set of modules whose number has no closed form
stands as `#[i < num_hidden_layers: condition]`, and sizes that differ from module to module as
`sum[i < len(depths)](...)`. The numbers behind the text are compared with those of the terms where it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import TYPE_CHECKING

from verify.derive.errors import DeriveError
from verify.derive.formulas import polynomials
from verify.derive.formulas.expressions import INDICES
from verify.derive.formulas.notation import PLAIN, set_text
from verify.derive.formulas.polynomials import ONE, Polynomial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verify.derive.formulas.expressions import Scope, Values
    from verify.derive.formulas.formula import DerivedTerm, Kind, Predicate
    from verify.derive.formulas.notation import Notation
    from verify.derive.formulas.polynomials import Rank


@dataclass(frozen=True, slots=True)
class Times:
    """How often a bracket counts: once for each module of some sets.

    Attributes:
        count: How many modules there are, of the sets that have a closed form.
        sets: The other sets, each with the name of its index.
        summed: Whether the bracket is another one for each module, so that it is a sum over `sets`.
    """

    count: Polynomial
    sets: tuple[tuple[str, Predicate], ...] = ()
    summed: bool = False

    @property
    def key(self) -> tuple[frozenset[tuple[polynomials.Monomial, int]], tuple[str, ...], bool]:
        """What tells one from another."""
        names = tuple(set_text(index, modules) for index, modules in self.sets)
        return frozenset(self.count.items()), names, self.summed

    def scopes(self, values: Values) -> Iterator[Scope]:
        """The indices of each module of the sets."""
        found: list[dict[str, int]] = [{}]
        for index, one in self.sets:
            found = [{**scope, index: at} for scope in found for at in one.indices(values, index, scope)]
        yield from found


@dataclass(frozen=True, slots=True)
class Group:
    """One bracket.

    Attributes:
        times: How often it counts.
        body: What one of them comes to.
    """

    times: Times
    body: Polynomial

    def inner(self, rank: Rank) -> tuple[polynomials.Product, ...]:
        """The sum in the brackets; outside all modules it is as the terms are, for them to be recognised."""
        plain = not self.times.sets and self.times.count == ONE
        return polynomials.expanded(self.body, rank) if plain else polynomials.collected(self.body, rank)

    def value(self, values: Values) -> int:
        """The number that it is at a configuration."""
        often = polynomials.value(self.times.count, values)
        return often * sum(polynomials.value(self.body, values, scope) for scope in self.times.scopes(values))

    def addends(self, notation: Notation, rank: Rank) -> Iterator[tuple[int, list[str]]]:
        """Its parts as they stand in a sum: the number of each, and its factors in a notation."""
        often = [] if self.times.count == ONE else self._often(notation, rank)
        inner = self.inner(rank)
        if self.times.summed:
            shown = notation.brackets(polynomials.written(inner, notation))
            yield 1, [*often, notation.sum_over(self.times.sets) + shown]
            return
        often += [notation.number_of(index, modules) for index, modules in self.times.sets]
        if not often or len(inner) == 1:
            yield from ((one.number, [*often, *polynomials.factors(one, notation)]) for one in inner)
        else:
            yield 1, [*often, notation.brackets(polynomials.written(inner, notation))]

    def _often(self, notation: Notation, rank: Rank) -> list[str]:
        shown = polynomials.expanded(self.times.count, rank)
        if len(shown) == 1 and shown[0].number == 1:
            return polynomials.factors(shown[0], notation)
        return [notation.brackets(polynomials.written(shown, notation))]


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed form.

    Attributes:
        groups: The brackets, in the order of the first term of each.
        atoms: What is multiplied in them, in the order of the terms.
    """

    groups: tuple[Group, ...]
    atoms: tuple[str, ...] = ()

    def value(self, values: Values) -> int:
        """The number that it is at a configuration.

        Raises:
            DeriveError: Something in it has no value there.
        """
        return sum(group.value(values) for group in self.groups)

    def lines(self, notation: Notation = PLAIN) -> tuple[str, ...]:
        """The closed form in a notation, a line for each bracket with its sign; "0" when nothing is in it."""
        parts = [part for group in self.groups for part in (group.body, group.times.count)]
        rank = polynomials.ranked(parts, self.atoms)
        found = [polynomials.joined(group.addends(notation, rank), notation) for group in self.groups]
        rest = (f"- {line[1:]}" if line.startswith("-") else f"+ {line}" for line in found[1:])
        return (*found[:1], *rest) or ("0",)

    def text(self, notation: Notation = PLAIN) -> str:
        """The closed form in a notation."""
        return " ".join(self.lines(notation))

    def minus(self, other: Closed) -> Closed:
        """The difference; brackets that are the same in both are gone."""
        bodies = {group.times.key: (group.times, group.body) for group in self.groups}
        for group in other.groups:
            times, body = bodies.get(group.times.key, (group.times, {}))
            bodies[group.times.key] = times, polynomials.add(body, group.body, -1)
        groups = tuple(Group(times, body) for times, body in bodies.values() if body)
        return Closed(groups, tuple(dict.fromkeys(self.atoms + other.atoms)))


def closed(terms: Iterable[DerivedTerm], kind: Kind = "parameter") -> Closed:
    """The closed form of the terms of one kind."""
    bodies: dict[object, tuple[Times, Polynomial]] = {}
    atoms: dict[str, None] = {}
    for term in terms:
        if term.kind == kind:
            atoms |= {atom: None for axis in term.axes for one in polynomials.parse(axis.text) for atom in one}
            times = _times(term)
            body = polynomials.product(axis.text for axis in term.axes)
            often, times = _without_number(times)
            known, before = bodies.get(times.key, (times, {}))
            bodies[times.key] = known, polynomials.add(before, body, often)
    return Closed(tuple(Group(times, body) for times, body in bodies.values() if body), tuple(atoms))


def checked(form: Closed, terms: tuple[DerivedTerm, ...], values: Values, kind: Kind = "parameter") -> Closed:
    """The same closed form, once it gives what the terms give at a configuration.

    Raises:
        DeriveError: It does not.
    """
    expected = sum(term.count(values) for term in terms if term.kind == kind)
    if (found := form.value(values)) != expected:
        raise DeriveError(f"the closed form gives {found}, its terms {expected}", hint="report this configuration")
    return form


def _times(term: DerivedTerm) -> Times:
    indexed = bool(frozenset[str]().union(*(axis.indices for axis in term.axes)))
    inner = any(
        part.stop.indices or (part.where and part.where.indices - {INDICES[at]}) for at, part in enumerate(term.repeats)
    )
    if indexed or inner:
        return Times(ONE, tuple(zip(INDICES, term.repeats, strict=False)), indexed)
    sets = [(INDICES[at], part) for at, part in enumerate(term.repeats) if not part.count]
    return Times(polynomials.product(part.count for part in term.repeats if part.count), tuple(sets))


def _without_number(times: Times) -> tuple[int, Times]:
    """The number that divides all of a count, and the count without it: 2 and `num_layers` for `2*num_layers`."""
    number = reduce(gcd, times.count.values(), 0)
    if number <= 1:
        return 1, times
    return number, Times({one: each // number for one, each in times.count.items()}, times.sets, times.summed)
