"""Where the gap between a stated formula and a checkpoint comes from, role by role.

An approximation cannot be compared tensor by tensor: it has no shapes. It is compared by role, or by slot
where it says so much; the gaps always sum to the whole difference.
"""

from collections.abc import Iterator

from verify.breakdown import Breakdown
from verify.explain import Finding
from verify.published import Stated, read_slot
from verify.roles import Cause, Kind, Role

#: The slot of a finding about a formula that states nothing but a total.
WHOLE = "model"


def attribute(stated: Stated, measured: Breakdown) -> tuple[Finding, ...]:
    """Account for the difference between a stated formula and a checkpoint.

    Args:
        stated: What the formula comes to.
        measured: What the checkpoint holds.

    Returns:
        One finding for each role, or each stated slot, that differs, in elements measured minus stated; one
        for the whole model where only a total is stated. They sum to the difference of the totals.
    """
    return tuple(finding for finding in _all(stated, measured) if finding.elements)


def _all(stated: Stated, measured: Breakdown) -> Iterator[Finding]:
    if not stated.by_role:
        yield _finding(WHOLE, stated.total, _named(measured.by_role()))
        return
    slots = _slots(measured)
    for role in Role:
        holds = slots.get(role, {})
        by_slot = {text: count for text, count in stated.by_slot.items() if read_slot(text).role is role}
        if by_slot:
            for slot in dict.fromkeys((*by_slot, *holds)):
                yield _finding(slot, by_slot.get(slot, 0), {slot: holds[slot]} if slot in holds else {})
        else:
            yield _finding(str(role), stated.by_role.get(role, 0), holds)


def _slots(measured: Breakdown) -> dict[Role, dict[str, int]]:
    """Measured parameters by role and slot; what no table knows is `unclassified`, under `other`."""
    slots: dict[Role, dict[str, int]] = {}
    for slot, (_, elements) in measured.by_slot().items():
        if slot.kind is Kind.PARAMETER:
            slots.setdefault(slot.role, {})[str(slot)] = elements
    if measured.unclassified:
        slots.setdefault(Role.OTHER, {})["unclassified"] = sum(tensor.elements for tensor in measured.unclassified)
    return slots


def _named(by_role: dict[Role, int]) -> dict[str, int]:
    return {str(role): elements for role, elements in by_role.items()}


def _finding(slot: str, stated: int, holds: dict[str, int]) -> Finding:
    """Compare one number with the parts that are measured for it."""
    total = sum(holds.values())
    parts = " + ".join(f"{name} {elements:,}" for name, elements in holds.items())
    detail = f"stated {stated:,}, measured {total:,}" + (f": {parts}" if parts else "")
    return Finding(Cause.APPROXIMATION, total - stated, slot, explained=False, detail=detail)
