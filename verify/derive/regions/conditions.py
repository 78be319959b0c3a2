"""Where a formula holds: what the source compared while the model was built, and the switches that it read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.formulas.expressions import INDICES, Expression
from verify.derive.formulas.formula import OPPOSITE, Condition
from verify.derive.formulas.printing import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.derive.regions.linking import Words
    from verify.derive.regions.predicates import Predicates
    from verify.derive.tracing.recorder import Comparison, Pass
    from verify.derive.tracing.trace import Traced

_INDEX = INDICES[0]
_Runs = list[tuple["Comparison", "Pass"]]


class Conditions:
    """Finds the conditions of one trace."""

    def __init__(self, traced: Traced, words: Words, predicates: Predicates) -> None:
        self._traced = traced
        self._words = words
        self._predicates = predicates

    def found(self) -> Iterator[Condition]:
        """Comparisons without an index, those that came out the same for every index, entries of lists, switches.

        A comparison with an index that came out both ways is a predicate, and no condition, where an index follows it.
        """
        loops: dict[tuple[str, str, str, str], _Runs] = {}
        words: dict[str, None] = {}
        for comparison in self._traced.comparisons:
            if lists := self._word_lists(comparison):
                words |= dict.fromkeys(lists)
                continue
            if self._is_lookup(comparison):
                continue
            passes = self._words.passes(comparison.left) | self._words.passes(comparison.right)
            if len(passes) == 1:
                step = self._traced.passes[next(iter(passes))]
                sides = self._sides(comparison, {step.symbol: sympy.Symbol(_INDEX, integer=True)})
                loops.setdefault((step.loop.site, comparison.sign, *sides), []).append((comparison, step))
            elif comparison.left.free_symbols | comparison.right.free_symbols:
                yield self._fixed(comparison)
        for (site, _, left, right), runs in loops.items():
            if len({comparison.outcome for comparison, _ in runs}) == 1:
                yield from self._looped(left, right, runs)
            elif site in self._words.unrolled:
                yield from (self._fixed(comparison) for comparison, _ in runs)
        yield from (self.known(path) for path in words)
        for path, value, where in self._traced.switches:
            sign = "is" if value is None else "=="
            yield Condition(sign, Expression(path), Expression(repr(value)), outcome=True, where=where)

    def _word_lists(self, comparison: Comparison) -> list[str]:
        """The lists of words whose entries a comparison is about."""
        return [path for side in (comparison.left, comparison.right) if (path := self._list(side, str))]

    def _is_lookup(self, comparison: Comparison) -> bool:
        """Whether two ratios of lists were compared, which only sets and dictionaries do."""
        return all(self._list(side, float) for side in (comparison.left, comparison.right))

    def _list(self, side: Any, kind: type) -> str:
        """The list of values of a type that an expression is or is an entry of, else ""."""
        entry = self._traced.entries.get(side)
        path = entry.path if entry else str(side).partition("[")[0]
        items = self._traced.values.get(path)
        return path if side.is_Symbol and isinstance(items, tuple) and items and isinstance(items[0], kind) else ""

    def known(self, path: str) -> Condition:
        """Every entry of a list of words is one that was traced: which path the source takes hangs on the word."""
        known = tuple(sorted(set(self._traced.values[path])))
        return Condition(
            "in", Expression(f"{path}[{_INDEX}]"), Expression(repr(known)), outcome=True, indexed=True,
            stop=Expression(f"len({path})"),
        )  # fmt: skip

    def _looped(self, left: str, right: str, runs: _Runs) -> Iterator[Condition]:
        """A comparison that came out the same wherever a loop made it."""
        first, step = runs[0]
        if self._words.passes(step.loop.stop):  # the loop inside another, whose end moves
            yield from (self._fixed(comparison) for comparison, _ in runs)
            return
        stop = Expression(text(self._words.general(step.loop.stop, {})))
        made = frozenset(at.value for _, at in runs)
        every = range(stop.integer(self._traced.values))
        if made == frozenset(every):
            yield Condition(
                first.sign, Expression(left), Expression(right), first.outcome, first.where, indexed=True, stop=stop
            )
        elif guard := self._predicates.guard(step.loop.site, stop, frozenset(every) - made):
            sign = first.sign if first.outcome else OPPOSITE[first.sign]
            yield Condition(
                "==", Expression(f"{guard} or {left} {sign} {right}"), Expression("True"), outcome=True,
                where=first.where, indexed=True, stop=stop,
            )  # fmt: skip
        else:
            yield from (self._fixed(comparison) for comparison, _ in runs)

    def _fixed(self, comparison: Comparison) -> Condition:
        left, right = self._sides(comparison, {})
        return Condition(comparison.sign, Expression(left), Expression(right), comparison.outcome, comparison.where)

    def _sides(self, comparison: Comparison, indices: dict[sympy.Symbol, Any]) -> tuple[str, str]:
        return (
            text(self._words.general(comparison.left, indices)),
            text(self._words.general(comparison.right, indices)),
        )
