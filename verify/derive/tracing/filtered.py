"""Lists that a source picks from one of the configuration: `[i for i, kind in enumerate(kinds) if kind == "hybrid"]`.

Such a list is a plain one, but its length is a count over the list of the configuration: `kinds.count('hybrid')`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.symbols import SymbolicInt, SymbolicStr, symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sympy


def length(items: Any) -> Any:
    """The length of a list, symbolic when it holds what one word of a list of the configuration stands for."""
    number = len(items)
    recorder = Recorder.current
    if recorder is None or not number or type(items) not in (list, tuple):
        return number
    passes = [_pass(item, recorder) for item in items]
    if None in passes or len(set(passes)) != number:
        return number
    name = _word(passes, recorder)
    return SymbolicInt(number, symbol(name, number)) if name else number


def _pass(item: Any, recorder: Recorder) -> sympy.Symbol | None:
    """The pass of a loop that gave an index, or the index of an entry of a list."""
    if not isinstance(item, SymbolicInt | SymbolicStr):
        return None
    entry = recorder.entries.get(item.expr)
    name = entry.index if entry else item.expr
    return name if name in recorder.passes else None


def _word(passes: Sequence[sympy.Symbol], recorder: Recorder) -> str:
    """The count of a word that was compared with every entry of a list and found in these passes only; else ""."""
    outcomes: dict[tuple[str, str], dict[sympy.Symbol, bool]] = {}
    for comparison in recorder.comparisons.values():
        entry = recorder.entries.get(comparison.left)
        if entry and comparison.sign == "==" and entry.index in recorder.passes:
            known = outcomes.setdefault((entry.path, str(comparison.right)), {})
            known[entry.index] = comparison.outcome
    loops = {recorder.passes[name].loop for name in passes}
    for (path, word), found in outcomes.items():
        inside = {name: outcome for name, outcome in found.items() if recorder.passes[name].loop in loops}
        whole = all(loop.start == 0 and loop.step == 1 and str(loop.stop) == f"len({path})" for loop in loops)
        if whole and {name for name, outcome in inside.items() if outcome} == set(passes):
            return f"{path}.count({word})"
    return ""
