"""Expressions over config paths in the syntax of Python: parsed against a whitelist, evaluated without sympy.

`num_key_value_heads*head_dim`, `ceil(hidden_size/16)`, `layer_types[i] == "sliding_attention"`, `depths[2]`,
`len(depths)`, `text_config.hidden_size`. A path is looked up in the flat *values* of a configuration; `i`, `j`, …
are the indices of the modules that a tensor's name goes through.

Numbers follow the implementation: integers stay exact, `/` of two integers is a `Fraction`, and whatever a float
takes part in is a float, rounded as Python rounds it.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

from verify.derive.errors import DeriveError

#: What an expression may be: a value of the configuration, or what is computed from some.
Values = Mapping[str, Any]
Scope = Mapping[str, int]
Compute = Callable[[Values, Scope], Any]

#: Names of the indices in the order of the `{}` of a pattern.
INDICES = ("i", "j", "k", "l", "m", "n")

#: A longer text is no formula of a model, and a deeper one would end in a RecursionError.
_LONGEST = 4_000
_MOST_BITS = 4_096
_MOST_EXPONENT = 64
_DEEPEST = 60


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    return _whole(Fraction(left) / Fraction(right))


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > _MOST_EXPONENT or (isinstance(base, int) and base.bit_length() * abs(exponent) > _MOST_BITS):
        raise OverflowError("a power of this size")
    if isinstance(base, int) and isinstance(exponent, int) and exponent < 0:
        return _whole(Fraction(base) ** exponent)
    if isinstance(exponent, Fraction):
        return float(base) ** float(exponent)
    return _whole(base**exponent)


def _sqrt(value: Any) -> Any:
    if isinstance(value, int) and value >= 0 and math.isqrt(value) ** 2 == value:
        return math.isqrt(value)
    return math.sqrt(value)


def _whole(value: Any) -> Any:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: _divide,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: _power,
}  # fmt: skip

#: The comparisons by their signs, which is how conditions are kept.
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "in": lambda left, right: left in right, "not in": lambda left, right: left not in right,
    "is": operator.is_, "is not": operator.is_not,
}  # fmt: skip

_COMPARISONS: dict[type[ast.AST], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip

_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
}  # fmt: skip

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min, "max": max, "ceil": math.ceil, "floor": math.floor, "sqrt": _sqrt, "abs": abs, "round": round,
    "log": math.log, "log2": math.log2, "exp": math.exp, "len": len, "trunc": math.trunc, "gcd": math.gcd,
    "float": float,
}  # fmt: skip

#: Methods of lists; the index of what is not there is no index.
_METHODS: dict[str, Callable[[tuple[Any, ...], Any], int]] = {
    "count": tuple.count,
    "index": lambda items, item: items.index(item) if item in items else -1,
}


class Expression:
    """A text in the syntax above, parsed when it is first evaluated.

    Attributes:
        text: The expression.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __call__(self, values: Values, scope: Scope | None = None) -> Any:
        """The value at a configuration.

        Args:
            values: The flat values of a configuration; a list stands under its own path.
            scope: The module indices by name.

        Raises:
            DeriveError: The text is no such expression, or it has no value there.
        """
        compute, _ = _parsed(self.text)
        try:
            return compute(values, scope or {})
        except (ArithmeticError, TypeError, ValueError, LookupError) as error:
            raise DeriveError(
                f"{self.text} has no value here: {_reason(error)}",
                expected="a configuration that has what the formula reads",
                hint="derive the formula for this configuration",
            ) from error

    def integer(self, values: Values, scope: Scope | None = None) -> int:
        """The value, which is a size and so an integer.

        Raises:
            DeriveError: As above, or it is no integer, or negative.
        """
        value = self(values, scope)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise DeriveError(f"{self.text} is {value} here", expected="a size")
        return value

    @property
    def paths(self) -> frozenset[str]:
        """The paths that it reads: `depths` for `depths[i]` and `len(depths)`, `depths[2]` for an entry.

        Raises:
            DeriveError: The text is no such expression.
        """
        return _parsed(self.text)[1]

    @property
    def indices(self) -> frozenset[str]:
        """The names of the indices that it mentions."""
        return self.paths & frozenset(INDICES)


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


