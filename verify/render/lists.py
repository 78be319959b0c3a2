"""Lists for a terminal and as JSON: models, families, what moved."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from verify.architectures import Family
from verify.regress import Move
from verify.render.drawing import Cells, drawn, table
from verify.render.index import Line, summary
from verify.render.text import clip, number, signed, visible
from verify.verification import Verdict

if TYPE_CHECKING:
    from rich.console import Console

#: Models named in a line of the list of families; the rest is counted.
_NAMED = 3


def render_index(found: Sequence[Line], *, width: int | None = None, color: bool | None = None) -> str:
    """Many models as text for a terminal, one row for each.

    Args:
        found: The rows, from `verify.render.index.lines`.
        width: Columns; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """
    rows: list[Cells] = [
        (
            (
                clip(line.model),
                line.verdict.upper() if line.verdict == Verdict.UNEXPLAINED else line.verdict,
                clip(line.formula),
                number(line.expected),
                number(line.measured),
                signed(line.difference),
                visible(line.causes),
            ),
            "red" if line.verdict == Verdict.UNEXPLAINED else "",
        )
        for line in found
    ]
    columns = ("model", "verdict", "formula", "expected", "measured", "difference", "causes")

    def draw(console: "Console") -> None:
        table(console, columns, rows, right={3, 4, 5})
        console.print(summary(found))

    return drawn(draw, width, color)


def render_families(
    families: Iterable[tuple[str, Family, Sequence[str]]],
    derived: Mapping[str, Sequence[str]] | None = None,
    *,
    width: int | None = None,
    color: bool | None = None,
) -> str:
    """The families there are formulas for, as text for a terminal.

    Args:
        families: Each name with its module and the recorded models that it is tried on.
        derived: The types for which there is no more than a formula derived from code, by kind.
        width: Columns; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """
    rows: list[Cells] = [
        ((name, ", ".join(each.ALIASES), visible(each.SOURCE), _few(records)), "") for name, each, records in families
    ]
    columns = ("family", "also for", "source", "records")
    types = {kind: names for kind, names in (derived or {}).items() if names}

    def draw(console: "Console") -> None:
        table(console, columns, rows, right=set())
        if types:
            console.print("Derived from the code of transformers: what it says, and no independent formula")
        for kind, names in types.items():
            console.print(f"  {kind}: {', '.join(names)}")

    return drawn(draw, width, color)


def _few(records: Sequence[str]) -> str:
    rest = f" and {len(records) - _NAMED} more" if len(records) > _NAMED else ""
    return ", ".join(records[:_NAMED]) + rest


def render_moves(moves: Sequence[Move], *, width: int | None = None, color: bool | None = None) -> str:
    """What moved between two states of the reports, as text for a terminal."""
    rows: list[Cells] = [
        ((clip(move.model), clip(move.where), _side(move.before), _side(move.after), signed(move.difference)), "")
        for move in moves
    ]

    def draw(console: "Console") -> None:
        table(console, ("model", "where", "before", "after", "difference"), rows, right={2, 3, 4})
        console.print(f"{len({move.model for move in moves})} models moved." if moves else "No model moved.")

    return drawn(draw, width, color)


def render_moves_json(moves: Sequence[Move]) -> str:
    """The same as a JSON object."""
    rows = [
        {
            "model": move.model,
            "where": move.where,
            "before": move.before,
            "after": move.after,
            "difference": move.difference,
        }
        for move in moves
    ]
    return json.dumps({"schema": 1, "moves": rows}, indent=2) + "\n"


def _side(value: str) -> str:
    return number(int(value)) if value.isdecimal() else value or "-"
