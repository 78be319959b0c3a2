"""Where in a list of modules those of several loops stand, when the list is filled one after the other.

`layers` of a codec is a convolution, then for each ratio `num_residual_layers` blocks and a convolution, then the rest:
the number in a name is no index of a loop, but what came before it can be counted. Modules that no loop adds, and
complete runs of loops, follow each other; each run moves what comes after it by its passes times the modules of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.formulas.printing import text
from verify.derive.tracing.private import FloorDiv, PythonMod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from verify.derive.tracing.recorder import Loop, Pass

    #: The value of an expression where it was traced.
    Value = Callable[[sympy.Expr], int]
    #: How many passes a loop has.
    Length = Callable[[Loop], sympy.Expr]
    #: The number of a module, and the passes in which all of its tensors were created, the outermost first.
    Labelled = tuple[int, tuple[Pass, ...]]


@dataclass(frozen=True, slots=True)
class Size:
    """An expression and its value where it was traced."""

    expr: sympy.Expr
    value: int

    def __add__(self, other: Size | int) -> Size:
        other = other if isinstance(other, Size) else Size(sympy.Integer(other), other)
        return Size(self.expr + other.expr, self.value + other.value)

    def __mul__(self, other: Size | int) -> Size:
        other = other if isinstance(other, Size) else Size(sympy.Integer(other), other)
        return Size(sympy.expand(self.expr * other.expr), self.value * other.value)

    def at(self, value: int) -> Size:
        """The same but for a constant, so that it has this value."""
        return self + (value - self.value)


@dataclass(frozen=True, slots=True)
class Level:
    """A loop that adds modules in every pass.

    Attributes:
        site: Where it stands.
        width: How many modules a pass adds.
        number: How many passes there are.
    """

    site: str
    width: Size
    number: Size


@dataclass(frozen=True, slots=True)
class Span:
    """The modules that one line of the source adds: `start` and the passes of each loop times its width.

    Attributes:
        start: The number of the first one.
        levels: The loops around it, the outermost first; none for a module that no loop adds.
    """

    start: Size
    levels: tuple[Level, ...] = ()

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the modules where they were traced."""
        steps = ([level.width.value * at for at in range(level.number.value)] for level in self.levels)
        return frozenset(self.start.value + sum(each) for each in product(*steps))

    @property
    def count(self) -> sympy.Expr:
        """How many modules they are."""
        return sympy.prod([level.number.expr for level in self.levels])

    def passes(self, index: sympy.Symbol) -> Iterator[tuple[str, sympy.Expr]]:
        """Which pass of each loop a module is of, from 0, in its number: `(i - 1)//width`, `(i - 1) % width - 2`."""
        rest = index - self.start.expr
        for level in self.levels:
            yield level.site, FloorDiv(rest, level.width.expr)
            rest = PythonMod(rest, level.width.expr)

    def where(self, index: str) -> str:
        """The condition on the number of a module."""
        rest = sympy.Symbol(index, integer=True, nonnegative=True) - self.start.expr
        if not self.levels:
            return f"{index} == {text(self.start.expr)}"
        end = self.start + self.levels[0].width * self.levels[0].number
        parts = [f"{'' if self.start.expr == 0 else f'{text(self.start.expr)} <= '}{index} < {text(end.expr)}"]
        for outer, inner in pairwise(self.levels):
            rest = PythonMod(rest, outer.width.expr)
            parts.append(f"{text(rest)} < {text((inner.width * inner.number).expr)}")
        if self.levels[-1].width.expr != 1:
            parts.append(f"{text(PythonMod(rest, self.levels[-1].width.expr))} == 0")
        return " and ".join(parts)

    def parts(self) -> Iterator[Span]:
        """The first or the last pass of one loop, or all others."""
        for at, level in enumerate(self.levels):
            without = (*self.levels[:at], *self.levels[at + 1 :])
            fewer = (*self.levels[:at], replace(level, number=level.number + -1), *self.levels[at + 1 :])
            yield Span(self.start, without)
            yield Span(self.start + level.width, fewer)
            yield Span(self.start + level.width * (level.number + -1), without)
            yield Span(self.start, fewer)

    def unrolled(self) -> Iterator[Span]:
        """The passes of the outermost loop one by one."""
        for at in range(self.levels[0].number.value):
            yield Span(self.start + self.levels[0].width * at, self.levels[1:])