@lru_cache(maxsize=8192)
def _parsed(text: str) -> tuple[Compute, frozenset[str]]:
    if len(text) > _LONGEST:
        raise DeriveError(f"an expression of {len(text)} characters", expected=f"at most {_LONGEST}")
    try:
        tree = ast.parse(text, mode="eval").body
        paths: set[str] = set()
        compute = _compile(tree, paths, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DeriveError(
            f"{text[:200]!r} is no expression: {type(error).__name__}",
            expected="config names, numbers, + - * / // % **, min, max, ceil, floor, comparisons",
        ) from error
    return compute, frozenset(paths)


def _compile(node: ast.AST, paths: set[str], depth: int) -> Compute:
    """A closure for one node.

    Raises:
        SyntaxError: The node is not on the whitelist.
    """
    if depth > _DEEPEST:
        raise SyntaxError("too deep")
    maker = _MAKERS.get(type(node))
    if maker is None:
        raise SyntaxError(type(node).__name__)
    return maker(node, paths, depth + 1)


def _constant(node: ast.Constant, _paths: set[str], _depth: int) -> Compute:
    value = node.value
    if not isinstance(value, (int, float, str, bool)) and value is not None:
        raise SyntaxError("constant")
    return lambda _values, _scope: value


def _name(node: ast.Name, paths: set[str], _depth: int) -> Compute:
    name = node.id
    paths.add(name)
    return lambda values, scope: scope[name] if name in scope else _frozen(values[name])


def _attribute(node: ast.Attribute, paths: set[str], _depth: int) -> Compute:
    path = _dotted(node)
    paths.add(path)
    return lambda values, _scope: _frozen(values[path])


def _frozen(value: Any) -> Any:
    """A list as the tuple that it is compared with."""
    return tuple(value) if isinstance(value, list) else value


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return f"{_dotted(node.value)}[{node.slice.value!r}]"
    raise SyntaxError("a path")


def _subscript(node: ast.Subscript, paths: set[str], depth: int) -> Compute:
    if isinstance(node.slice, ast.Constant):
        path, base = _dotted(node), _dotted(node.value)
        paths.add(path)
        index = node.slice.value
        if not isinstance(index, int):
            raise SyntaxError("an index")  # noqa: TRY004 - what stands in a text is no wrong argument
        return lambda values, _scope: values[path] if path in values else values[base][index]
    entries = _compile(node.value, paths, depth)
    if isinstance(node.slice, ast.Slice):
        return _part(entries, node.slice, paths, depth)
    position = _compile(node.slice, paths, depth)
    return lambda values, scope: entries(values, scope)[position(values, scope)]


def _part(entries: Compute, ends: ast.Slice, paths: set[str], depth: int) -> Compute:
    """Some neighbours in a list: `kv_source_layers[i + 1:]`."""
    nothing = ast.Constant(None)
    lower, upper = (_compile(end or nothing, paths, depth) for end in (ends.lower, ends.upper))
    if ends.step:
        raise SyntaxError("a step")
    return lambda values, scope: tuple(entries(values, scope))[lower(values, scope) : upper(values, scope)]


def _binary(node: ast.BinOp, paths: set[str], depth: int) -> Compute:
    if type(node.op) not in _OPERATORS:
        raise SyntaxError("operator")
    apply = _OPERATORS[type(node.op)]
    left, right = _compile(node.left, paths, depth), _compile(node.right, paths, depth)
    return lambda values, scope: _number(apply(_number(left(values, scope)), _number(right(values, scope))))


def _number(value: Any) -> Any:
    """The operand of an operator; a string or a tuple could be repeated a billion times."""
    if not isinstance(value, (int, float, Fraction)):
        raise TypeError(f"{value!r} is no number")
    return _whole(value)


def _unary(node: ast.UnaryOp, paths: set[str], depth: int) -> Compute:
    if type(node.op) not in _UNARY:
        raise SyntaxError("operator")
    apply, operand = _UNARY[type(node.op)], _compile(node.operand, paths, depth)
    return lambda values, scope: apply(operand(values, scope))


def _boolean(node: ast.BoolOp, paths: set[str], depth: int) -> Compute:
    parts = [_compile(value, paths, depth) for value in node.values]
    join = all if isinstance(node.op, ast.And) else any
    return lambda values, scope: join(part(values, scope) for part in parts)


def _compare(node: ast.Compare, paths: set[str], depth: int) -> Compute:
    operands = [_compile(value, paths, depth) for value in (node.left, *node.comparators)]
    tests = [COMPARISONS[_COMPARISONS[type(sign)]] for sign in node.ops]

    def compute(values: Values, scope: Scope) -> bool:
        found = [operand(values, scope) for operand in operands]
        return all(test(*pair) for test, pair in zip(tests, pairwise(found), strict=True))

    return compute


def _call(node: ast.Call, paths: set[str], depth: int) -> Compute:
    arguments = [_compile(argument, paths, depth) for argument in node.args]
    if node.keywords or not arguments:
        raise SyntaxError("call")
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS and len(arguments) == 1:
        entries, method = _compile(node.func.value, paths, depth), _METHODS[node.func.attr]
        return lambda values, scope: method(tuple(entries(values, scope)), arguments[0](values, scope))
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
        raise SyntaxError("call")
    function = _FUNCTIONS[node.func.id]
    return lambda values, scope: function(*(argument(values, scope) for argument in arguments))


def _choice(node: ast.IfExp, paths: set[str], depth: int) -> Compute:
    test, then, otherwise = (_compile(part, paths, depth) for part in (node.test, node.body, node.orelse))
    return lambda values, scope: (then if test(values, scope) else otherwise)(values, scope)


def _sequence(node: ast.Tuple | ast.List, paths: set[str], depth: int) -> Compute:
    parts = [_compile(part, paths, depth) for part in node.elts]
    return lambda values, scope: tuple(part(values, scope) for part in parts)


_MAKERS: dict[type[ast.AST], Callable[..., Compute]] = {
    ast.Constant: _constant, ast.Name: _name, ast.Attribute: _attribute, ast.Subscript: _subscript,
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.BoolOp: _boolean, ast.Compare: _compare, ast.Call: _call,
    ast.IfExp: _choice, ast.Tuple: _sequence, ast.List: _sequence,
}  # fmt: skip
