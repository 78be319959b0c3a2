"""Elements by slot and layer: what a formula predicts and what a checkpoint holds, in one form."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from verify.evidence.packing import Unpacked
from verify.formula import Term
from verify.names import NameTable, Place
from verify.roles import Fused, Kind, Role, Slot
from verify.tensor import Tensor

#: Element types of indices, masks and packed values, never of plain weights.
WHOLE_NUMBERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})

Key: TypeAlias = tuple[Slot, int | None]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """The tensors of one slot in one layer.

    Attributes:
        shapes: Their shapes, sorted, each as often as it occurs; fused tensors are taken apart first.
        bits: Size of what is stored for them, in bits; 0 on the expected side.
        flat: Whether a file holds them packed in one line, so that their axes are not known.
    """

    shapes: tuple[tuple[Shape, int], ...]
    bits: int = 0
    flat: bool = False

    @property
    def tensors(self) -> int:
        """How many they are."""
        return sum(times for _, times in self.shapes)

    @property
    def elements(self) -> int:
        """How many elements they have."""
        return sum(prod(shape) * times for shape, times in self.shapes)

    def agrees(self, other: "Cell") -> bool:
        """Whether both hold as many tensors of the same shapes, or sizes where one side knows no axes."""
        if self.flat or other.flat:
            return self.sizes == other.sizes
        return self.shapes == other.shapes

    @property
    def sizes(self) -> Counter[int]:
        """How many tensors there are of each number of elements."""
        sizes: Counter[int] = Counter()
        for shape, times in self.shapes:
            sizes[prod(shape)] += times
        return sizes


#: No tensors at all.
EMPTY = Cell(())


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A model taken apart.

    Attributes:
        cells: Tensors by slot and layer; the layer is None outside the layers.
        unclassified: Stored tensors whose name is in no table.
        prefixed: Whether names carry the prefix that a backbone has under a head; true where it has none, so
            that nothing can be read from its absence.
        scheme: How the weights are quantised, or "".
        elements: Elements as they are stored, packed ones not unpacked; 0 on the expected side.
        odd: Tensors that should be weights and have an element type that no unpacked weights have.
    """

    cells: Mapping[Key, Cell]
    unclassified: tuple[Tensor, ...] = ()
    prefixed: bool = False
    scheme: str = ""
    elements: int = 0
    odd: tuple[Tensor, ...] = ()

    def total(self, kind: Kind = Kind.PARAMETER) -> int:
        """Elements of one kind; unclassified tensors count as parameters until proven otherwise."""
        known = sum(cell.elements for (slot, _), cell in self.cells.items() if slot.kind is kind)
        return known + (sum(tensor.elements for tensor in self.unclassified) if kind is Kind.PARAMETER else 0)

    @property
    def bits(self) -> int:
        """Stored size of everything, in bits."""
        return sum(cell.bits for cell in self.cells.values()) + sum(tensor.bits for tensor in self.unclassified)

    def by_role(self, kind: Kind = Kind.PARAMETER) -> dict[Role, int]:
        """Elements of one kind by role, in the order of `Role`; roles without elements are left out."""
        totals: Counter[Role] = Counter()
        for (slot, _), cell in self.cells.items():
            if slot.kind is kind:
                totals[slot.role] += cell.elements
        if kind is Kind.PARAMETER and self.unclassified:
            totals[Role.OTHER] += sum(tensor.elements for tensor in self.unclassified)
        return {role: totals[role] for role in Role if role in totals}

    def by_slot(self) -> dict[Slot, tuple[int, int]]:
        """(tensors, elements) by slot, in order of appearance."""
        totals: dict[Slot, tuple[int, int]] = {}
        for (slot, _), cell in self.cells.items():
            tensors, elements = totals.get(slot, (0, 0))
            totals[slot] = (tensors + cell.tensors, elements + cell.elements)
        return totals


