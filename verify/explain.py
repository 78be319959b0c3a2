"""Why a checkpoint and a formula differ: causes that the evidence itself proves.

A formula says, besides what a model has, what a checkpoint of it may hold: stored buffers, the copy of
a tied head, a multi-token-prediction layer, quantisation scales, another head. Each such group
explains a difference only when every one of its tensors is there, in the predicted shape. What no
group explains stays unexplained, and fails. What only serves to unpack quantised weights is no parameter:
where no group speaks of it, it is explained by the unpacking itself, which holds it against its weights.
"""

from collections.abc import Iterable, Mapping

import msgspec

from verify.breakdown import EMPTY, Breakdown, Cell, Key, expect
from verify.diff import Difference, diff
from verify.evidence.base import Problem
from verify.formula import Extra
from verify.roles import Cause, Kind, Role


class Finding(msgspec.Struct, frozen=True):
    """One thing to report about a checkpoint.

    Attributes:
        cause: Why there is a difference.
        elements: Measured minus expected elements.
        slot: The layer type, or the tensor or file, that it is about.
        explained: Whether the evidence proves that the difference is harmless to the formula.
        detail: One sentence: where, how many, and what proves it.
    """

    cause: Cause
    elements: int
    slot: str
    explained: bool
    detail: str = ""


def explain(
    expected: Mapping[Key, Cell], extras: Iterable[Extra], measured: Breakdown, problems: Iterable[Problem] = ()
) -> tuple[Finding, ...]:
    """Account for every difference between a prediction and a checkpoint.

    Args:
        expected: The cells of the prediction.
        extras: What a checkpoint may hold besides.
        measured: What it holds.
        problems: Contradictions that were found while reading it.
    """
    differences = {(found.slot, found.layer): found for found in diff(expected, measured.cells)}
    groups = tuple(extras)
    return (
        *_extras(groups, differences),
        *_bookkeeping(groups, measured, differences),
        *_missing_head(expected, measured, differences),
        *_unexplained(differences.values()),
        *(
            Finding(Cause.UNCLASSIFIED, tensor.elements, tensor.name, explained=False, detail=f"shape {tensor.shape}")
            for tensor in measured.unclassified
        ),
        *_odd(measured),
        *(
            Finding(Cause.INDEX, 0, problem.subject, explained=not problem.fatal, detail=problem.message)
            for problem in problems
        ),
    )


def _odd(measured: Breakdown) -> list[Finding]:
    """One finding for each element type that no plain weights have."""
    types: dict[str, list[str]] = {}
    for tensor in measured.odd:
        types.setdefault(str(tensor.dtype), []).append(tensor.name)
    return [
        Finding(
            Cause.DTYPE, 0, names[0], explained=False, detail=f"{len(names)} tensors of {dtype}, and no quantisation"
        )
        for dtype, names in types.items()
    ]


def _extras(extras: Iterable[Extra], differences: dict[Key, Difference]) -> list[Finding]:
    """Findings for the extra groups that are there, and for those that are lacking, the largest first.

    What they explain is taken out of `differences`.
    """
    findings = []
    for group in sorted(extras, key=lambda group: -len(group.terms)):
        cells = expect(group.terms)
        proves = _is_lacking if group.absent else _is_surplus
        if cells and all(proves(differences.get(key), cell) for key, cell in cells.items()):
            for key in cells:
                del differences[key]
            slots = dict.fromkeys(str(term.slot) for term in group.terms)
            name = next(iter(slots)) + (f" and {len(slots) - 1} more" if len(slots) > 1 else "")
            elements = -group.count if group.absent else group.count
            findings.append(Finding(group.cause, elements, name, explained=True, detail=group.note))
    return findings


def _bookkeeping(extras: Iterable[Extra], measured: Breakdown, differences: dict[Key, Difference]) -> list[Finding]:
    """One finding for all that belongs to quantised weights and that no group predicts.

    Unpacking has held its shapes against the weights; parts without their weight are not among it. What a group
    predicts must be as predicted.
    """
    predicted = {term.slot for group in extras for term in group.terms}
    found = {
        key: difference.measured
        for key, difference in differences.items()
        if key[0].kind is Kind.BOOKKEEPING and difference.expected == EMPTY and key[0] not in predicted
    }
    flat = sum(cell.tensors for cell in measured.cells.values() if cell.flat)
    if not measured.scheme or not (found or flat):
        return []
    for key in found:
        del differences[key]
    parts = dict.fromkeys(slot.part.rpartition(".")[2] for slot, _ in found)
    detail = f"{sum(cell.tensors for cell in found.values()):,} tensors ({', '.join(parts)}) that fit their weights"
    if flat:
        detail += f"; {flat:,} weights are packed in one line, so that their sizes were compared and not their shapes"
    return [
        Finding(
            Cause.SCALES, sum(cell.elements for cell in found.values()), measured.scheme, explained=True, detail=detail
        )
    ]


def _is_surplus(difference: Difference | None, cell: Cell) -> bool:
    """Whether the checkpoint holds exactly this where the formula has nothing."""
    return difference is not None and difference.expected == EMPTY and difference.measured.shapes == cell.shapes


def _is_lacking(difference: Difference | None, cell: Cell) -> bool:
    """Whether the checkpoint has nothing where the formula has exactly this."""
    return difference is not None and difference.measured == EMPTY and difference.expected.shapes == cell.shapes


def _missing_head(
    expected: Mapping[Key, Cell], measured: Breakdown, differences: dict[Key, Difference]
) -> list[Finding]:
    """A head that the config names and the file lacks, when the names prove a bare backbone was saved."""
    keys = [key for key in expected if key[0].role is Role.HEAD]
    absent = [key for key in keys if key in differences and differences[key].measured == EMPTY]
    if not keys or len(absent) != len(keys) or measured.prefixed or not measured.cells:
        return []
    elements = sum(differences.pop(key).elements for key in absent)
    detail = "the names carry no prefix, so the bare model was saved without its head"
    return [Finding(Cause.OTHER_HEAD, elements, str(keys[0][0]), explained=True, detail=detail)]


def _unexplained(differences: Iterable[Difference]) -> list[Finding]:
    """One finding per slot and cause for what no group explains."""
    grouped: dict[tuple[str, Cause], list[Difference]] = {}
    for found in differences:
        cause = Cause.SHAPE
        if found.measured == EMPTY:
            cause = Cause.MISSING
        elif found.expected == EMPTY:
            cause = Cause.EXTRA
        grouped.setdefault((str(found.slot), cause), []).append(found)
    return [
        Finding(cause, sum(found.elements for found in group), slot, explained=False, detail=_describe(group))
        for (slot, cause), group in grouped.items()
    ]


def _describe(group: list[Difference]) -> str:
    """The layers of a group and the first pair of shapes."""
    layers = [found.layer for found in group if found.layer is not None]
    where = ""
    if layers:
        where = f"layer {layers[0]}: " if len(layers) == 1 else f"{len(layers)} layers, first {layers[0]}: "
    return f"{where}expected {_shapes(group[0].expected.shapes)}, found {_shapes(group[0].measured.shapes)}"


def _shapes(shapes: tuple[tuple[tuple[int, ...], int], ...]) -> str:
    text = [f"{times} x {list(shape)}" if times > 1 else f"{list(shape)}" for shape, times in shapes[:3]]
    return (", ".join(text) + (" ..." if len(shapes) > len(text) else "")) or "nothing"
