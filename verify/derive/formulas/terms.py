"""A derived formula at one configuration as an ordinary `Formula`, with the table of the names of its tensors.

Every tensor is written down with its axes; those whose names differ in numbers only, and whose axes read the same,
become one term. Needs neither torch nor sympy.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from verify.derive.errors import DeriveError
from verify.derive.formulas import naming, polynomials
from verify.derive.formulas.expressions import INDICES, Expression
from verify.formula import ONE, Extra, Formula, Layers, Term
from verify.names import NameTable
from verify.roles import Kind, Slot
from verify.symbols import Size
from verify.templates import OPEN, is_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from verify.derive.formulas.expressions import Scope, Values
    from verify.derive.formulas.formula import DerivedTerm, Region
    from verify.names import Entry
    from verify.roles import Cause

_KINDS = {"parameter": Kind.PARAMETER, "buffer": Kind.BUFFER}
_FOLDED = {ast.Add: int.__add__, ast.Sub: int.__sub__, ast.Mult: int.__mul__, ast.FloorDiv: int.__floordiv__}
_MOST_FOLDED = 2**31
#: Numbers in a name that may be open at once: of a layer, and of one of several in it.
_LAYER_AND_COPY = 2
_COMPUTED = "computed from these"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Modules:
    """Which numbers stand in one place of a name.

    Attributes:
        where: The condition on `i`, as the source has it; "" for all of them.
        count: How many they are; None where nothing is known.
    """

    where: str = ""
    count: Size | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One tensor.

    Attributes:
        name: Its name.
        kind: Parameter or buffer.
        axes: Its axes.
        modules: For each number that is a whole piece of its name, which numbers stand there; shorter where that is not
            known.
    """

    name: str
    kind: Kind
    axes: tuple[Size, ...]
    modules: tuple[Modules, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(axis.value for axis in self.axes)


def pieces(region: Region, values: Values, origins: Mapping[str, str] = _NONE) -> dict[str, Piece]:
    """Every tensor of a region by its name, in the order of its terms.

    Args:
        region: The region.
        values: The flat values of a configuration.
        origins: Where values come from that config.json does not state, by path.

    Raises:
        DeriveError: A term has no value there.
    """
    return {piece.name: piece for term in region.terms for piece in _tensors(term, values, origins)}


def formula(
    tensors: Iterable[Piece],
    *,
    name: str,
    source: str,
    prefix: str = "",
    extras: Iterable[tuple[Cause, str, Sequence[Piece]]] = (),
) -> tuple[Formula, NameTable]:
    """The formula of some tensors, and the table of their names.

    Args:
        tensors: What there is.
        name: What the formula is called.
        source: Where it comes from.
        prefix: What stands before the names of the bare model; "" where it has none.
        extras: What a file may hold besides: why, in one sentence, and which tensors.
    """
    slots = _Slots(f"{prefix}." if prefix else "")
    terms = _terms(tensors, slots)
    more = tuple(Extra(cause, _terms(group, slots), note) for cause, note, group in extras)
    return Formula(name, source, terms, more), slots.table()


def size(expression: str, values: Values, scope: Scope | None = None, origins: Mapping[str, str] = _NONE) -> Size:
    """The value of an expression, and how it is made of config values.

    Args:
        expression: The expression.
        values: The flat values of a configuration.
        scope: The indices of modules by name.
        origins: Where values come from that config.json does not state, by path.

    Raises:
        DeriveError: It has no value there.
    """
    value = Expression(expression).integer(values, scope)
    text = _at(expression, tuple(sorted(scope.items()))) if scope else expression
    total = Size.of(0)
    for monomial, factor in polynomials.parse(text).items():
        product = Size.of(factor)
        for atom in monomial:
            number = Expression(atom)(values)
            if type(number) is not int:  # a ratio, which only as a part of the whole gives a whole number
                return Size.symbol(text, value, _COMPUTED)
            plain = atom in Expression(atom).paths
            product *= Size.symbol(atom, number, origins.get(atom.partition("[")[0], "") if plain else _COMPUTED)
        total += product
    return total if total.value == value else Size.symbol(text, value, _COMPUTED)


def _tensors(term: DerivedTerm, values: Values, origins: Mapping[str, str]) -> Iterator[Piece]:
    heads = term.pattern.split(OPEN)
    moving = any(axis.indices for axis in term.axes)
    fixed = () if moving else tuple(size(axis.text, values, None, origins) for axis in term.axes)
    for scope in _scopes(term, values, {}):
        numbers = [str(number) for number in scope.values()]
        name = "".join(head + number for head, number in zip(heads, [*numbers, ""], strict=True))
        axes = tuple(size(axis.text, values, scope, origins) for axis in term.axes) if moving else fixed
        yield Piece(name, _KINDS[term.kind], axes, _modules(term, values, scope, origins))


def _scopes(term: DerivedTerm, values: Values, scope: dict[str, int]) -> Iterator[dict[str, int]]:
    if len(scope) == len(term.repeats):
        yield scope
        return
    index = INDICES[len(scope)]
    for number in term.repeats[len(scope)].indices(values, index, scope):
        yield from _scopes(term, values, {**scope, index: number})


def _modules(
    term: DerivedTerm, values: Values, scope: dict[str, int], origins: Mapping[str, str]
) -> tuple[Modules, ...]:
    found = []
    for at, part in enumerate(term.repeats):
        if term.pattern.split(OPEN)[at].endswith("_"):  # `expert_{}` is a word to a table of names
            continue
        outer = {index: scope[index] for index in INDICES[:at]}
        where = _at(part.where.text, tuple(outer.items())) if part.where else ""
        found.append(Modules(where, _count(part.count, values, outer, origins) if part.count else None))
    return tuple(found)


def _count(expression: str, values: Values, outer: dict[str, int], origins: Mapping[str, str]) -> Size | None:
    try:
        return size(expression, values, outer, origins)
    except DeriveError:
        return None


@lru_cache(maxsize=4096)
def _at(expression: str, scope: tuple[tuple[str, int], ...]) -> str:
    """An expression with numbers for its indices: `depths[i]` is `depths[2]`."""
    if not scope or not Expression(expression).indices:
        return expression
    return ast.unparse(_Numbered(dict(scope)).visit(ast.parse(expression, mode="eval")))


class _Numbered(ast.NodeTransformer):
    """Puts numbers in the place of indices, and works out what has nothing but numbers in it."""

    def __init__(self, scope: Mapping[str, int]) -> None:
        self._scope = scope

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The number of an index."""
        return ast.Constant(self._scope[node.id]) if node.id in self._scope else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """The number that two numbers make."""
        self.generic_visit(node)
        match node:
            case ast.BinOp(ast.Constant(int(left)), sign, ast.Constant(int(right))) if abs(left) < _MOST_FOLDED:
                if type(sign) in _FOLDED and right:
                    return ast.Constant(_FOLDED[type(sign)](left, right))
                if isinstance(sign, ast.Pow) and 0 <= right * left.bit_length() < _MOST_FOLDED.bit_length():
                    return ast.Constant(left**right)
            case ast.BinOp(ast.Constant(1), ast.Mult(), other) | ast.BinOp(other, ast.Mult(), ast.Constant(1)):
                return other
        return node


def _terms(tensors: Iterable[Piece], slots: _Slots) -> tuple[Term, ...]:
    """Tensors as terms."""
    templates: dict[str, list[tuple[Piece, tuple[int, ...]]]] = {}
    for piece in tensors:
        parts = piece.name.split(".")
        numbers = tuple(int(part) for part in parts if is_index(part))
        template = ".".join(OPEN if is_index(part) else part for part in parts)
        templates.setdefault(template, []).append((piece, numbers))
    found: list[Term] = []
    for template, members in templates.items():
        found += _of_template(template, members, slots)
    return tuple(found)


def _of_template(template: str, members: list[tuple[Piece, tuple[int, ...]]], slots: _Slots) -> Iterator[Term]:
    if template.count(OPEN) < _LAYER_AND_COPY or _even(members):
        slot = slots.of(template, members[0][0].kind)
        groups: dict[object, list[tuple[Piece, tuple[int, ...]]]] = {}
        copies = _by_layer(members)
        for piece, numbers in members:
            key = (piece.axes, piece.modules[:1], len(copies[numbers[0]]) if numbers else 0)
            groups.setdefault(key, []).append((piece, numbers))
        for group in groups.values():
            yield _term(slot, group)
        return
    # What has an open number besides that of the layer is told apart by the number itself.
    closed: dict[str, list[tuple[Piece, tuple[int, ...]]]] = {}
    for piece, numbers in members:
        rest = iter(numbers[1:])
        head, *tails = template.split(OPEN)
        name = head + OPEN + tails[0] + "".join(f"{next(rest)}{tail}" for tail in tails[1:])
        closed.setdefault(name, []).append((piece, numbers[:1]))
    for name, group in closed.items():
        yield from _of_template(name, group, slots)


def _by_layer(members: Iterable[tuple[Piece, tuple[int, ...]]]) -> dict[int, list[int]]:
    """The second numbers of names by the first."""
    found: dict[int, list[int]] = {}
    for _, numbers in members:
        if numbers:
            found.setdefault(numbers[0], []).extend(numbers[1:2])
    return found


def _even(members: list[tuple[Piece, tuple[int, ...]]]) -> bool:
    """Whether names have two numbers, and the second goes through 0, 1, … for tensors that are alike."""
    if len(members[0][1]) != _LAYER_AND_COPY:
        return False
    shapes: dict[int, set[tuple[Size, ...]]] = {}
    for piece, numbers in members:
        shapes.setdefault(numbers[0], set()).add(piece.axes)
    dense = all(sorted(seconds) == list(range(len(seconds))) for seconds in _by_layer(members).values())
    return dense and all(len(axes) == 1 for axes in shapes.values())


def _term(slot: Slot, group: list[tuple[Piece, tuple[int, ...]]]) -> Term:
    piece, numbers = group[0]
    if not numbers:
        return Term(slot, piece.axes)
    first, *inner = [*piece.modules, Modules()]
    layers = sorted({each[0] for _, each in group})
    seconds = len(group) // len(layers)
    copies = _known(inner[0].count if inner else None, seconds) if numbers[1:] else ONE
    return Term(slot, piece.axes, _layers(layers, first), copies)


def _layers(indices: list[int], modules: Modules) -> Layers:
    if modules.count is not None and modules.count.value == len(indices):
        return Layers(tuple(indices), modules.count, modules.where)
    text = f"i in {indices}" if len(indices) > 1 else f"i == {indices[0]}"
    return Layers(tuple(indices), Size.of(len(indices)), text)


def _known(count: Size | None, number: int) -> Size:
    return count if count is not None and count.value == number else Size.of(number)


class _Slots:
    """The slot of each template; two templates never have the same."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._slots: dict[str, Slot] = {}

    def of(self, template: str, kind: Kind) -> Slot:
        """The slot of a template."""
        if template not in self._slots:
            role = naming.role(template)
            parts = (naming.part(template.removeprefix(self._prefix)), naming.part(template), template)
            slots = (Slot(role, part, kind) for part in parts)
            self._slots[template] = next(slot for slot in slots if slot not in self._slots.values())
        return self._slots[template]

    def table(self) -> NameTable:
        """The names; those of the bare model may lack its prefix, unless that makes them the names of others."""
        prefix, slots = self._prefix, self._slots
        inside: dict[str, Entry] = {
            name.removeprefix(prefix): slot for name, slot in slots.items() if prefix and name.startswith(prefix)
        }
        outside: dict[str, Entry] = {
            name: slot for name, slot in slots.items() if not (prefix and name.startswith(prefix))
        }
        if not inside or not inside.keys().isdisjoint(outside):
            return NameTable(dict(slots))
        return NameTable(inside, outside, (prefix,))
