"""The three differences between formula, implementation and file, as cells of tables and for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from verify.render.drawing import Cells, table
from verify.render.text import clip, number, signed, visible
from verify.triangulate import Line, Step, Triangulation

if TYPE_CHECKING:
    from rich.console import Console

#: The columns of `differences`.
DIFFERENCES = ("layer type", "file - formula", "implementation - formula", "file - implementation")

#: The columns of `loading`.
LOADING = ("stored tensors", "which", "why", "tensors", "elements", "file - implementation")

# Names that a cell shows, and rows that a terminal shows.
_NAMES = 3
_LONGEST_LIST = 20


def differences(known: Triangulation) -> Iterator[tuple[str, ...]]:
    """A row for each layer type in which two sides differ, and one for all parameters."""
    for row in (*(row for row in known.rows if row.differ), known.total):
        yield clip(row.layer_type), signed(row.stored), signed(row.built), signed(row.loaded)


def loading(known: Triangulation) -> Iterator[tuple[str, ...]]:
    """A row for each step and reason."""
    for line in known.lines:
        counts = (number(line.tensors), number(line.elements), signed(line.difference))
        yield (str(line.step) if line.explained else str(line.step).upper(), _names(line), visible(line.why), *counts)


def draw(console: "Console", known: Triangulation) -> None:
    """Both tables on a terminal."""
    differ: list[Cells] = [
        (cells, "bold" if cells[0] == known.total.layer_type else "") for cells in differences(known)
    ]
    console.print(f"formula {clip(known.formula)}, implementation {visible(known.where)}, file", style="bold")
    table(console, DIFFERENCES, _cut(differ, 3), right={1, 2, 3})
    console.print("what the implementation makes of the stored tensors", style="bold")
    found = zip(loading(known), known.lines, strict=True)
    steps: list[Cells] = [(cells, "" if line.explained else "red") for cells, line in found]
    table(console, LOADING, _cut(steps, 5), right={3, 4, 5})


def _names(line: Line) -> str:
    """What is stored, and what it becomes where that is called something else."""
    stored, parameters = _few(line.stored), _few(line.parameters)
    unused = line.step in {Step.IGNORED, Step.UNEXPECTED} or stored == parameters
    return f"{stored} -> {parameters}" if stored and parameters and not unused else stored or parameters


def _few(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(clip(name) for name in names[:_NAMES]) + rest


def _cut(lines: list[Cells], empty: int) -> list[Cells]:
    """A terminal's length of rows; the last one stays."""
    left = len(lines) - _LONGEST_LIST
    if left <= 0:
        return lines
    more = (f"and {left} more; --format json has them all", *[""] * empty)
    return [*lines[: _LONGEST_LIST - 1], (more, ""), lines[-1]]
