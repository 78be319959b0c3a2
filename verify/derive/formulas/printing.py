"""Expressions of sympy and of torch's symbolic shapes as text in the syntax of `verify.derive.formulas.expressions`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

_FLOORS = ("FloorDiv", "CleanDiv")
_SIGNS = {
    "FloorDiv": "//", "CleanDiv": "//", "PythonMod": " % ", "Mod": " % ", "IntTrueDiv": "/", "FloatTrueDiv": "/",
    "PowByNatural": "**", "FloatPow": "**",
}  # fmt: skip
#: Functions that only change the type of a number.
_SAME = ("ToFloat", "Identity", "RoundToInt")
_CALLS = {
    "ceiling": "ceil", "CeilToInt": "ceil", "floor": "floor", "FloorToInt": "floor", "TruncToInt": "trunc",
    "TruncToFloat": "trunc", "Max": "max", "Min": "min", "Abs": "abs", "log": "log", "log2": "log2", "round": "round",
    "OpaqueUnaryFn_sqrt": "sqrt", "OpaqueUnaryFn_log2": "log2", "OpaqueUnaryFn_exp": "exp", "gcd": "gcd", "exp": "exp",
}  # fmt: skip


#: Classes for which sympy has a name of its own, which its printer looks for before that of their base.
_NAMED = ("ceiling", "floor", "Max", "Min", "Abs", "log")


#: How the names of counts start; a factor without is a size.
_COUNTS = ("num_", "n_", "(")


def _is_divisor(factor: Any) -> bool:
    return bool(factor.is_Pow and factor.exp.could_extract_minus_sign())


class _Printer(StrPrinter):  # type: ignore[misc]
    """The printer; a function that it does not know is printed as a call, which no expression may hold."""

    printmethod = "_none_"  # torch's own words for its functions are in another syntax

    def parenthesize(self, item: Any, level: int, strict: bool = False) -> str:  # noqa: FBT001, FBT002
        """The text of a part, in parentheses where the operators of Python need them."""
        name = type(item).__name__
        if name in _SIGNS or name == "ModularIndexing":
            return f"({self._print(item)})" if level >= PRECEDENCE["Mul"] else str(self._print(item))
        return str(super().parenthesize(item, level, strict))

    def _print_Function(self, expr: Any) -> str:  # noqa: N802 - names that sympy calls
        name = type(expr).__name__
        if name in _SIGNS:
            return (self._rounded_up(expr) if name in _FLOORS else "") or self._infix(expr, _SIGNS[name])
        if name == "Slice":
            return self._slice(expr)
        if name in _SAME:
            return str(self._print(expr.args[0]))
        return f"{_CALLS.get(name, name)}({', '.join(str(self._print(part)) for part in expr.args)})"

    def _print_ModularIndexing(self, expr: Any) -> str:  # noqa: N802
        base, divisor, modulus = (self.parenthesize(part, PRECEDENCE["Pow"]) for part in expr.args)
        return f"({base}//{divisor}) % {modulus}"

    def _print_CeilDiv(self, expr: Any) -> str:  # noqa: N802
        return f"ceil({self._infix(expr, '/')})"

    def _print_Where(self, expr: Any) -> str:  # noqa: N802
        test, then, otherwise = (self._print(part) for part in expr.args)
        return f"({then} if {test} else {otherwise})"

    def _slice(self, expr: Any) -> str:
        entries, *ends = (self._print(part) for part in expr.args)
        return f"{entries}[{':'.join('' if end == 'None' else end for end in ends)}]"

    def _infix(self, expr: Any, sign: str) -> str:
        return sign.join(self.parenthesize(part, PRECEDENCE["Pow"]) for part in expr.args)

    def _rounded_up(self, expr: Any) -> str:
        """`ceil(a/b)` for `(a + b - 1)//b`."""
        top, bottom = expr.args
        rest = sympy.expand(top - bottom + 1)
        if bottom.is_number or rest.is_number or rest.could_extract_minus_sign() or rest.count_ops() >= top.count_ops():
            return ""
        over = self.parenthesize(rest, PRECEDENCE["Mul"])
        return f"ceil({over}/{self.parenthesize(bottom, PRECEDENCE['Pow'])})"

    def _print_Mul(self, expr: Any) -> str:  # noqa: N802
        """Counts before sizes, as in `num_key_value_heads*head_dim`."""
        coefficient, factors = expr.as_coeff_mul()
        if not (coefficient.is_Integer and coefficient > 0) or any(_is_divisor(factor) for factor in factors):
            return str(super()._print_Mul(expr))
        words = sorted((not self._print(factor).startswith(_COUNTS), self._print(factor), factor) for factor in factors)
        parts = [self.parenthesize(factor, PRECEDENCE["Mul"]) for *_, factor in words]
        return "*".join(parts if coefficient == 1 else [str(coefficient), *parts])

    def _print_Float(self, expr: Any) -> str:  # noqa: N802
        return repr(float(expr))

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:  # noqa: FBT001, FBT002, N802
        if expr.exp == sympy.Rational(1, 2):
            return f"sqrt({self._print(expr.base)})"
        return str(super()._print_Pow(expr, rational))


for _name in _NAMED:
    setattr(_Printer, f"_print_{_name}", _Printer._print_Function)  # noqa: SLF001 - the protocol of sympy's printers
_PRINTER = _Printer({"order": None})


@lru_cache(maxsize=16_384)
def text(expr: Any) -> str:
    """The expression in the syntax of Python, with the signs `//` and `%` and the functions `min`, `max`, `ceil`."""
    return str(_PRINTER.doprint(expr))
