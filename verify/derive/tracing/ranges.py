"""What stands for `range` while a model is traced, so that the index of a loop is a symbol."""

from __future__ import annotations

import builtins
import itertools
from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.symbols import expression, is_symbolic, plain

if TYPE_CHECKING:
    from collections.abc import Iterator


class Range:
    """A `range` with a symbolic bound: its indices are symbols, and a pass is active while it is worked on.

    Attributes:
        bounds: What `range` was called with.
    """

    def __init__(self, *bounds: Any) -> None:
        self.bounds = bounds
        self._plain = builtins.range(*map(plain, bounds))
        start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        self._first = start
        self._start, self._stop, self._step = (expression(bound) for bound in (start, stop, step))

    def __iter__(self) -> Iterator[Any]:
        recorder = Recorder.current
        if recorder is None:
            return iter(self._plain)
        if self._step == 1 and any(name not in recorder.passes for name in self._start.free_symbols):
            return self._counted(recorder)
        return recorder.loop(self._start, self._stop, self._step, self._plain)

    def _counted(self, recorder: Recorder) -> Iterator[Any]:
        """A loop from a size on, counted from 0: a list of modules has no other index for its passes."""
        passes = builtins.range(builtins.len(self._plain))
        for at in recorder.loop(sympy.Integer(0), self._stop - self._start, sympy.Integer(1), passes):
            yield self._first + at

    def __reversed__(self) -> Iterator[Any]:
        return iter(list(self)[::-1])

    def __len__(self) -> int:
        return len(self._plain)

    def __contains__(self, value: object) -> bool:
        return plain(value) in self._plain

    def __getitem__(self, at: Any) -> Any:
        return list(self)[at] if isinstance(at, slice) else list(self)[plain(at)]


class _RangeType(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, (builtins.range, Range))

    def __call__(cls, *bounds: Any) -> Any:
        return Range(*bounds) if any(map(is_symbolic, bounds)) else builtins.range(*bounds)


#: Stands for `range` in the modules of transformers.
ranged = _RangeType("range", (), {})


def unrolled(*bounds: Any) -> builtins.range:
    """A `range` whose passes make names without an index (`weight_ih_l1` of an LSTM): it is as long as it is."""
    for bound in bounds:
        if is_symbolic(bound) and Recorder.current:
            Recorder.current.compared("==", expression(bound), sympy.Integer(plain(bound)), outcome=True)
    return builtins.range(*map(plain, bounds))


def product(*factors: Any, repeat: int = 1) -> Iterator[Any]:
    """`itertools.product`: pairs of places in a picture have no index, so the picture is as large as it is."""
    sides = (unrolled(*factor.bounds) if isinstance(factor, Range) else factor for factor in factors)
    return itertools.product(*sides, repeat=plain(repeat))
