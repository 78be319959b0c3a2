"""Polynomials over config values: expressions multiplied out, then collected again for a reader.

What is no sum or product of config values (`hidden_size//num_attention_heads`, `ceil(vocab_size/64)`) is an atom like
a config value itself, by its text.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import gcd, prod
from typing import TYPE_CHECKING, TypeAlias

from verify.derive.formulas.expressions import Expression, Scope, Values

if TYPE_CHECKING:
    from verify.derive.formulas.notation import Notation

#: The factors of a product in the order of their names; a power stands as often as it is high.
Monomial: TypeAlias = tuple[str, ...]
Polynomial: TypeAlias = Mapping[Monomial, int]
#: Where each atom stands in a product.
Rank: TypeAlias = Mapping[str, tuple[bool, int, int]]

#: The highest power that is multiplied out.
_HIGHEST = 8
#: The most products that an expression is multiplied out to; a longer one stays as it is.
_MOST = 64
#: How the names of counts end; a factor without is a size and comes after them.
_COUNTS = frozenset({"heads", "head", "layers", "layer", "experts", "groups", "blocks"})

ONE: Polynomial = {(): 1}


@dataclass(frozen=True, slots=True)
class Product:
    """A number, atoms, and a sum, multiplied.

    Attributes:
        number: The number.
        atoms: The atoms in the order they are printed in.
        inner: The addends of the sum; none where there is no sum.
    """

    number: int
    atoms: Monomial
    inner: tuple[Product, ...] = ()


@lru_cache(maxsize=4096)
def parse(expression: str) -> Polynomial:
    """The polynomial of an expression."""
    return _of(ast.parse(expression, mode="eval").body, expression)


def add(left: Polynomial, right: Polynomial, times: int = 1) -> Polynomial:
    """`left + times*right`, in the order of the first appearance."""
    total = dict(left)
    for monomial, number in right.items():
        total[monomial] = total.get(monomial, 0) + times * number
    return {monomial: number for monomial, number in total.items() if number}


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    """`left*right`."""
    total: dict[Monomial, int] = {}
    for one, number in left.items():
        for other, factor in right.items():
            monomial = tuple(sorted(one + other))
            total[monomial] = total.get(monomial, 0) + number * factor
    return {monomial: number for monomial, number in total.items() if number}


def product(expressions: Iterable[str]) -> Polynomial:
    """The product of expressions; of none it is 1."""
    return reduce(multiply, map(parse, expressions), ONE)


def value(polynomial: Polynomial, values: Values, scope: Scope | None = None) -> int:
    """The number that it is at a configuration.

    Raises:
        DeriveError: An atom has no value there.
    """
    known = {atom: Expression(atom)(values, scope) for monomial in polynomial for atom in monomial}
    return int(sum(number * prod(known[atom] for atom in monomial) for monomial, number in polynomial.items()))


def ranked(polynomials: Iterable[Polynomial], order: Iterable[str] = ()) -> Rank:
    """How atoms are ordered in a product: counts first, then the rarer before the more frequent.

    Args:
        polynomials: All that is printed together.
        order: The atoms in the order they are met in.
    """
    frequent = Counter(dict.fromkeys(order, 0))
    for polynomial in polynomials:
        frequent.update(atom for monomial in polynomial for atom in dict.fromkeys(monomial))
    return {
        atom: (atom.rpartition("_")[2] not in _COUNTS, times, at) for at, (atom, times) in enumerate(frequent.items())
    }


def expanded(polynomial: Polynomial, rank: Rank) -> tuple[Product, ...]:
    """The sum as it is."""
    return tuple(Product(number, _ordered(monomial, rank)) for monomial, number in polynomial.items())


def collected(polynomial: Polynomial, rank: Rank) -> tuple[Product, ...]:
    """The sum with what addends have in common outside brackets, the most frequent factor first."""
    left, found = dict(polynomial), []
    while left:
        frequent = Counter(atom for monomial in left for atom in dict.fromkeys(monomial))
        atom, times = max(frequent.items(), key=lambda item: item[1], default=("", 0))
        first = next(iter(left))
        if times < 2:  # noqa: PLR2004 - nothing is shared
            found += [Product(number, _ordered(monomial, rank)) for monomial, number in left.items()]
            break
        # What stands before the first shared addend keeps its place.
        if atom in first:
            shared = {monomial: number for monomial, number in left.items() if atom in monomial}
            found.append(_factored(shared, rank))
        else:
            shared = {first: left[first]}
            found.append(Product(left[first], _ordered(first, rank)))
        left = {monomial: number for monomial, number in left.items() if monomial not in shared}
    return tuple(sorted(found, key=lambda one: not one.atoms))  # a number comes last


def written(products: Iterable[Product], notation: Notation) -> str:
    """The sum in a notation."""
    return joined(((one.number, factors(one, notation)) for one in products), notation)


def joined(addends: Iterable[tuple[int, Sequence[str]]], notation: Notation) -> str:
    """Numbers times factors, added.

    Args:
        addends: The number of each, and its factors as they are written.
        notation: How they are written.
    """
    found = ""
    for number, parts in addends:
        shown = notation.product(parts if abs(number) == 1 and parts else [str(abs(number)), *parts])
        sign = "-" if number < 0 else "+"
        found += f" {sign} {shown}" if found else f"{'-' if number < 0 else ''}{shown}"
    return found or "0"


def factors(one: Product, notation: Notation) -> list[str]:
    """What stands behind the number of a product."""
    powers = ((notation.atom(atom), power) for atom, power in Counter(one.atoms).items())
    found = [atom if power == 1 else notation.power(atom, power) for atom, power in powers]
    return [*found, notation.brackets(written(one.inner, notation))] if one.inner else found


def _of(node: ast.expr, source: str) -> Polynomial:
    found: Polynomial | None = None
    if isinstance(node, ast.Constant) and type(node.value) is int:
        found = {(): node.value} if node.value else {}
    elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
        found = {(_segment(node, source),): 1}
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found = add({}, _of(node.operand, source), -1)
    elif isinstance(node, ast.BinOp):
        found = _binary(node, source)
    return {(f"({_segment(node, source)})",): 1} if found is None else found


def _binary(node: ast.BinOp, source: str) -> Polynomial | None:
    left = _of(node.left, source)
    if isinstance(node.op, ast.Pow):
        power = node.right.value if isinstance(node.right, ast.Constant) else None
        small = isinstance(power, int) and 0 < power <= _HIGHEST and len(left) == 1
        return reduce(multiply, [left] * power, ONE) if small and isinstance(power, int) else None
    if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
        return None
    right = _of(node.right, source)
    if isinstance(node.op, ast.Mult):
        return multiply(left, right) if len(left) * len(right) <= _MOST else None
    return add(left, right, 1 if isinstance(node.op, ast.Add) else -1)


def _segment(node: ast.expr, source: str) -> str:
    return ast.get_source_segment(source, node) or ast.unparse(node)


def _factored(polynomial: Polynomial, rank: Rank) -> Product:
    """Several addends that share a factor, with all that they share before the brackets."""
    shared = reduce(lambda left, right: left & right, (Counter(monomial) for monomial in polynomial))
    number = gcd(*polynomial.values())
    if all(each < 0 for each in polynomial.values()):
        number = -number
    inner = {
        tuple(sorted((Counter(monomial) - shared).elements())): each // number for monomial, each in polynomial.items()
    }
    return Product(number, _ordered(tuple(shared.elements()), rank), collected(inner, rank))


def _ordered(monomial: Monomial, rank: Rank) -> Monomial:
    return tuple(sorted(monomial, key=lambda atom: rank[atom]))
