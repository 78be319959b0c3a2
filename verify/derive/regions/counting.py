"""How many indices fulfil a predicate, in closed form where there is one."""

from __future__ import annotations

import ast

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression, Values


def count(where: str, index: str, stop: str, values: Values, number: int) -> str:
    """A closed form for the number of `index < stop` that fulfil a condition.

    `i >= first_k_dense_replace` gives `num_hidden_layers - first_k_dense_replace`, `layer_types[i] == "mamba"`
    gives `layer_types.count("mamba")`, `i % period == offset` gives `ceil((n - offset)/period)`.

    Args:
        where: The condition.
        index: The name of the index.
        stop: How many indices there are.
        values: A configuration to test the form at.
        number: How many fulfil it there.

    Returns:
        The form, or "" where none is known that gives that number.
    """
    try:
        tree = ast.parse(where, mode="eval").body
    except SyntaxError:
        return ""
    form = _form(tree, index, _atomic(stop)) if isinstance(tree, ast.Compare) and len(tree.ops) == 1 else ""
    try:
        return form if form and Expression(form).integer(values) == number else ""
    except DeriveError:
        return ""


def _form(tree: ast.Compare, index: str, stop: str) -> str:
    sign, left, right = type(tree.ops[0]), tree.left, tree.comparators[0]
    other = ast.unparse(right)
    if index in {node.id for node in ast.walk(right) if isinstance(node, ast.Name)}:
        return ""
    if isinstance(left, ast.Name):
        return _threshold(sign, other, stop, constant=isinstance(right, ast.Constant | ast.Tuple))
    if isinstance(left, ast.Subscript) and ast.unparse(left.slice) == index:
        hits = f"{ast.unparse(left.value)}.count({other})"
        return hits if sign is ast.Eq else f"{stop} - {hits}" if sign is ast.NotEq else ""
    if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mod) and sign in (ast.Eq, ast.NotEq):
        hits = _period(left, index, other, stop)
        return hits if sign is ast.Eq or not hits else f"{stop} - {hits}"
    return ""


def _threshold(sign: type[ast.cmpop], bound: str, stop: str, *, constant: bool) -> str:
    """Modules on one side of a bound; one beyond the last module has all of them on that side."""
    if sign is ast.In:
        return str(bound.count(",") + (not bound.endswith(",)"))) if constant else f"len({bound})"
    first, then = (_held(each, stop) for each in (bound, f"{bound} + 1"))
    return {
        ast.Lt: first, ast.GtE: f"{stop} - {first}", ast.LtE: then, ast.Gt: f"{stop} - {then}",
        ast.Eq: "1", ast.NotEq: f"{stop} - 1", ast.NotIn: f"{stop} - len({bound})",
    }.get(sign, "")  # fmt: skip


def _held(bound: str, stop: str) -> str:
    """The bound, or the number of modules where that is less; every list of modules has one."""
    return {"0": "0", "1": "1", "0 + 1": "1"}.get(bound) or f"min({bound}, {stop})"


def _period(left: ast.BinOp, index: str, offset: str, stop: str) -> str:
    period = _atomic(ast.unparse(left.right))
    start = ast.unparse(left.left)
    if start == index:
        return f"ceil(({stop} - {_atomic(offset)})/{period})" if offset != "0" else f"ceil({stop}/{period})"
    return f"{stop}//{period}" if start in (f"{index} + 1", f"1 + {index}") and offset == "0" else ""


def _atomic(expression: str) -> str:
    return f"({expression})" if {" ", "*", "/"} & set(expression) else expression
