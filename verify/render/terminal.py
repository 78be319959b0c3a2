"""Tables for a terminal.

A check, a breakdown and a formula; lists of models are in `lists.py`, how tables are drawn in `drawing.py`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verify.formula import Formula
from verify.render.drawing import Cells, drawn
from verify.render.drawing import table as draw_table
from verify.render.groups import Alike, Table, layer_totals, layers_alike, table
from verify.render.markdown import factor
from verify.render.summary import DECLARED, STRENGTHS, caveats, headline, otherwise, outcome
from verify.render.text import LONGEST_PROSE, clip, number, percent, ranges, ratio, signed, visible
from verify.render.triangulation import draw as draw_triangulation
from verify.roles import Kind
from verify.verification import UNCLASSIFIED, Row, Verdict, Verification

if TYPE_CHECKING:
    from rich.console import Console

#: Lists longer than this are cut, with a count.
LONGEST_LIST = 20

_COLOURS = {Verdict.EXACT: "green", Verdict.EXPLAINED: "green", Verdict.UNEXPLAINED: "red", Verdict.UNCHECKED: "yellow"}

#: The numbers of a breakdown, after the column that says what they are about.
_COLUMNS = ("tensors", "expected", "measured", "difference", "exp/meas", "share %")


def render(verification: Verification, *, width: int | None = None, color: bool | None = None) -> str:
    """A verification as text for a terminal, ending in a newline.

    Args:
        verification: What to show.
        width: Columns; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """
    return drawn(lambda console: _check(console, verification), width, color)


def render_breakdown(
    verification: Verification, *, layers: bool = False, width: int | None = None, color: bool | None = None
) -> str:
    """The breakdown by role and layer type, or by layer, as text for a terminal.

    Args:
        verification: What to show.
        layers: A line for each layer index, then what one layer of each sort holds.
        width: Columns; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """

    def draw(console: "Console") -> None:
        _title(console, verification.model, verification.architecture)
        if layers:
            _layers(console, verification)
            _unclassified(console, verification)
        else:
            _breakdown(console, table(verification))

    return drawn(draw, width, color)


def render_formula(
    formula: Formula,
    *,
    model: str,
    architecture: str = "",
    model_type: str = "",
    unread: Sequence[str] = (),
    width: int | None = None,
    color: bool | None = None,
) -> str:
    """A formula as text for a terminal: total, closed form with its legend, terms with their axes, LaTeX.

    Args:
        formula: The formula.
        model: The model or family it was asked for.
        architecture: The class named in the config.
        model_type: The `model_type` of the config.
        unread: Config keys that nobody read.
        width: Columns; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """

    def draw(console: "Console") -> None:
        _title(
            console, model, ", ".join(filter(None, (architecture, f"model_type {model_type}" if model_type else "")))
        )
        buffers = formula.count(Kind.BUFFER)
        beside = f" and {number(buffers)} elements of persistent buffers" if buffers else ""
        console.print(f"{number(formula.count())} parameters{beside}\n\n{visible(formula.text(letters=True))}\n")
        draw_table(console, ("", "config name", "value", "from"), _legend(formula), right={2})
        draw_table(console, ("layer type", "axes", "shape", "layers", "elements"), _terms(formula), right={2, 3, 4})
        _points(console, "layers", _conditions(formula))
        _points(console, "counted by other conventions", otherwise(formula))
        _points(console, "source", [formula.source] if formula.source else [])
        _points(console, "config keys that no formula read", unread)
        console.print(f"LaTeX: {visible(formula.latex())}", soft_wrap=True)

    return drawn(draw, width, color)


def _check(console: "Console", verification: Verification) -> None:
    evidence = verification.evidence
    _title(console, verification.model, verification.architecture, verification.verdict)
    console.print(f"{headline(verification)} {outcome(verification)}\n")
    where = ", ".join(filter(None, (evidence.source, visible(evidence.where), visible(evidence.revision))))
    console.print(f"evidence: {evidence.strength} ({STRENGTHS[evidence.strength]}); {where}\n", style="dim")
    _breakdown(console, table(verification))
    _findings(console, verification)
    _declared(console, verification)
    _comparisons(console, verification)
    if verification.triangulation:
        draw_triangulation(console, verification.triangulation)
    _points(console, "config keys that no formula read", verification.unread)
    _points(console, "notes", (*verification.notes, *caveats(verification)))


def _title(console: "Console", model: str, about: str, verdict: Verdict | None = None) -> None:
    from rich.text import Text

    line = Text(clip(model), style="bold")
    if about:
        line.append(f"  {clip(about)}", style="not bold dim")
    if verdict:
        line = Text.assemble((str(verdict).upper(), f"bold {_COLOURS[verdict]}"), "  ", line)
    console.print(line)


def _breakdown(console: "Console", shown: Table) -> None:
    """Roles with their layer types below them; an approximation speaks of the roles only."""
    columns = ("layer type", *_COLUMNS[:2], shown.reference, *_COLUMNS[3:])
    # Six columns fit 80 characters: a ratio says something about approximations, the tensors about the rest.
    keep = (0, 2, 3, 4, 5, 6) if shown.approximation else (0, 1, 2, 3, 4, 6)
    lines: list[Cells] = []
    for group in shown.groups:
        lines.append((_counts(group.total, group.total.layer_type), "bold"))
        rows = group.rows[:LONGEST_LIST] if group.total.kind == UNCLASSIFIED else group.rows
        for row in rows:
            cells = _counts(row, f"  {_part(row)}")
            if shown.approximation:
                cells = (*cells[:2], "", cells[3], "", "", cells[6])
            lines.append((cells, "yellow" if row.difference else ""))
        if len(rows) < len(group.rows):
            lines.append(((f"  and {len(group.rows) - len(rows)} more", *[""] * 6), ""))
    lines.append((_counts(shown.total, "all parameters"), "bold"))
    chosen = [([cells[place] for place in keep], style) for cells, style in lines]
    draw_table(console, [columns[place] for place in keep], chosen, right=set(range(1, 6)))


def _part(row: Row) -> str:
    """The layer type without the role that stands above it; whole where it does not begin with it."""
    return clip(row.layer_type.removeprefix(f"{row.role}.") if row.kind == Kind.PARAMETER else row.layer_type)


def _counts(row: Row, title: str) -> tuple[str, ...]:
    return (
        title,
        number(row.tensors),
        number(row.expected),
        number(row.measured),
        signed(row.difference),
        ratio(row.ratio),
        percent(row.share).removesuffix(" %"),
    )


def _layers(console: "Console", verification: Verification) -> None:
    """Every layer index, then the content of each sort of layer, then what stands outside."""
    rows = verification.rows(layers=True)
    _layer_table(console, "layer", layer_totals(rows), [str(row.layer) for row in layer_totals(rows)])
    for alike in layers_alike(rows):
        _layer_table(console, _which(alike), alike.rows)
    outside = [row for row in rows if row.layer is None and row.kind != UNCLASSIFIED]
    _layer_table(console, "outside the layers", outside)


def _layer_table(console: "Console", title: str, rows: Sequence[Row], names: Sequence[str] = ()) -> None:
    """Rows without groups, called by their layer type unless `names` says otherwise."""
    names = names or [clip(row.layer_type) for row in rows]
    counts = [_counts(row, name) for row, name in zip(rows, names, strict=True)]
    lines: list[Cells] = [
        ((*cells[:5], cells[6]), "yellow" if row.difference else "") for row, cells in zip(rows, counts, strict=True)
    ]
    draw_table(console, (title, *_COLUMNS[:4], _COLUMNS[5]), lines, right=set(range(1, 6)))


def _which(alike: Alike) -> str:
    one = len(alike.indices) == 1
    return f"layer {alike.indices[0]}" if one else f"each of layers {ranges(alike.indices)}"


def _findings(console: "Console", verification: Verification) -> None:
    found = verification.findings
    lines: list[Cells] = [
        (
            (
                "proven" if each.explained else "NOT EXPLAINED",
                str(each.cause),
                signed(each.elements),
                clip(each.slot),
                visible(each.detail),
            ),
            "" if each.explained else "red",
        )
        for each in found[:LONGEST_LIST]
    ]
    draw_table(console, ("finding", "cause", "elements", "where", "why"), lines, right={2})
    _rest(console, found)


def _declared(console: "Console", verification: Verification) -> None:
    lines: list[Cells] = [
        (
            (
                DECLARED[each.declared.kind] + (f" ({clip(each.declared.dtype)})" if each.declared.dtype else ""),
                number(each.declared.value),
                number(each.counted),
                number(each.expected),
                signed(each.difference),
                visible(each.how),
                visible(each.declared.source),
            ),
            "" if each.explained or each.computed is None else "red",
        )
        for each in verification.declared
    ]
    columns = ("number", "declared", "counted", "expected", "difference", "counted as", "declared by")
    draw_table(console, columns, lines, right={1, 2, 3, 4})


def _comparisons(console: "Console", verification: Verification) -> None:
    lines: list[Cells] = [
        (
            (
                f"{visible(each.left)} / {visible(each.right)}",
                number(each.left_parameters),
                number(each.right_parameters),
                "agree" if each.agree else "DIFFER",
                visible(each.note),
            ),
            "" if each.agree else "red",
        )
        for each in verification.comparisons
    ]
    draw_table(console, ("compared", "the one", "the other", "", "note"), lines, right={1, 2})


def _unclassified(console: "Console", verification: Verification) -> None:
    tensors = verification.measured.unclassified if verification.measured else ()
    names = [f"{clip(each.name)} {each.dtype} {list(each.shape)}" for each in tensors]
    _points(console, "tensors that no name table knows", names)


def _legend(formula: Formula) -> list[Cells]:
    return [
        (
            (
                visible(each.letter) if each.letter != each.name else "",
                visible(each.name),
                number(each.value),
                visible(each.definition) or "config.json",
            ),
            "",
        )
        for each in formula.symbols
    ]


def _terms(formula: Formula) -> list[Cells]:
    lines: list[Cells] = []
    for term in formula.terms:
        copies = f"{term.copies.value} x " if term.copies.value != 1 else ""
        where = ranges(term.layers.indices) if term.layers else "-"
        axes = " x ".join(factor(axis) for axis in term.axes)
        shape = copies + str(list(term.shape))
        lines.append(((str(term.slot), axes, shape, where, number(term.count)), ""))
    return lines


def _conditions(formula: Formula) -> list[str]:
    """Which layers a set of indices means, where they are not all of them."""
    found = (term.layers for term in formula.terms if term.layers and term.layers.text)
    return list(dict.fromkeys(f"{ranges(layers.indices)}: {layers.text}" for layers in found))


def _points(console: "Console", title: str, texts: Sequence[str]) -> None:
    from rich.padding import Padding

    if not texts:
        return
    console.print(title, style="bold")
    for text in texts[:LONGEST_LIST]:
        console.print(Padding(clip(text, LONGEST_PROSE), (0, 0, 0, 2)))
    _rest(console, texts)
    console.print()


def _rest(console: "Console", found: Sequence[object]) -> None:
    if len(found) > LONGEST_LIST:
        console.print(f"  and {len(found) - LONGEST_LIST} more; --format json has them all\n", style="dim")
