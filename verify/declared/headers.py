"""Recorded numbers of a checkpoint whose headers are at hand: what they count is simply counted."""

from collections.abc import Iterable

from msgspec.structs import replace

from verify.breakdown import Breakdown
from verify.declared.check import DeclaredCheck
from verify.evidence.base import Declared, DeclaredKind
from verify.explain import Finding
from verify.roles import Cause, Kind

#: What a number of elements may count.
_ALL = "all stored elements"
_UNPACKED = "parameters and buffers, no bookkeeping"
_PARAMETERS = "parameters"

#: Causes whose elements are of one kind, and the counts that leave them out.
_LEFT_OUT = {Cause.SCALES: (_UNPACKED, _PARAMETERS), Cause.STORED_BUFFER: (_PARAMETERS,)}


def compare(declared: Iterable[Declared], measured: Breakdown) -> tuple[DeclaredCheck, ...]:
    """Hold each recorded number against the headers.

    A number of elements may leave out buffers (as `save_pretrained` does) or bookkeeping (as the Hub does for
    some schemes); a number of bytes may not. Files are larger than their data by their headers.

    Args:
        declared: The recorded numbers.
        measured: What the headers hold.
    """
    declared = tuple(declared)
    shared = sum(number.value for number in declared if number.kind is DeclaredKind.STORAGE_BYTES)
    return tuple(_check(number, measured, shared or measured.bits // 8) for number in declared)


def expect(
    checks: Iterable[DeclaredCheck], expected: Breakdown, measured: Breakdown, proven: Iterable[Finding]
) -> tuple[DeclaredCheck, ...]:
    """Add what the formula says of each number of elements.

    Nothing is said of a number of bytes, because a formula knows no types, nor of elements in packed form.

    Args:
        checks: The numbers beside what the headers hold.
        expected: What the formula predicts.
        measured: What the headers hold.
        proven: The differences that the evidence itself explains.
    """
    parameters, buffers = expected.total(Kind.PARAMETER), expected.total(Kind.BUFFER)
    packed = measured.elements != sum(measured.total(kind) for kind in Kind)
    own = {_ALL: None if packed else parameters + buffers, _UNPACKED: parameters + buffers, _PARAMETERS: parameters}
    findings = [found for found in proven if found.explained and found.elements]
    return tuple(replace(check, expected=_with(own.get(check.how), check.how, findings)) for check in checks)


def _with(own: int | None, how: str, findings: Iterable[Finding]) -> int | None:
    """What the formula gives with the proven differences; None where one of them is of several kinds."""
    if own is None:
        return None
    counted = [found for found in findings if how not in _LEFT_OUT.get(found.cause, ())]
    mixed = how == _PARAMETERS and any(found.cause is Cause.MTP_LAYER for found in counted)
    return None if mixed else own + sum(found.elements for found in counted)


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


def _check(number: Declared, measured: Breakdown, data: int) -> DeclaredCheck:
    match number.kind:
        case DeclaredKind.STORAGE_BYTES:
            how = "bytes of data, of tensors that share it once"
            return DeclaredCheck(number, None, how, explained=True, counted=number.value)
        case DeclaredKind.INDEX_BYTES | DeclaredKind.PAYLOAD_BYTES:
            how = "bytes of data in the headers"
            return DeclaredCheck(number, None, how, explained=number.value == data, counted=data)
        case DeclaredKind.FILE_BYTES:
            how = "bytes of data; the rest is headers"
            return DeclaredCheck(number, None, how, explained=number.value > data, counted=data)
        case DeclaredKind.HUB_TOTAL | DeclaredKind.TOTAL_PARAMETERS:
            counts = _counts(measured)
            how = next((name for name, count in counts.items() if count == number.value), _ALL)
            return DeclaredCheck(number, None, how, explained=number.value == counts[how], counted=counts[how])
    return DeclaredCheck(number, None, "not comparable with headers", explained=True)


def _counts(measured: Breakdown) -> dict[str, int]:
    """The ways to count elements, by what they include."""
    parameters, buffers, bookkeeping = (measured.total(kind) for kind in Kind)
    return {
        _ALL: measured.elements or parameters + buffers + bookkeeping,
        _UNPACKED: parameters + buffers,
        _PARAMETERS: parameters,
    }
