"""Expressions of formulas in sympy, with what is known to hold of the configuration taken into account.

Two formulas that count the same are seldom written the same: `hidden_size//num_attention_heads*num_attention_heads`
is `hidden_size` only where the one divides the other, `ceil(n/16)` is `(n + 15)//16`. Divisions are brought to one
form: what a divisor is known to divide leaves the brackets, what remains stays inside `floor`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.printing import text as words
from verify.derive.tracing.symbols import expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from verify.derive.formulas.expressions import Values
    from verify.derive.formulas.formula import Condition

_ZERO, _ONE = sympy.Integer(0), sympy.Integer(1)


class Algebra:
    """Reads expressions over the paths of a configuration, on a region where some facts hold."""

    def __init__(self, points: Sequence[Values], facts: Iterable[tuple[str, str]] = ()) -> None:
        """Start with what holds.

        Args:
            points: The flat values of configurations of the region.
            facts: Pairs of expressions that are equal: `("hidden_size % num_attention_heads", "0")`.
        """
        self._points = points
        self._symbols: dict[str, sympy.Symbol] = {}
        self._same: dict[sympy.Expr, sympy.Expr] = {}
        self._multiples: list[tuple[sympy.Expr, sympy.Expr]] = []
        self._known: dict[str, sympy.Expr] = {}
        for left, right in facts:
            self._learn(left, right)

    def read(self, text: str, indices: Mapping[str, int] | None = None) -> sympy.Expr:
        """The expression of a text.

        Args:
            text: It, in the syntax of `verify.derive.formulas.expressions`.
            indices: Numbers that stand for the indices `i`, `j`, … in it.

        Raises:
            DeriveError: The text has no meaning here.
        """
        if indices:
            return self._read(ast.parse(text, mode="eval").body, indices)
        if text not in self._known:
            self._known[text] = self._read(ast.parse(text, mode="eval").body, {})
        return self._known[text]

    def adopt(self, expr: Any) -> sympy.Expr:
        """An expression of a trace, whose symbols are named by path."""
        return self.read(words(expr))

    def named(self, name: str, numbers: Sequence[int]) -> sympy.Expr:
        """What a family calls by a name and has as plain numbers: a value, the length of a list, or a constant.

        Args:
            name: The name; it is only what is tried first.
            numbers: What it is at each configuration.

        Raises:
            DeriveError: It moves, and nothing in the configurations moves with it.
        """
        first = self._points[0]
        lists = [f"len({path})" for path, items in first.items() if isinstance(items, tuple)]
        constant = sympy.Integer(numbers[0]) if len(set(numbers)) == 1 else None
        if constant is not None and name not in first and "layers" not in name and not name.startswith("len("):
            return constant
        for path in (name, *lists):
            if [_read(path, point) for point in self._points] == list(numbers):
                return self.symbol(path)
        if constant is not None:
            return constant
        raise DeriveError(f"{name} is {', '.join(map(str, numbers))}", expected="a value of the configurations")

    def symbol(self, name: str) -> sympy.Expr:
        """The symbol of a path, or of anything else that has a name and is a number."""
        if name not in self._symbols:
            whole = not isinstance(self._points[0].get(name), float)
            self._symbols[name] = sympy.Symbol(name, integer=True if whole else None, positive=True)
        return self._resolved(self._symbols[name])

    def equal(self, left: sympy.Expr, right: sympy.Expr) -> None:
        """Take two expressions for equal from now on, if one of their symbols can be written by the others."""
        expr = sympy.expand(sympy.fraction(sympy.together(self._resolved(left - right)))[0])
        atoms = sorted(expr.atoms(sympy.floor) | expr.free_symbols, key=_eagerness)
        for simple in (True, False):
            for atom in atoms:
                factor, rest = _linear(expr, atom)
                if factor is None or (simple and factor not in (1, -1)) or factor.is_Add:
                    continue
                solved = sympy.expand(-rest / factor)
                self._same = {name: each.xreplace({atom: solved}) for name, each in self._same.items()}
                self._same[atom] = solved
                self._multiples = [(self._resolved(one), self._resolved(other)) for one, other in self._multiples]
                self._known.clear()
                return

    def _resolved(self, expr: sympy.Expr) -> sympy.Expr:
        return expr.xreplace(self._same) if self._same else expr

    def vanishes(self, expr: sympy.Expr) -> bool:
        """Whether an expression is 0 whatever the values."""
        return bool(sympy.expand(sympy.fraction(sympy.together(self._resolved(expr)))[0]) == 0)

    def simplified(self, expr: sympy.Expr) -> sympy.Expr:
        """The expression as it is printed; 0 where it vanishes."""
        return _ZERO if self.vanishes(expr) else sympy.factor(sympy.cancel(expr))

    def _learn(self, left: str, right: str) -> None:
        tree = ast.parse(left, mode="eval").body
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mod) and right == "0":
            self._multiples.append((self._read(tree.left, {}), self._read(tree.right, {})))
            self._known.clear()
        else:
            self.equal(self._read(tree, {}), self.read(right))

    def _read(self, node: ast.AST, at: Mapping[str, int]) -> sympy.Expr:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                found = expression(node.value)
            case ast.Name(id=name):
                found = sympy.Integer(at[name]) if name in at else self.symbol(name)
            case ast.Attribute() | ast.Subscript():
                found = self.symbol(ast.unparse(_Filled(at).visit(node)) if at else ast.unparse(node))
            case ast.BinOp() if type(node.op) in _OPERATIONS:
                found = _OPERATIONS[type(node.op)](self, self._read(node.left, at), self._read(node.right, at))
            case ast.UnaryOp(op=ast.USub()):
                found = -self._read(node.operand, at)
            case ast.Call(func=ast.Name(id="len")) | ast.Call(func=ast.Attribute()):
                found = self.symbol(ast.unparse(node))
            case ast.Call(func=ast.Name(id=name)):
                found = self._call(name, [self._read(argument, at) for argument in node.args])
            case _:
                raise DeriveError(f"{ast.unparse(node)} has no closed form", expected="arithmetic over config names")
        return found

    def _call(self, name: str, arguments: list[sympy.Expr]) -> sympy.Expr:
        if name in ("floor", "trunc"):  # sizes are not negative
            return self.floor(arguments[0])
        if name == "ceil":
            top, bottom = sympy.fraction(sympy.together(arguments[0]))
            whole = _whole(top) and _whole(bottom)
            return self.floor((top + bottom - 1) / bottom) if whole else -self.floor(-arguments[0])
        function = _FUNCTIONS.get(name) or sympy.Function(name, integer=True if name in _WHOLE else None)
        return function(*arguments)

    def floor(self, ratio: sympy.Expr) -> sympy.Expr:
        """The integer part of a ratio of sizes, in one form for all ways to write it."""
        top, bottom = sympy.fraction(sympy.together(ratio))
        if not _whole(top) or not _whole(bottom):
            return sympy.floor(sympy.expand(ratio))
        outside, inside = _ZERO, _ZERO
        for term in sympy.Add.make_args(sympy.expand(top)):
            number, rest = term.as_coeff_Mul()
            if self._divides(bottom, term):
                outside += sympy.cancel(term / bottom)
            elif bottom.is_Integer and rest.is_integer:
                outside += number // bottom * rest
                inside += number % bottom * rest
            else:
                inside += term
        if inside in (0, -1):  # -1 over a size rounds down to -1
            return sympy.expand(outside + inside)
        return sympy.expand(outside) + sympy.floor(inside / bottom)

    def _divides(self, bottom: sympy.Expr, term: sympy.Expr) -> bool:
        """Whether a term is known to be a multiple of a divisor."""
        if _polynomial(term / bottom):
            return True
        return any(_polynomial(term / multiple) and _polynomial(of / bottom) for multiple, of in self._multiples)


_OPERATIONS: dict[type[ast.operator], Callable[[Algebra, sympy.Expr, sympy.Expr], sympy.Expr]] = {
    ast.Add: lambda _, left, right: left + right,
    ast.Sub: lambda _, left, right: left - right,
    ast.Mult: lambda _, left, right: sympy.expand(left * right),
    ast.Div: lambda _, left, right: left / right,
    ast.Pow: lambda _, left, right: left**right,
    ast.FloorDiv: lambda algebra, left, right: algebra.floor(left / right),
    ast.Mod: lambda algebra, left, right: left - right * algebra.floor(left / right),
}

_FUNCTIONS: dict[str, Callable[..., sympy.Expr]] = {
    "min": sympy.Min, "max": sympy.Max, "sqrt": sympy.sqrt, "abs": sympy.Abs, "log": sympy.log, "exp": sympy.exp,
    "float": sympy.sympify,
}  # fmt: skip


#: Other functions whose value is an integer.
_WHOLE = ("round", "gcd")


class _Filled(ast.NodeTransformer):
    """Puts numbers in the place of indices."""

    def __init__(self, at: Mapping[str, int]) -> None:
        self._at = at

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self._at[node.id]) if node.id in self._at else node


def facts(conditions: Iterable[Condition]) -> tuple[tuple[str, str], ...]:
    """The equations among the conditions of a region."""
    found = []
    for each in conditions:
        equal = (each.operator, each.outcome) in (("==", True), ("!=", False))
        if equal and not each.indexed and is_number(each.left.text) and is_number(each.right.text):
            found.append((each.left.text, each.right.text))
    return tuple(found)


def is_number(text: str) -> bool:
    """Whether a side of a comparison is arithmetic, and no switch, word or None."""
    tree = ast.parse(text, mode="eval").body
    if isinstance(tree, ast.Constant):
        return isinstance(tree.value, int | float) and not isinstance(tree.value, bool)
    return not any(isinstance(node, ast.BoolOp | ast.Compare | ast.Tuple | ast.IfExp) for node in ast.walk(tree))


def _read(path: str, values: Values) -> Any:
    """A value, or the length of a list; None where there is no such."""
    try:
        return Expression(path)(values)
    except DeriveError:
        return None


def _eagerness(atom: sympy.Expr) -> tuple[bool, bool, str]:
    """What is written by the others first: what stands for a number of its own, then values."""
    return atom.is_Symbol, "(" not in str(atom), str(atom)


def _linear(expr: sympy.Expr, atom: sympy.Expr) -> tuple[sympy.Expr | None, sympy.Expr]:
    """The factor of an atom and the rest of the sum; None where it is not linear."""
    mark = sympy.Dummy(integer=True, positive=True)
    marked = sympy.expand(expr.xreplace({atom: mark}))
    factor = marked.coeff(mark, 1)
    rest = sympy.expand(marked - factor * mark)
    return (None, rest) if factor == 0 or mark in (factor.free_symbols | rest.free_symbols) else (factor, rest)


def _whole(expr: sympy.Expr) -> bool:
    return bool(expr.is_polynomial(*expr.free_symbols, *expr.atoms(sympy.floor)) and expr.is_integer)


def _polynomial(ratio: sympy.Expr) -> bool:
    """Whether a ratio is a polynomial with whole factors."""
    top, bottom = sympy.fraction(sympy.cancel(ratio))
    return bool(bottom == _ONE and top.is_integer)
