"""Conditions on an index that are ranges of it, so that their ends are worked out once and not for every index."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING

from verify.derive.formulas.expressions import Expression

if TYPE_CHECKING:
    from verify.derive.formulas.expressions import Scope, Values


def chosen(where: str, index: str, stop: int, values: Values, outer: Scope) -> tuple[int, ...] | None:
    """The indices that fulfil a condition.

    Args:
        where: The condition, such as `i >= first_k_dense_replace`, `start <= i < end`, or several joined by `or`.
        index: The name of the index.
        stop: How many indices there are.
        values: The flat values of a configuration.
        outer: The indices to its left by name.

    Returns:
        The indices in order; None where the condition is another, or its ends are no integers.

    Raises:
        DeriveError: An end has no value there.
    """
    found: set[int] = set()
    for low, high in _ranges(where, index):
        first, end = (0 if low is None else low(values, outer)), (stop if high is None else high(values, outer))
        if type(first) is not int or type(end) is not int:
            return None
        found.update(range(max(first, 0), min(end, stop)))
    return tuple(sorted(found)) if _ranges(where, index) else None


_Range = tuple[Expression | None, Expression | None]


@lru_cache(maxsize=8192)
def _ranges(where: str, index: str) -> tuple[_Range, ...]:
    """The ranges that a condition joins, each with its first index and the one after its last; () for others."""
    try:
        tree = ast.parse(where, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.Or) else [tree]
    found = [_range(part, index) for part in parts]
    known = tuple(one for one in found if one is not None)
    return known if len(known) == len(found) else ()


def _range(node: ast.expr, index: str) -> _Range | None:
    if not isinstance(node, ast.Compare):
        return None
    sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
    signs = [type(sign) for sign in node.ops]
    if sum(_mentions(side, index) for side in (node.left, *node.comparators)) != 1 or index not in sides:
        return None
    first, *rest = sides
    if signs == [ast.LtE, ast.Lt] and sides[1] == index:
        return Expression(first), Expression(sides[2])
    if len(signs) != 1 or first != index:
        return None
    (end,) = map(Expression, rest)
    ways = {ast.Lt: (None, end), ast.GtE: (end, None), ast.Eq: (end, Expression(f"{end} + 1"))}
    return ways.get(signs[0])


def _mentions(node: ast.expr, index: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == index for each in ast.walk(node))
