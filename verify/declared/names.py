"""Recorded tensor names against a formula: how many tensors each slot has in each layer."""

from collections import Counter
from collections.abc import Iterable, Iterator

from verify.breakdown import Cell, Key, expect
from verify.evidence import packing
from verify.evidence.packing import Scheme
from verify.explain import Finding
from verify.formula import Formula, Term
from verify.names import NameTable, Place
from verify.roles import Cause, Fused, Kind, Role, Slot


def stored(formula: Formula, table: NameTable, names: Iterable[str], method: Scheme = "") -> frozenset[Key]:
    """The slots and layers that the recorded names prove to be stored, complete ones only.

    Args:
        formula: The formula, with its extras.
        table: The names of the family.
        names: Names of the stored tensors.
        method: How they are quantised.
    """
    counts, _, _ = _count(formula, table, tuple(names), method)
    expected = _expected(formula)
    return frozenset(key for key, number in counts.items() if number == expected.get(key, number))


def names_differences(
    formula: Formula, table: NameTable, names: Iterable[str], method: Scheme = ""
) -> tuple[Finding, ...]:
    """Everything in which recorded names and formula differ and that no extra explains.

    An extra explains its tensors when all of them are there; part of one explains nothing. A head that is
    missing as a whole is no difference when the names carry no prefix, so that a bare model was saved.

    Args:
        formula: The formula, with its extras.
        table: The names of the family.
        names: Names of the stored tensors.
        method: How they are quantised.

    Returns:
        Unexplained findings: names that are in no table, and one per slot with too few or too many tensors.
    """
    counts, unclassified, prefixed = _count(formula, table, tuple(names), method)
    expected = {key: cell.tensors for key, cell in expect(formula.terms).items()}
    for extra in formula.additions:
        cells = expect(extra.terms)
        if all(counts[key] == cell.tensors and key not in expected for key, cell in cells.items()):
            expected.update({key: cell.tensors for key, cell in cells.items()})
    for extra in formula.extras:
        absent = expect(extra.terms) if extra.absent else {}
        if not any(counts[key] for key in absent):
            expected = {key: number for key, number in expected.items() if key not in absent}
    heads = [key for key in expected if key[0].role is Role.HEAD]
    if not prefixed and not any(counts[key] for key in heads):
        for key in heads:
            del expected[key]
    return (
        *(Finding(Cause.UNCLASSIFIED, 0, name, explained=False, detail="in no table") for name in unclassified),
        *_differences(formula, expected, counts),
    )


def _expected(formula: Formula) -> dict[Key, int]:
    """Tensors by slot and layer, extras included; where two extras share a slot, either number will do."""
    expected = {key: cell.tensors for extra in formula.additions for key, cell in expect(extra.terms).items()}
    return expected | {key: cell.tensors for key, cell in expect(formula.terms).items()}


def _count(
    formula: Formula, table: NameTable, names: tuple[str, ...], method: Scheme
) -> tuple[Counter[Key], list[str], bool]:
    """Tensors by slot and layer, the names that are in no table, and whether any carries a prefix."""
    expected = _expected(formula)
    suffixes = frozenset(_suffixes(formula))
    owners = packing.owners(names, method)
    counts: Counter[Key] = Counter()
    unclassified: list[str] = []
    prefixed = not table.prefixes
    for name in names:
        owner, suffix = owners.get(name, ("", ""))
        place, suffix = (table.find(owner), suffix) if owner else _place(table, name, suffixes)
        if place is None:
            unclassified.append(name)
            continue
        prefixed |= place.prefixed
        for slot in place.entry.slots if isinstance(place.entry, Fused) else (place.entry,):
            key = (_beside(slot, suffix) if suffix else slot, place.layer)
            if owner and suffix and key not in expected:
                continue  # what only unpacks a weight is no difference where no group speaks of it
            stacked = isinstance(place.entry, Fused) and place.entry.stacked
            # A stacked tensor holds one slot of all experts; how many those are only its shape would tell.
            counts[key] += expected.get(key, 1) if stacked else 1
    return counts, unclassified, prefixed


def _place(table: NameTable, name: str, suffixes: frozenset[str]) -> tuple[Place | None, str]:
    """Where a tensor belongs; bookkeeping belongs beside its weight, with the suffix that says what it is."""
    module, _, last = name.rpartition(".")
    if last in suffixes:
        return table.find(f"{module}.weight"), last
    return table.find(name), ""


def _suffixes(formula: Formula) -> Iterator[str]:
    for terms in (formula.terms, *(extra.terms for extra in formula.additions)):
        yield from (term.slot.part.rpartition(".")[2] for term in terms if term.slot.kind is Kind.BOOKKEEPING)


def _beside(slot: Slot, suffix: str) -> Slot:
    return Slot(slot.role, f"{slot.part}.{suffix}", Kind.BOOKKEEPING, slot.stack)


def _differences(formula: Formula, expected: dict[Key, int], counts: Counter[Key]) -> Iterator[Finding]:
    """One finding per slot and direction."""
    sizes = {key: cell.elements // cell.tensors for key, cell in _cells(formula)}
    grouped: dict[tuple[str, Cause], list[Key]] = {}
    for key in dict.fromkeys((*expected, *counts)):
        difference = counts[key] - expected.get(key, 0)
        if difference:
            grouped.setdefault((str(key[0]), Cause.EXTRA if difference > 0 else Cause.MISSING), []).append(key)
    for (slot, cause), keys in grouped.items():
        elements = sum((counts[key] - expected.get(key, 0)) * sizes.get(key, 0) for key in keys)
        wanted = sum(expected.get(key, 0) for key in keys)
        layers = [layer for _, layer in keys if layer is not None]
        where = f"{len(layers)} layers, first {layers[0]}: " if layers else ""
        detail = f"{where}expected {wanted} tensors, {sum(counts[key] for key in keys)} recorded"
        yield Finding(cause, elements, slot, explained=False, detail=detail)


def _cells(formula: Formula) -> Iterator[tuple[Key, Cell]]:
    terms: list[Iterable[Term]] = [*(extra.terms for extra in formula.additions), formula.terms]
    for some in terms:
        yield from expect(some).items()