@dataclass(frozen=True, slots=True)
class Layout:
    """The modules of one list.

    Attributes:
        size: How many there are.
        spans: What they are, in order.
        unrolled: The loops whose passes are spans of their own, because they do not add the same.
    """

    size: sympy.Expr
    spans: tuple[Span, ...]
    unrolled: frozenset[str] = frozenset()

    @property
    def sites(self) -> frozenset[str]:
        """The loops that its numbers follow."""
        return frozenset(level.site for span in self.spans for level in span.levels)

    def passes(self, number: int, index: sympy.Symbol) -> dict[str, sympy.Expr]:
        """Which pass of each loop a module is of, from 0, by where the loop stands."""
        return next((dict(span.passes(index)) for span in self.spans if number in span.numbers), {})

    def where(self, index: str, chosen: frozenset[int]) -> tuple[str, str, dict[str, int]] | None:
        """The condition on the numbers of some modules.

        Args:
            index: The name of a number.
            chosen: The numbers where they were traced.

        Returns:
            The condition, how many numbers fulfil it, and which sizes it holds for only; None where there is none.
        """
        pinned: dict[str, int] = {}
        found: list[Span] = []
        for span in self.spans:
            if wanted := span.numbers & chosen:
                parts = _covering(span, wanted, pinned)
                if parts is None:
                    return None
                found += parts
        if not found or frozenset().union(*(span.numbers for span in found)) != chosen:
            return None
        count = text(sympy.expand(sum(span.count for span in found)))
        return " or ".join(span.where(index) for span in found), count, pinned


def _covering(span: Span, wanted: frozenset[int], pinned: dict[str, int]) -> list[Span] | None:
    """Spans that have these numbers of one span and no others."""
    for part in (span, *span.parts()):
        if part.numbers == wanted:
            return [part]
    if not span.levels:
        return None
    pinned[text(span.levels[0].number.expr)] = span.levels[0].number.value
    found: list[Span] = []
    for each in span.unrolled():
        if inside := each.numbers & wanted:
            parts = _covering(each, inside, pinned)
            if parts is None:
                return None
            found += parts
    return found


def layout(modules: Sequence[Labelled], length: Length, value: Value) -> Layout:
    """The layout of a list.

    Args:
        modules: The modules that have tensors, in order.
        length: How many passes a loop has.
        value: The value of an expression where it was traced.
    """

    def sized(expr: Any) -> Size:
        return Size(expr, value(expr))

    spans, moved = _spans(modules, 0, lambda loop: sized(length(loop)))
    made = Layout(moved.at(modules[-1][0] + 1).expr, tuple(spans))
    sites = frozenset(step.loop.site for _, passes in modules for step in passes)
    return replace(made, unrolled=sites - made.sites)


def _spans(modules: Sequence[Labelled], base: int, length: Callable[[Loop], Size]) -> tuple[list[Span], Size]:
    """The spans of modules that follow each other, from a number on, and how many modules their loops add in all."""
    moved = Size(sympy.Integer(0), 0)
    found: list[Span] = []
    for segment in _segments(modules):
        start = moved.at(segment[0][0] - base)
        if not segment[0][1]:
            found.append(Span(start))
            continue
        bodies = [[(number, passes[1:]) for number, passes in body] for body in _bodies(segment)]
        parsed = [_spans(body, body[0][0], length) for body in bodies]
        number = length(segment[0][1][0].loop)
        if len(bodies) == number.value and _alike(bodies, parsed):
            body, inner = parsed[0]
            width = inner.at(_width(bodies))
            level = Level(segment[0][1][0].loop.site, width, number)
            found += [Span(start + span.start, (level, *span.levels)) for span in body]
            moved += width * number
            continue
        for modules_, (body, inner) in zip(bodies, parsed, strict=True):
            start = moved.at(modules_[0][0] - base)
            found += [Span(start + span.start, span.levels) for span in body]
            moved += inner
    return found, moved


def _segments(modules: Iterable[Labelled]) -> Iterator[list[Labelled]]:
    """Modules that no loop adds one by one, and those that a run of a loop adds together."""
    segment: list[Labelled] = []
    for module in modules:
        if segment and not _same_run(segment[-1][1], module[1]):
            yield segment
            segment = []
        segment.append(module)
    if segment:
        yield segment


def _same_run(before: tuple[Pass, ...], after: tuple[Pass, ...]) -> bool:
    return bool(before and after) and before[0].loop == after[0].loop and before[0].value <= after[0].value


def _bodies(segment: Iterable[Labelled]) -> Iterator[list[Labelled]]:
    """The modules of each pass of a run."""
    body: list[Labelled] = []
    for module in segment:
        if body and body[-1][1][0] != module[1][0]:
            yield body
            body = []
        body.append(module)
    yield body


def _alike(bodies: Sequence[Sequence[Labelled]], parsed: Sequence[tuple[list[Span], Size]]) -> bool:
    """Whether every pass adds the same, and as many."""
    steps = {second[0][0] - first[0][0] for first, second in pairwise(bodies)}
    return len(steps) <= 1 and all(each == parsed[0] for each in parsed)


def _width(bodies: Sequence[Sequence[Labelled]]) -> int:
    """How many modules a pass adds; of a single one, as many as have tensors."""
    return bodies[1][0][0] - bodies[0][0][0] if bodies[1:] else bodies[0][-1][0] + 1 - bodies[0][0][0]