def expect(terms: Iterable[Term]) -> dict[Key, Cell]:
    """The cells that terms predict."""
    shapes: dict[Key, Counter[Shape]] = {}
    for term in terms:
        for layer in term.indices:
            shapes.setdefault((term.slot, layer), Counter())[term.shape] += term.copies.value
    return {key: Cell(tuple(sorted(count.items()))) for key, count in shapes.items()}


def measure(unpacked: Unpacked, table: NameTable) -> Breakdown:
    """Sort stored tensors into slots and layers by their names.

    Args:
        unpacked: The checkpoint's logical tensors and its bookkeeping tensors.
        table: The names of the family.
    """
    shapes: dict[Key, Counter[Shape]] = {}
    bits: Counter[Key] = Counter()
    flat: set[Key] = set()
    odd: list[Tensor] = []
    prefixed = not table.prefixes
    placed, unclassified = _placed(unpacked, table)
    for tensor, stored_bits, place in placed:
        prefixed |= place.prefixed
        parts = _parts(place.entry, tensor.shape)
        for slot, shape, times in parts:
            shapes.setdefault((slot, place.layer), Counter())[shape] += times
            bits[slot, place.layer] += stored_bits // len(parts)
            if tensor.name in unpacked.flat:
                flat.add((slot, place.layer))
        if not unpacked.scheme and parts[0][0].kind is Kind.PARAMETER and tensor.dtype.name in WHOLE_NUMBERS:
            odd.append(tensor)
    for tensor, owner, part in unpacked.bookkeeping:
        home = table.find(owner)
        if home is None:
            unclassified.append(tensor)
            continue
        first = home.entry.slots[0] if isinstance(home.entry, Fused) else home.entry
        key = (Slot(first.role, f"{first.part}.{part}", Kind.BOOKKEEPING, first.stack), home.layer)
        shapes.setdefault(key, Counter())[tensor.shape] += 1
        bits[key] += tensor.bits
    cells = {key: Cell(tuple(sorted(count.items())), bits[key], key in flat) for key, count in shapes.items()}
    return Breakdown(cells, tuple(unclassified), prefixed, unpacked.scheme, unpacked.elements, tuple(odd))


def _placed(unpacked: Unpacked, table: NameTable) -> tuple[list[tuple[Tensor, int, Place]], list[Tensor]]:
    """The logical tensors with their places, and those that have none.

    The experts of a layer are numbered from 0 without a gap: one whose number is as large as their count is no
    expert that a model would load.
    """
    found = [(tensor, stored_bits, table.find(tensor.name)) for tensor, stored_bits in unpacked.tensors]
    copies = Counter((place.entry, place.layer) for _, _, place in found if place and place.copy is not None)
    placed: list[tuple[Tensor, int, Place]] = []
    unclassified: list[Tensor] = []
    for tensor, stored_bits, place in found:
        if place is None or (place.copy is not None and place.copy >= copies[place.entry, place.layer]):
            unclassified.append(tensor)
        else:
            placed.append((tensor, stored_bits, place))
    return placed, unclassified


def _parts(entry: Slot | Fused, shape: Shape) -> list[tuple[Slot, Shape, int]]:
    """Take a fused tensor apart into (slot, shape, times).

    A tensor that cannot be taken apart, because it has too few axes or does not divide evenly, stays
    whole in its first slot, where its shape will not be the one expected.
    """
    if isinstance(entry, Slot):
        return [(entry, shape, 1)]
    times, rest = (shape[0], shape[1:]) if entry.stacked and shape else (1, shape)
    parts = len(entry.slots)
    if len(rest) <= entry.axis or rest[entry.axis] % parts:
        return [(entry.slots[0], shape, 1)]
    part = (*rest[: entry.axis], rest[entry.axis] // parts, *rest[entry.axis + 1 :])
    if entry.turned:
        part = part[::-1]
    return [(slot, part, times) for slot in entry.slots]
