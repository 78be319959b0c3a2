"""A derived formula for a terminal and as Markdown: whether it is confirmed first, then the formula."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from verify.derivation import Case, Derivation, Requirement, Row, Switch
from verify.render.drawing import Cells, drawn, table
from verify.render.escape import code, prose
from verify.render.text import number, signed, visible

if TYPE_CHECKING:
    from rich.console import Console

_TERMS = ("tensor", "axes", "tensors", "elements")
_SWITCHES = ("with", "adds to the formula", "elements", "tensors")

#: Tensors that the row of a switch names; the rest is counted.
_NAMED = 2


def render(found: Derivation, *, verbose: bool = False, width: int | None = None, color: bool | None = None) -> str:
    """A derivation as text for a terminal.

    Args:
        found: The derivation.
        verbose: Whether to print the conditions that no reader needs.
        width: Columns; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """

    def draw(console: "Console") -> None:
        console.print(visible(verdict(found)), style="bold red" if found.failures else "bold")
        for line in (*opening(found), ""):
            console.print(visible(line))
        for case in found.cases:
            _draw_case(console, found, case, verbose=verbose)
        if found.switches.changes:
            console.print("booleans that change it", style="bold")
            for name, what, elements, tensors in switches(found):
                console.print(visible(f"  {name}   {elements}"))
                console.print(visible(f"    {what}"))
                console.print(visible(f"    {tensors}"))
            console.print()
        for line in remarks(found):
            console.print(visible(line))

    return drawn(draw, width, color)


def render_markdown(found: Derivation, *, verbose: bool = False) -> str:
    """A derivation as Markdown."""
    parts = [f"# {prose(f'{found.model_type}: {found.class_name}')}", prose(verdict(found))]
    parts += [prose(line) for line in opening(found)]
    for case in found.cases:
        parts += _markdown_case(found, case, verbose=verbose)
    if found.switches.changes:
        shown = [(code(name), _formula(what), *map(code, rest)) for name, what, *rest in switches(found)]
        parts += ["## Booleans that change it", _grid(_SWITCHES, shown)]
    parts += ["## How it was confirmed", *(prose(line) for line in remarks(found))]
    return "\n\n".join(parts) + "\n"


def verdict(found: Derivation) -> str:
    """The first line: whether the formula is confirmed, and if not why."""
    what = f"{found.model_type}  {found.class_name}"
    if not found.failures:
        return f"CONFIRMED  {what}"
    return f"UNCONFIRMED  {what}: {'; '.join(found.failures)}"


def opening(found: Derivation) -> Iterator[str]:
    """What was derived from what, and what it comes to."""
    at = f"at {found.given}" + (f" ({found.revision})" if found.revision else "")
    if found.parameters is not None:
        buffers = f"{number(found.buffers)} elements of" if found.buffers else "no"
        yield f"{number(found.parameters)} parameters and {buffers} persistent buffers {at}"
    elif found.cases:
        yield f"no case below holds {at}"
    yield f"from {found.source}, transformers {found.transformers}"
    if found.note:
        yield found.note


def remarks(found: Derivation) -> Iterator[str]:
    """What booleans do besides, and how all of it was tested."""
    booleans, known = found.switches, found.confirmed
    if booleans.idle:
        yield f"booleans that change nothing: {', '.join(booleans.idle)}"
    for path, why in booleans.rejected:
        yield f"{path} cannot be flipped: {why}"
    if booleans.note:
        yield f"booleans together: {booleans.note}"
    elif booleans.configurations:
        yield (
            f"booleans together: their changes add up, on {booleans.configurations} random configurations with "
            "several flipped at random"
        )
    yield (
        f"{'' if known.failure else 'confirmed: '}{known.configurations} random configurations in a row of the real "
        "class on the meta device were predicted, in total and shape by shape"
    )
    if known.varied:
        yield f"varied among them: {', '.join(known.varied)}"
    if known.never:
        yield f"never varied: {', '.join(known.never)}"
    for what, where in known.lost if known.failure else ():
        yield f"turned into a plain number: {what} ({where})"


def switches(found: Derivation) -> Iterator[tuple[str, str, str, str]]:
    """A row for each boolean that changes the formula, and for each combination that has to be named."""
    for switch in found.switches.changes:
        confirmed = "" if not switch.failure else " UNCONFIRMED"
        yield f"{switch.name}{confirmed}", switch.text or "-", signed(switch.parameters), _tensors(switch)


def heading(found: Derivation, case: Case) -> str:
    """What tells a case from the others; "" where there is one alone."""
    if len(found.cases) == 1:
        return ""
    shared = set.intersection(*({each.text for each in one.requirements} for one in found.cases))
    own = [each.text for each in case.requirements if each.text not in shared and not each.trivial]
    here = ", which the given configuration is in" if case.given else ""
    at = f"case {found.cases.index(case) + 1} of {len(found.cases)}{here}"
    return f"{at}: {' and '.join(own) or 'where no other holds'}"


def groups(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """The terms by where they occur: the module, which of its indices, and the terms; persistent buffers last."""
    found: dict[tuple[bool, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.kind == "buffer", row.module, row.place), []).append(row)
    for (buffers, module, _), members in sorted(found.items(), key=lambda item: item[0][0]):
        title = module or "outside of the layers"
        yield (f"persistent buffers, {title}" if buffers else title), _place(members[0]), members


def conditions(case: Case, *, verbose: bool) -> tuple[list[Requirement], int]:
    """The conditions that are printed, and how many are not."""
    shown = [each for each in case.requirements if verbose or not each.trivial]
    return shown, len(case.requirements) - len(shown)


def _place(row: Row) -> str:
    """The indices that a term has, with their number where it has not all of them."""
    parts = []
    for repeat in row.repeats:
        known = repeat.where and repeat.count and not repeat.count.isdecimal()
        parts.append(f"{repeat.text} ({repeat.count} of {repeat.stop})" if known else repeat.text)
    return ", ".join(parts)


def _draw_case(console: "Console", found: Derivation, case: Case, *, verbose: bool) -> None:
    if title := heading(found, case):
        console.print(visible(title), style="bold")
    for line in case.lines:
        console.print(visible(line))
    console.print()
    columns = _TERMS if case.given else _TERMS[:2]
    rows: list[Cells] = []
    for module, place, members in groups(case.rows):
        rows.append(((visible(module), visible(place), "", "")[: len(columns)], "bold"))
        for row in members:
            cells = (f"  {row.inner}", _axes(row), *_sizes(row))[: len(columns)]
            rows.append((tuple(map(visible, cells)), ""))
    table(console, columns, rows, right=set(range(2, len(columns))))
    shown, left = conditions(case, verbose=verbose)
    for line in _required(shown, left):
        console.print(visible(line))
    console.print()


def _required(shown: Iterable[Requirement], left: int) -> Iterator[str]:
    yield "holds where" if shown or left else "holds everywhere"
    for each in shown:
        yield f"  {each.text}" + "".join(f"   {said}" for said in (each.where, each.trivial) if said)
    if left:
        yield f"  and {left} trivial condition{'s' * (left != 1)}; -v prints them"


def _axes(row: Row) -> str:
    alone = len(row.axes) == 1
    return " x ".join(axis if alone or _single(axis) else f"({axis})" for axis in row.axes) or "1"


def _single(axis: str) -> bool:
    """Whether an axis reads as one word, or as one call."""
    return not set(axis) & set(" *+/%") or (axis.endswith(")") and axis.partition("(")[0].isidentifier())


def _sizes(row: Row) -> tuple[str, str]:
    return number(row.tensors), number(row.elements)


def _tensors(switch: Switch) -> str:
    """The tensors that there are with it and those that there are not."""
    parts = [_few("+", switch.added), _few("-", switch.removed)]
    return "; ".join(filter(None, parts)) or "-"


def _few(sign: str, rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.name for row in rows))
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{sign} {', '.join(names[:_NAMED])}{rest}" if names else ""


def _markdown_case(found: Derivation, case: Case, *, verbose: bool) -> Iterator[str]:
    if title := heading(found, case):
        yield f"## {prose(title)}"
    yield "\n".join(("```text", *map(visible, case.lines), "```"))
    columns = _TERMS if case.given else _TERMS[:2]
    rows: list[Sequence[str]] = []
    for module, place, members in groups(case.rows):
        rows.append((f"**{prose(module)}**", _formula(place) if place else "", "", "")[: len(columns)])
        rows += [(code(row.name), _formula(_axes(row)), *_sizes(row))[: len(columns)] for row in members]
    yield _grid(columns, rows)
    shown, left = conditions(case, verbose=verbose)
    first, *lines = _required(shown, left)
    yield f"{first}\n\n" + "\n".join(f"* {prose(line.strip())}" for line in lines)


def _formula(text: str) -> str:
    """A formula in a cell of a Markdown table, whole however long it is."""
    return f"`{visible(text)}`" if "`" not in text and "|" not in text else prose(text)


def _grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    from verify.render.markdown import grid

    return grid(columns, rows, left=2)
