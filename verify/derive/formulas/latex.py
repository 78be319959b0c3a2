"""Expressions as LaTeX, with the usual letters of the literature for the usual config names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from verify.derive.formulas.expressions import INDICES
from verify.symbols import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable

#: The names of indices beside letters that stand for config values: `k` is taken.
_INDICES = dict(zip(INDICES, ("i", "j", "r", "s", "t", "u"), strict=True))
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "", ast.Mod: r"\bmod",
    ast.Eq: "=", ast.NotEq: r"\neq", ast.Lt: "<", ast.LtE: r"\leq", ast.Gt: ">", ast.GtE: r"\geq",
    ast.In: r"\in", ast.NotIn: r"\notin", ast.Is: "=", ast.IsNot: r"\neq",
}  # fmt: skip
_FLOOR = (r"\left\lfloor ", r" \right\rfloor")
_AROUND = {
    "ceil": (r"\left\lceil ", r" \right\rceil"), "floor": _FLOOR, "trunc": _FLOOR, "float": ("", ""),
    "len": (r"\left|", r"\right|"), "abs": (r"\left|", r"\right|"), "sqrt": (r"\sqrt{", "}"),
}  # fmt: skip
_ESCAPES = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_NAMED = ("min", "max", "log", "exp", "gcd")

#: How tightly a piece of LaTeX holds together.
_LOGIC, _COMPARED, _SUM, _PRODUCT, _ATOM = range(5)


def latex(expression: str) -> str:
    """An expression as LaTeX."""
    return _inside(ast.parse(expression, mode="eval").body)


def factor(expression: str) -> str:
    """An expression as it stands in a product."""
    return _held(ast.parse(expression, mode="eval").body, _ATOM)


def escaped(text: str) -> str:
    """Text in which no character means anything to LaTeX."""
    return "".join(_ESCAPES.get(each, rf"\{each}" if each in "_#%&${}" else each) for each in text)


def _latex(node: ast.expr) -> tuple[str, int]:
    """The LaTeX of a node, and how tightly it holds together."""
    maker = _MAKERS.get(type(node))
    return maker(node) if maker else (rf"\text{{{escaped(ast.unparse(node))}}}", _ATOM)


def _inside(node: ast.expr) -> str:
    return _latex(node)[0]


def _held(node: ast.expr, level: int) -> str:
    """The LaTeX of a part, in brackets where it would fall apart."""
    found, own = _latex(node)
    return found if own >= level else rf"\left({found}\right)"


def _constant(node: ast.Constant) -> tuple[str, int]:
    value = node.value
    if isinstance(value, str):
        return rf"\texttt{{{escaped(value)}}}", _ATOM
    return (rf"\text{{{value}}}" if value is None or isinstance(value, bool) else repr(value)), _ATOM


def _name(node: ast.Name | ast.Attribute) -> tuple[str, int]:
    """A config value: a letter where the literature has one, with the part of the configuration as its index."""
    path = ast.unparse(node)
    if path in _INDICES:
        return _INDICES[path], _ATOM
    *sections, name = path.split(".")
    shown = LETTERS.get(name, rf"\text{{{escaped(name)}}}")
    part = ", ".join(section.removesuffix("_config") for section in sections)
    return (rf"{shown}_{{\text{{{escaped(part)}}}}}" if part else shown), _ATOM


def _subscript(node: ast.Subscript) -> tuple[str, int]:
    return f"{{{_inside(node.value)}}}_{{{_inside(node.slice)}}}", _ATOM


def _binary(node: ast.BinOp) -> tuple[str, int]:
    if isinstance(node.op, ast.Div | ast.FloorDiv):
        over = rf"\frac{{{_inside(node.left)}}}{{{_inside(node.right)}}}"
        return (over if isinstance(node.op, ast.Div) else over.join(_FLOOR)), _ATOM
    if isinstance(node.op, ast.Pow):
        return f"{{{_held(node.left, _ATOM)}}}^{{{_inside(node.right)}}}", _ATOM
    level = _SUM if isinstance(node.op, ast.Add | ast.Sub) else _PRODUCT
    left = _held(node.left, level)
    right = _held(node.right, level if isinstance(node.op, ast.Add | ast.Mult) else level + 1)
    sign = r"\cdot" if isinstance(node.op, ast.Mult) and right[0].isdigit() else _SIGNS.get(type(node.op), "?")
    return " ".join(filter(None, (left, sign, right))), level


def _unary(node: ast.UnaryOp) -> tuple[str, int]:
    if isinstance(node.op, ast.Not):
        return rf"\neg {_held(node.operand, _ATOM)}", _COMPARED
    return f"{'-' if isinstance(node.op, ast.USub) else ''}{_held(node.operand, _PRODUCT)}", _SUM


def _compare(node: ast.Compare) -> tuple[str, int]:
    pairs = zip(node.ops, node.comparators, strict=True)
    signs = [f"{_SIGNS[type(sign)]} {_held(side, _SUM)}" for sign, side in pairs]
    return " ".join([_held(node.left, _SUM), *signs]), _COMPARED


def _boolean(node: ast.BoolOp) -> tuple[str, int]:
    join = r" \land " if isinstance(node.op, ast.And) else r" \lor "
    return join.join(_held(each, _COMPARED) for each in node.values), _LOGIC


def _call(node: ast.Call) -> tuple[str, int]:
    arguments = [_inside(each) for each in node.args]
    if isinstance(node.func, ast.Attribute):
        return _among(node.func, arguments[0]), _ATOM
    name = ast.unparse(node.func)
    if name in _AROUND:
        before, after = _AROUND[name]
        return f"{before}{', '.join(arguments)}{after}", _ATOM
    word = f"\\{name}" if name in _NAMED else rf"\operatorname{{{escaped(name)}}}"
    return rf"{word}\left({', '.join(arguments)}\right)", _ATOM


def _among(method: ast.Attribute, item: str) -> str:
    """`layer_types.count("mamba")`, `layer_types[:i].count("mamba")` or `layer_types.index("mamba")`."""
    entries, index, within = method.value, "i", ""
    if isinstance(entries, ast.Subscript) and isinstance(entries.slice, ast.Slice):
        lower, upper, entries, index = entries.slice.lower, entries.slice.upper, entries.value, "q"
        start, end = _inside(lower) + r" \leq " if lower else "", f" < {_inside(upper)}" if upper else ""
        within = f"{start}q{end}"
    what = rf"\#\{{{within or index}"
    if method.attr == "index":
        what, index = rf"\min\{{{within or 'q'}", "q"
    return rf"{what} : {{{_inside(entries)}}}_{{{index}}} = {item}\}}"


def _choice(node: ast.IfExp) -> tuple[str, int]:
    then, test, other = map(_inside, (node.body, node.test, node.orelse))
    return rf"\begin{{cases}}{then} & {test} \\ {other}\end{{cases}}", _ATOM


def _sequence(node: ast.Tuple | ast.List) -> tuple[str, int]:
    return rf"\{{{', '.join(map(_inside, node.elts))}\}}", _ATOM


_MAKERS: dict[type[ast.AST], Callable[[Any], tuple[str, int]]] = {
    ast.Constant: _constant, ast.Name: _name, ast.Attribute: _name, ast.Subscript: _subscript, ast.BinOp: _binary,
    ast.UnaryOp: _unary, ast.Compare: _compare, ast.BoolOp: _boolean, ast.Call: _call, ast.IfExp: _choice,
    ast.Tuple: _sequence, ast.List: _sequence,
}  # fmt: skip
