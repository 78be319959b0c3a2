"""Numbers and words of a configuration that remember where they came from.

A `SymbolicInt` is an `int`: every check of transformers accepts it, and it behaves as its value. Beside the value it
carries a sympy expression over symbols that are named by config path, and arithmetic keeps both. Comparisons are
told to the `Recorder`, which is what later says where the formula holds.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Self

import sympy

from verify.derive.tracing.private import FloorDiv, PythonMod, SymInt
from verify.derive.tracing.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

_FLOAT_DIGITS = 17
#: Integers up to here are exact as floats.
_EXACT = 2**53
#: The largest denominator that is printed.
_PLAINEST = 64


def symbol(name: str, value: float) -> sympy.Symbol:
    """The sympy symbol of a config path, with what its value says about it."""
    if isinstance(value, float):
        return sympy.Symbol(name, real=True, positive=True if value > 0 else None)
    if value > 0:
        return sympy.Symbol(name, integer=True, positive=True)
    return sympy.Symbol(name, integer=True, nonnegative=True if value == 0 else None)


def plain(value: Any) -> Any:
    """The value without its expression; lists, tuples and dictionaries item by item."""
    if isinstance(value, (SymbolicInt, SymbolicFloat, SymbolicStr)):
        return value.plain
    if isinstance(value, list):
        return [plain(item) for item in list.__iter__(value)]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(plain(item) for item in tuple.__iter__(value))
    return {plain(key): plain(item) for key, item in value.items()} if type(value) is dict else value


def expression(value: Any) -> sympy.Expr:
    """The expression of a number or word."""
    if isinstance(value, (SymbolicInt, SymbolicFloat, SymbolicStr)):
        return value.expr
    if isinstance(value, SymInt):
        return value.node.expr
    if isinstance(value, str):
        return sympy.Symbol(repr(value))
    return _float(value) if isinstance(value, float) else sympy.Integer(int(value))


def _float(value: float) -> sympy.Expr:
    """A number of the source: 1.5 and 2.25 read better as fractions."""
    if not math.isfinite(value):
        return sympy.oo if value > 0 else -sympy.oo
    numerator, denominator = value.as_integer_ratio()
    if abs(numerator) < _EXACT and denominator <= _PLAINEST:
        return sympy.Rational(numerator, denominator)
    return sympy.Float(value, _FLOAT_DIGITS)


def number(value: Any, expr: sympy.Expr) -> Any:
    """A symbolic number of a value, or the plain value when the expression is a number too."""
    if not expr.free_symbols:
        return value
    return SymbolicFloat(value, expr) if isinstance(value, float) else SymbolicInt(value, expr)


def from_torch(value: Any) -> Any:
    """A `torch.SymInt` as a `SymbolicInt`.

    One without a hint, as torch makes them for sizes of a length that is no constant, gets the traced value.
    """
    expr, found = value.node.expr, value.node.hint
    if found is None and Recorder.current:
        known = sympy.sympify(expr.xreplace(Recorder.current.values))
        found = known if known.is_Integer else None
    return number(int(found), expr) if found is not None else value


def is_symbolic(value: Any) -> bool:
    """Whether it carries an expression."""
    return isinstance(value, (SymbolicInt, SymbolicFloat))


def _rounded_down(expr: sympy.Expr) -> sympy.Expr:
    """`int(8 * hidden_size / 3)` as `8*hidden_size//3`."""
    top, bottom = sympy.fraction(sympy.together(expr))
    whole = top.is_integer and bottom.is_integer and bottom != 1
    return FloorDiv(top, bottom) if whole else sympy.floor(expr)


def _floor_divide(left: sympy.Expr, right: sympy.Expr, *, floats: bool) -> sympy.Expr:
    return sympy.floor(left / right) if floats else FloorDiv(left, right)


def _modulo(left: sympy.Expr, right: sympy.Expr, *, floats: bool) -> sympy.Expr:
    return left - right * sympy.floor(left / right) if floats else PythonMod(left, right)


_OPERATIONS: dict[str, tuple[Callable[[Any, Any], Any], Callable[..., sympy.Expr]]] = {
    "add": (operator.add, lambda left, right, **_: left + right),
    "sub": (operator.sub, lambda left, right, **_: left - right),
    "mul": (operator.mul, lambda left, right, **_: left * right),
    "truediv": (operator.truediv, lambda left, right, **_: left / right),
    "floordiv": (operator.floordiv, _floor_divide),
    "mod": (operator.mod, _modulo),
    "pow": (operator.pow, lambda left, right, **_: left**right),
}

_COMPARISONS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "__lt__": ("<", operator.lt), "__le__": ("<=", operator.le), "__gt__": (">", operator.gt),
    "__ge__": (">=", operator.ge), "__eq__": ("==", operator.eq), "__ne__": ("!=", operator.ne),
}  # fmt: skip


def _operation(apply: Callable[[Any, Any], Any], combine: Callable[..., sympy.Expr], *, swapped: bool) -> Any:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, SymInt):
            other = from_torch(other)
        if not isinstance(other, (int, float)):
            return NotImplemented
        left, right = (other, self) if swapped else (self, other)
        value = apply(plain(left), plain(right))
        if not isinstance(value, (int, float)):
            return value
        floats = isinstance(left, float) or isinstance(right, float)
        return number(value, combine(expression(left), expression(right), floats=floats))

    return method


def _comparison(sign: str, compare: Callable[[Any, Any], bool], kinds: tuple[type, ...]) -> Any:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, SymInt):
            other = from_torch(other)
        if not isinstance(other, kinds):
            return NotImplemented
        outcome = compare(plain(self), plain(other))
        if other is not self and Recorder.current:
            Recorder.current.compared(sign, expression(self), expression(other), outcome=outcome)
        return outcome

    return method


class SymbolicInt(int):
    """An integer and the expression that it came from."""

    expr: sympy.Expr

    def __new__(cls, value: int, expr: sympy.Expr) -> Self:
        """The value, and the expression beside it."""
        self = int.__new__(cls, value)
        self.expr = expr
        return self

    __hash__ = int.__hash__

    @property
    def plain(self) -> int:
        """The value without its expression."""
        return int.__int__(self)

    def __bool__(self) -> bool:
        outcome = int.__bool__(self)
        if Recorder.current:
            Recorder.current.compared("!=", self.expr, sympy.Integer(0), outcome=outcome)
        return outcome

    def __int__(self) -> int:
        _concretised("int()", self)
        return int.__int__(self)

    def __float__(self) -> float:
        _concretised("float()", self)
        return int.__float__(self)

    def __neg__(self) -> Any:
        return number(-plain(self), -self.expr)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if int.__int__(self) >= 0 else -self

    def __round__(self, digits: Any = None) -> Any:
        return self

    __trunc__ = __floor__ = __ceil__ = __pos__

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        return int, (int.__int__(self),)

    def __str__(self) -> str:
        return int.__repr__(self)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(int.__int__(self), spec)

    @property
    def real(self) -> Any:
        """Itself."""
        return self


class SymbolicFloat(float):
    """A float and the expression that it came from."""

    expr: sympy.Expr

    def __new__(cls, value: float, expr: sympy.Expr) -> Self:
        """The value, and the expression beside it."""
        self = float.__new__(cls, value)
        self.expr = expr
        return self

    __hash__ = float.__hash__

    @property
    def plain(self) -> float:
        """The value without its expression."""
        return float.__float__(self)

    def __bool__(self) -> bool:
        outcome = float.__bool__(self)
        if Recorder.current:
            Recorder.current.compared("!=", self.expr, sympy.Integer(0), outcome=outcome)
        return outcome

    def __int__(self) -> int:
        _concretised("int()", self)
        return int(float.__float__(self))

    def __neg__(self) -> Any:
        return number(-plain(self), -self.expr)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if float.__float__(self) >= 0 else -self

    def __round__(self, digits: Any = None) -> Any:
        if digits is not None:
            _concretised("round()", self)
            return round(float.__float__(self), digits)
        return number(round(float.__float__(self)), sympy.Function("round")(self.expr))

    def __trunc__(self) -> Any:
        value = math.trunc(float.__float__(self))
        return number(value, _rounded_down(self.expr) if value >= 0 else sympy.ceiling(self.expr))

    def __floor__(self) -> Any:
        return number(math.floor(float.__float__(self)), _rounded_down(self.expr))

    def __ceil__(self) -> Any:
        return number(math.ceil(float.__float__(self)), sympy.ceiling(self.expr))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        return float, (float.__float__(self),)

    def __str__(self) -> str:
        return float.__repr__(self)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(float.__float__(self), spec)

    def is_integer(self) -> bool:
        """Whether it has no fraction, which a formula cannot say."""
        return float.is_integer(float.__float__(self))


class SymbolicStr(str):
    """An entry of a list of strings, such as `layer_types[i]`."""

    __slots__ = ("expr",)
    expr: sympy.Expr

    def __new__(cls, value: str, expr: sympy.Expr) -> Self:
        """The value, and the expression beside it."""
        self = str.__new__(cls, value)
        self.expr = expr
        return self

    __hash__ = str.__hash__

    @property
    def plain(self) -> str:
        """The value without its expression."""
        return str.__str__(self)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        return str, (str.__str__(self),)


for _kind, _others in (
    (SymbolicInt, (int, float)),
    (SymbolicFloat, (int, float)),
    (SymbolicStr, (str,)),
):
    for _name, (_sign, _compare) in _COMPARISONS.items():
        setattr(_kind, _name, _comparison(_sign, _compare, _others))
for _kind in (SymbolicInt, SymbolicFloat):
    for _name, (_apply, _combine) in _OPERATIONS.items():
        setattr(_kind, f"__{_name}__", _operation(_apply, _combine, swapped=False))
        setattr(_kind, f"__r{_name}__", _operation(_apply, _combine, swapped=True))


def _concretised(what: str, value: Any) -> None:
    if Recorder.current:
        Recorder.current.concretise(what, value.expr)
