"""Recorded numbers of a checkpoint whose headers are at hand: what they count is simply counted."""

from collections.abc import Iterable

from verify.breakdown import Breakdown
from verify.declared.check import DeclaredCheck
from verify.evidence.base import Declared, DeclaredKind
from verify.explain import Finding
from verify.roles import Cause, Kind


def compare(declared: Iterable[Declared], measured: Breakdown) -> tuple[DeclaredCheck, ...]:
    """Hold each recorded number against the headers.

    A number of elements may leave out buffers (as `save_pretrained` does) or bookkeeping (as the Hub does for
    some schemes); a number of bytes may not. Files are larger than their data by their headers.

    Args:
        declared: The recorded numbers.
        measured: What the headers hold.
    """
    return tuple(_check(number, measured) for number in declared)


def findings(checks: Iterable[DeclaredCheck]) -> tuple[Finding, ...]:
    """A finding for each number that is wrong; the headers prove it, so it says nothing against the formula."""
    return tuple(
        Finding(
            Cause.DECLARED,
            0,
            str(check.declared.kind),
            explained=True,
            detail=f"{check.declared.value:,} recorded by {check.declared.source}, the headers hold {check.computed:,}",
        )
        for check in checks
        if not check.explained and check.computed is not None
    )


def _check(number: Declared, measured: Breakdown) -> DeclaredCheck:
    data = measured.bits // 8
    match number.kind:
        case DeclaredKind.INDEX_BYTES | DeclaredKind.PAYLOAD_BYTES:
            return DeclaredCheck(number, data, "bytes of data in the headers", explained=number.value == data)
        case DeclaredKind.FILE_BYTES:
            how = "bytes of data; the rest is headers"
            return DeclaredCheck(number, data, how, explained=number.value > data)
        case DeclaredKind.HUB_TOTAL | DeclaredKind.TOTAL_PARAMETERS:
            counts = _counts(measured)
            how = next((name for name, count in counts.items() if count == number.value), "all stored elements")
            return DeclaredCheck(number, counts[how], how, explained=number.value == counts[how])
    return DeclaredCheck(number, None, "not comparable with headers", explained=True)


def _counts(measured: Breakdown) -> dict[str, int]:
    """The ways to count elements, by what they include."""
    parameters, buffers, bookkeeping = (measured.total(kind) for kind in Kind)
    return {
        "all stored elements": measured.elements or parameters + buffers + bookkeeping,
        "parameters and buffers, no bookkeeping": parameters + buffers,
        "parameters": parameters,
    }
