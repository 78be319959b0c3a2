"""Elements by slot and layer: what a formula predicts and what a checkpoint holds, in one form."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import TypeAlias

import msgspec

from verify.evidence.packing import Lot, Unpacked
from verify.formula import Term
from verify.names import NameTable, Place
from verify.roles import Fused, Kind, Role, Slot
from verify.tensor import Tensor

#: Element types of indices, masks and packed values, never of plain weights.
WHOLE_NUMBERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})

# Indices that a name may have: of a layer, and of one of several in it.
_LAYER_AND_COPY = 2

Key: TypeAlias = tuple[Slot, int | None]
Shape: TypeAlias = tuple[int, ...]


class Cell(msgspec.Struct, frozen=True):
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


class Breakdown(msgspec.Struct, frozen=True):
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

    Tensors that are alike are looked at once: DeepSeek-V3 has 91,991 of them, with 60 names.

    Args:
        unpacked: The checkpoint's logical tensors and its bookkeeping tensors.
        table: The names of the family.
    """
    shapes: defaultdict[Key, Counter[Shape]] = defaultdict(Counter)
    bits: Counter[Key] = Counter()
    groups, unclassified = _placed(unpacked.lots, table)
    for group in groups:
        for (shape, stored_bits), count in group.sizes.items():
            parts = _parts(group, shape)
            for slot, part, times in parts:
                shapes[slot, group.layer][part] += times * count
                bits[slot, group.layer] += stored_bits // len(parts) * count
    flat = {(slot, group.layer) for group in groups if group.flat for slot in _slots(group.entry)}
    cells = {key: Cell(tuple(sorted(count.items())), bits[key], key in flat) for key, count in shapes.items()}
    prefixed = not table.prefixes or any(group.prefixed for group in groups)
    odd = () if unpacked.scheme else tuple(tensor for group in groups for tensor in group.whole)
    return Breakdown(cells, tuple(unclassified), prefixed, unpacked.scheme, unpacked.elements, odd)


class _Group(msgspec.Struct):
    """Tensors of one entry of the table, in one layer.

    Attributes:
        entry: Their slot, or the slots that each of them holds.
        layer: The index of their layer.
        part: What they are beside the weights of that entry; "" where they are these weights.
        prefixed: Whether a name carries a prefix.
        sizes: How many there are of each shape and stored size in bits.
        copies: Those of which a layer has several: (their numbers in it, their lot, their positions in the lot).
        whole: Those that should be weights and hold whole numbers.
        flat: Whether only the number of elements is known of one.
    """

    entry: Slot | Fused
    layer: int | None
    part: str = ""
    prefixed: bool = False
    sizes: Counter[tuple[Shape, int]] = msgspec.field(default_factory=Counter)
    copies: list[tuple[list[int], Lot, Sequence[int]]] = msgspec.field(default_factory=list)
    whole: list[Tensor] = msgspec.field(default_factory=list)
    flat: bool = False


def _placed(lots: Iterable[Lot], table: NameTable) -> tuple[list[_Group], list[Tensor]]:
    """The tensors by entry, layer and part, and those that have no place."""
    # By the identity of the entry, which is the table's own object: hashing a slot takes longer than all the rest.
    groups: dict[tuple[int, int | None, str], _Group] = {}
    unclassified: list[Tensor] = []
    for lot in lots:
        for place, copies, chosen in _places(lot, table):
            if place is None:
                unclassified += map(lot.tensor, chosen)
                continue
            key = (id(place.entry), place.layer, lot.part)
            group = groups.get(key)
            if group is None:
                group = groups[key] = _Group(place.entry, place.layer, lot.part)
            group.sizes[lot.shape, lot.bits] += len(chosen)
            if not lot.part:
                _add(group, lot, place.prefixed, copies, chosen)
    for group in groups.values():
        unclassified += _beyond(group)
    return list(groups.values()), unclassified


def _add(group: _Group, lot: Lot, prefixed: bool, copies: list[int], chosen: Sequence[int]) -> None:  # noqa: FBT001
    group.prefixed |= prefixed
    group.flat |= lot.flat
    if copies:
        group.copies.append((copies, lot, chosen))
    if lot.dtype.name in WHOLE_NUMBERS and _slots(group.entry)[0].kind is Kind.PARAMETER:
        group.whole += map(lot.tensor, chosen)


def _places(lot: Lot, table: NameTable) -> Iterator[tuple[Place | None, list[int], Sequence[int]]]:
    """Where the tensors of a lot belong, layer by layer: (place, their numbers in the layer, positions in the lot)."""
    found, columns = table.entry(lot.name), lot.stored.columns
    if found is None or found.open != len(columns) or found.open > _LAYER_AND_COPY:
        for position in lot.places:
            place = table.find(lot.owner(position))
            yield place, [] if place is None or place.copy is None else [place.copy], [position]
        return
    if not columns:
        yield Place(found.entry, None, found.prefixed), [], lot.places
        return
    layers: defaultdict[str, list[int]] = defaultdict(list)
    for position, layer in enumerate(columns[0]):
        layers[layer].append(position)
    numbers = {text: int(text) for column in columns[1:] for text in set(column)}
    for layer, chosen in layers.items():
        copies = [numbers[column[position]] for column in columns[1:] for position in chosen]
        yield Place(found.entry, int(layer), found.prefixed), copies, chosen


def _beyond(group: _Group) -> Iterator[Tensor]:
    """Take out what is numbered beyond the experts of a layer.

    They are numbered from 0 without a gap: one whose number is as large as their count is no expert that a model would
    load.
    """
    count = sum(len(copies) for copies, _, _ in group.copies)
    for copies, lot, chosen in group.copies:
        for copy, position in zip(copies, chosen, strict=True) if max(copies) >= count else ():
            if copy >= count:
                group.sizes[lot.shape, lot.bits] -= 1
                yield lot.tensor(position)
    group.sizes = +group.sizes


def _slots(entry: Slot | Fused) -> tuple[Slot, ...]:
    return entry.slots if isinstance(entry, Fused) else (entry,)


def _parts(group: _Group, shape: Shape) -> list[tuple[Slot, Shape, int]]:
    """Take a fused tensor apart into (slot, shape, times); what is beside it belongs to its first slot.

    A tensor that cannot be taken apart, because it has too few axes or does not divide evenly, stays
    whole in its first slot, where its shape will not be the one expected.
    """
    entry = group.entry
    if group.part:
        first = _slots(entry)[0]
        return [(Slot(first.role, f"{first.part}.{group.part}", Kind.BOOKKEEPING, first.stack), shape, 1)]
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
