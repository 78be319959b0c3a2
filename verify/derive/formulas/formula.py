"""A derived formula as data: terms with symbolic axes, where each one occurs, and where all of it holds.

Nothing here imports sympy, torch or transformers: a formula that was derived once is evaluated, printed and stored
without them. Expressions are texts (see `verify.derive.formulas.expressions`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator  # noqa: TC003 - msgspec reads the annotations
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import msgspec

from verify.derive.errors import DeriveError
from verify.derive.formulas import bounds
from verify.derive.formulas.expressions import COMPARISONS, INDICES, Expression, Scope, Values
from verify.derive.formulas.naming import pattern
from verify.errors import FormatError

Kind = Literal["parameter", "buffer"]

#: No model has as many modules in one list; a larger number would fill the memory with indices.
_MOST = 100_000

#: Random configurations in a row that a formula must predict before it counts as confirmed.
ENOUGH = 20


#: The sign of the negation of each comparison.
OPPOSITE = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in",
    "is": "is not", "is not": "is",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Predicate:
    """Which indices one `{}` of a pattern takes: `i < stop`, of which those where a condition holds.

    Attributes:
        stop: How many indices there are; it may mention the indices to its left (`depths[i]`).
        where: The condition on the index in the words of the source; None for all of them.
        count: How many they are, as an expression; "" where no closed form is known.
    """

    stop: Expression
    where: Expression | None = None
    count: str = ""

    def text(self, index: str) -> str:
        """The condition as it is printed: `i >= first_k_dense_replace`, or `i < num_hidden_layers`."""
        return self.where.text if self.where else f"{index} < {self.stop}"

    def indices(self, values: Values, index: str = INDICES[0], outer: Scope | None = None) -> tuple[int, ...]:
        """The indices at a configuration, in order.

        Args:
            values: The flat values of the configuration.
            index: The name of this index.
            outer: The indices to its left by name.

        Raises:
            DeriveError: It has no value there.
        """
        stop = self.stop.integer(values, outer)
        if stop > _MOST:
            raise DeriveError(f"{self.stop} is {stop}", expected=f"at most {_MOST} modules in a list")
        where = self.where
        if where is None or not stop:
            return tuple(range(stop))
        scope = dict(outer or {})
        if (known := bounds.chosen(where.text, index, stop, values, scope)) is not None:
            return known
        return tuple(at for at in range(stop) if where(values, {**scope, index: at}))


#: How many modules a predicate has at a configuration, by the place of its `{}`.
Known = dict[tuple[int, Predicate], int]


@dataclass(frozen=True, slots=True)
class DerivedTerm:
    """The tensors of one pattern that have the same symbolic shape.

    Attributes:
        pattern: Their module name with `{}` for each number in it.
        kind: Whether they are parameters or persistent buffers.
        axes: Their axes in the order of the shape; they may mention the indices `i`, `j`, … of the `{}`.
        repeats: The indices of each `{}`, from left to right.
    """

    pattern: str
    kind: Kind
    axes: tuple[Expression, ...]
    repeats: tuple[Predicate, ...] = ()

    def shapes(self, values: Values, known: Known | None = None) -> Counter[tuple[int, ...]]:
        """How many tensors of which shape there are at a configuration.

        Args:
            values: The flat values of the configuration.
            known: How many modules other terms have found there.

        Raises:
            DeriveError: It has no value there.
        """
        moving = any(axis.indices for axis in self.axes)
        found: Counter[tuple[int, ...]] = Counter()
        if moving:
            for scope in self._scopes(values, 0, {}):
                found[tuple(axis.integer(values, scope) for axis in self.axes)] += 1
        elif number := self._repeats(values, {} if known is None else known):
            found[tuple(axis.integer(values) for axis in self.axes)] = number
        return found

    def count(self, values: Values) -> int:
        """The elements of all of them."""
        return sum(number * prod(shape) for shape, number in self.shapes(values).items())

    def _repeats(self, values: Values, known: Known) -> int:
        """How many tensors there are."""
        if any(part.stop.indices or (part.where and len(part.where.indices) > 1) for part in self.repeats):
            return sum(1 for _ in self._scopes(values, 0, {}))
        for at, part in enumerate(self.repeats):
            if (at, part) not in known:
                known[at, part] = len(part.indices(values, INDICES[at]))
        return prod(known[at, part] for at, part in enumerate(self.repeats))

    def _scopes(self, values: Values, at: int, scope: dict[str, int]) -> Iterator[dict[str, int]]:
        if at == len(self.repeats):
            yield scope
            return
        index = INDICES[at]
        for number in self.repeats[at].indices(values, index, scope):
            yield from self._scopes(values, at + 1, {**scope, index: number})


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that the source made while the model was built.

    Attributes:
        operator: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, or `is` for a switch that was read.
        left: The left side, an expression.
        right: The right side, an expression.
        outcome: What it was.
        where: The line of the source, `modeling_jamba.py:612`; "" where it is not from the source.
        indexed: Whether it mentions the index `i` of a loop.
        stop: Of an indexed one, how far its loop went: the outcome was the same for every `i` below.
    """

    operator: str
    left: Expression
    right: Expression
    outcome: bool
    where: str = ""
    indexed: bool = False
    stop: Expression | None = None

    def holds(self, values: Values) -> bool:
        """Whether the outcome is the same at a configuration; one that it cannot be evaluated at is another."""
        try:
            if self.indexed:
                reached = self.stop.integer(values) if self.stop else 0
                return all(self._is(values, {INDICES[0]: at}) for at in range(min(reached, _MOST)))
            return self._is(values, {})
        except DeriveError:
            return False

    def _is(self, values: Values, scope: Scope) -> bool:
        compare = COMPARISONS.get(self.operator)
        if compare is None:
            raise DeriveError(
                f"a condition with the sign {self.operator!r}", expected=f"one of {', '.join(COMPARISONS)}"
            )
        try:
            return bool(compare(self.left(values, scope), self.right(values, scope))) is self.outcome
        except TypeError as error:  # None < 3
            raise DeriveError(f"{self.text} cannot be compared: {error}") from error

    @property
    def text(self) -> str:
        """The condition as it holds: `hidden_size % num_attention_heads == 0`."""
        sign = self.operator if self.outcome else OPPOSITE[self.operator]
        loop = f" for every {INDICES[0]} < {self.stop}" if self.indexed else ""
        joined = " or " in self.left.text and sign == "==" and self.right.text == "True"
        return f"{self.left}{loop}" if joined else f"{self.left} {sign} {self.right}{loop}"


@dataclass(frozen=True, slots=True)
class Region:
    """The formula of one trace, and the conditions that say where it holds.

    Attributes:
        terms: In the order of the module.
        conditions: Every comparison that decided something, and every switch that was read.
        values: Where it was traced: the values that terms and conditions read.
    """

    terms: tuple[DerivedTerm, ...]
    conditions: tuple[Condition, ...]
    values: dict[str, Any]

    def count(self, values: Values, kind: Kind = "parameter") -> int:
        """The elements of all parameters, or of all persistent buffers, whether or not the conditions hold.

        Raises:
            DeriveError: A term has no value there.
        """
        return sum(term.count(values) for term in self.terms if term.kind == kind)

    def shapes(self, values: Values) -> dict[str, Counter[tuple[int, ...]]]:
        """The tensors of every pattern by shape, with `{}` for all numbers; patterns without any are left out.

        Raises:
            DeriveError: A term has no value there.
        """
        found: dict[str, Counter[tuple[int, ...]]] = {}
        known: Known = {}
        for term in self.terms:
            if shapes := term.shapes(values, known):
                found.setdefault(pattern(term.pattern), Counter()).update(shapes)
        return found

    def flipped(self, values: Values) -> tuple[Condition, ...]:
        """The conditions whose outcome is another at a configuration, and values that are of another type there."""
        present = {path: (value, values.get(path, value)) for path, value in self.values.items() if value is not None}
        missing = (path for path, (_, here) in present.items() if here is None)
        others = (path for path, (value, here) in present.items() if here is not None and _kind(value) != _kind(here))
        return (
            *(Condition("is", Expression(path), Expression("None"), outcome=False) for path in missing),
            *(Condition("==", Expression(path), Expression(repr(self.values[path])), outcome=True) for path in others),
            *(condition for condition in self.conditions if not condition.holds(values)),
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """The paths that the terms read, sorted."""
        found: set[str] = set()
        for term in self.terms:
            for expression in (*term.axes, *(part.stop for part in term.repeats)):
                found |= expression.paths
            for part in term.repeats:
                found |= part.where.paths if part.where else frozenset()
        return tuple(sorted(found - set(INDICES)))


def _kind(value: Any) -> str:
    """Whether a value is a word, a list, or a number; a formula for one says nothing about another."""
    if isinstance(value, str):
        return "word"
    return "list" if isinstance(value, list | tuple) else "number"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a formula was tested against the real class.

    Attributes:
        configurations: How many random configurations in a row it predicted, total and shapes.
        varied: The paths that differed among them.
        failure: Why it is not confirmed; "" where nothing failed.
        where: The line of the source that the failure comes from.
    """

    configurations: int = 0
    varied: tuple[str, ...] = ()
    failure: str = ""
    where: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether it may be published."""
        return not self.failure and self.configurations >= ENOUGH


@dataclass(frozen=True, slots=True)
class Concretised:
    """A symbolic value that the source turned into a plain number, so that the formula may not follow it.

    Attributes:
        what: What was done, such as `int(...)` or `math.log(hidden_size)`.
        where: The line of the source.
    """

    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Derived:
    """The formula of a class: one region, or several that make it piecewise.

    Attributes:
        model_type: The key of transformers.
        class_name: The class.
        transformers: The version that it was derived from.
        regions: Each holds where its conditions do.
        confirmation: How it was tested.
        concretised: What may have escaped the trace.
    """

    model_type: str
    class_name: str
    transformers: str
    regions: tuple[Region, ...]
    confirmation: Confirmation
    concretised: tuple[Concretised, ...] = ()

    def region(self, values: Values) -> Region:
        """The first region whose conditions all hold.

        Raises:
            DeriveError: There is none.
        """
        for region in self.regions:
            if not region.flipped(values):
                return region
        broken = min((region.flipped(values) for region in self.regions), key=len, default=())
        raise DeriveError(
            f"{self.class_name}: the formula was not derived for this configuration"
            + (f", where {broken[0].text} does not hold" if broken else ""),
            expected="a configuration inside one of its regions",
            hint="derive the formula for this configuration",
        )

    def count(self, values: Values, kind: Kind = "parameter") -> int:
        """The elements of all parameters, or of all persistent buffers.

        Raises:
            DeriveError: No region holds there, or a term has no value.
        """
        return self.region(values).count(values, kind)

    def to_json(self) -> bytes:
        """The formula as JSON, which `from_json` reads back."""
        return msgspec.json.encode(self, enc_hook=str, order="deterministic")


def from_json(text: bytes | str) -> Derived:
    """The formula that `to_json` wrote.

    Raises:
        FormatError: It is no such JSON, or an expression in it cannot be read.
    """
    try:
        derived = msgspec.json.decode(text, type=Derived, dec_hook=_expression)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"no derived formula: {error}", hint="derive it again") from error
    for region in derived.regions:
        try:
            _check(region)
        except DeriveError as error:
            raise FormatError(f"{derived.class_name}: {error}", hint="derive it again") from error
    return derived


def _expression(kind: type, value: Any) -> Any:
    if kind is Expression and isinstance(value, str):
        return Expression(value)
    raise TypeError("an expression is a string")


def _check(region: Region) -> None:
    """Every expression parses, and each `{}` has its predicate."""
    for term in region.terms:
        if term.pattern.count("{}") != len(term.repeats) or len(term.repeats) > len(INDICES):
            raise DeriveError(f"{term.pattern} with {len(term.repeats)} predicates", expected="one for each {}")
    for condition in region.conditions:
        _ = condition.left.paths | condition.right.paths | (condition.stop.paths if condition.stop else frozenset())
        if condition.operator not in COMPARISONS:
            raise DeriveError(
                f"a condition with the sign {condition.operator!r}", expected=f"one of {list(COMPARISONS)}"
            )
    _ = region.symbols
