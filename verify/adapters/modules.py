"""The modules and tensors of a base model, as its family's formula and name table give them.

PEFT finds what it adapts by the names of modules; the name table says what the modules of a name compute, and the
formula what they look like. No tensor is read.
"""

from collections.abc import Iterator, Mapping

import msgspec

from verify.formula import ONE, Formula, Layers, Term
from verify.names import Entry, NameTable
from verify.roles import Cause, Fused, Kind, Role, Slot
from verify.symbols import Size

#: Modules whose weight is another one.
_TIED = frozenset({Cause.TIED_HEAD_STORED, Cause.TIED_EMBEDDING_STORED})

_WEIGHT = ".weight"
_MATRIX = 2
#: Tables of vectors (`torch.nn.Embedding`), where a matrix of another slot is a linear layer.
_TABLES = frozenset({"tokens", "types", "mtp"})
_LINEAR = frozenset({Role.ATTENTION, Role.MLP, Role.EXPERTS, Role.ROUTER, Role.HEAD, Role.OTHER, Role.EMBEDDING})


class Place(msgspec.Struct, frozen=True):
    """One of the copies of a module: in a layer, and perhaps one expert of it.

    Attributes:
        names: Its names, with each prefix that the backbone may have.
        layer: The index of its layer.
    """

    names: tuple[str, ...]
    layer: int | None


class Module(msgspec.Struct, frozen=True):
    """A module with a weight, or one parameter of a module, in all layers where it looks the same.

    Attributes:
        templates: Its names, each with `{}` for the index of the layer and of the expert.
        slots: What it computes; several where it computes them side by side.
        into: The axis that it sums over; the rows of a table.
        out: The axis that it gives.
        table: Whether it is a table of vectors.
        linear: Whether it is a linear layer.
        layers: The layers that have it.
        copies: How many each layer has.
        matrix: Whether it has the axes of a matrix, or more, as a convolution has; not a norm, nor a stack of experts.
    """

    templates: tuple[str, ...]
    slots: tuple[Slot, ...]
    into: Size
    out: Size
    table: bool
    linear: bool
    layers: Layers | None
    copies: Size = ONE
    matrix: bool = True

    @property
    def slot(self) -> Slot:
        """What it computes, as one slot: `mlp.gate+up` where it is several."""
        return joined(self.slots)

    def places(self) -> Iterator[Place]:
        """Each of its copies."""
        return places(self.templates, self.layers, self.copies)


def places(templates: tuple[str, ...], layers: Layers | None, copies: Size) -> Iterator[Place]:
    """Each place that templates of names stand for."""
    single = all(template.count("{}") < 2 for template in templates)  # noqa: PLR2004 - the second is the expert's
    for layer in layers.indices if layers else (None,):
        for copy in range(1 if single else copies.value):
            yield Place(tuple(template.format(layer, copy) for template in templates), layer)


def present(formula: Formula) -> tuple[Term, ...]:
    """What the model has, modules whose weight is the embedding included."""
    tied = (extra.terms for extra in formula.extras if extra.cause in _TIED)
    return (*formula.of(Kind.PARAMETER), *(term for terms in tied for term in terms))


def by_slot(formula: Formula) -> dict[Slot, list[Term]]:
    """The same by slot; a slot has several terms where it looks different in some layers."""
    found: dict[Slot, list[Term]] = {}
    for term in present(formula):
        found.setdefault(term.slot, []).append(term)
    return found


def stored(formula: Formula, names: NameTable) -> Iterator[tuple[Term, tuple[str, ...]]]:
    """The tensors of the model, each with the templates of its names."""
    found: dict[Slot, list[str]] = {}
    for template, entry in entries(names).items():
        for slot in parts(entry):
            found.setdefault(slot, []).extend(named(template, names))
    for term in present(formula):
        yield term, tuple(found.get(term.slot, ()))


def modules(formula: Formula, names: NameTable) -> tuple[Module, ...]:
    """The modules of the model that have a weight."""
    terms = by_slot(formula)
    templates: dict[tuple[Slot, ...], list[str]] = {}
    for template, entry in entries(names).items():
        if template.endswith(_WEIGHT) and terms.keys() >= set(parts(entry)):
            templates.setdefault(parts(entry), []).extend(named(template.removesuffix(_WEIGHT), names))
    return tuple(
        _module(tuple(found), slots, side, terms)
        for slots, found in templates.items()
        for side in _sides([terms[slot] for slot in slots])
    )


def entries(names: NameTable) -> Mapping[str, Entry]:
    """All names of a table, without prefixes."""
    return {**names.backbone, **names.head}


def parts(entry: Entry) -> tuple[Slot, ...]:
    """The slots that a tensor holds."""
    return entry.slots if isinstance(entry, Fused) else (entry,)


def joined(slots: tuple[Slot, ...]) -> Slot:
    """Several slots as one: `mlp.gate+up`."""
    first = slots[0]
    return Slot(first.role, "+".join(slot.part for slot in slots), first.kind, first.stack)


def named(template: str, names: NameTable) -> list[str]:
    """A name with each prefix that it may have."""
    return [template, *(prefix + template for prefix in names.prefixes)]


def is_turned(term: Term, terms: Mapping[Slot, list[Term]]) -> bool:
    """Whether a matrix is stored as `in x out`, as a `Conv1D` is: its bias says which axis it gives."""
    bias = Slot(term.slot.role, f"{term.slot.part}.bias", term.slot.kind, term.slot.stack)
    if len(term.axes) != _MATRIX:
        return False
    return any(each.axes[0] == term.axes[1] != term.axes[0] for each in terms.get(bias, ()))


def _sides(terms: list[list[Term]]) -> Iterator[tuple[Term, ...]]:
    """Terms of several slots that stand side by side, once for each set of layers."""
    for first in terms[0]:
        others = [next((term for term in each if term.layers == first.layers), None) for each in terms[1:]]
        found = [other for other in others if other]
        if len(found) == len(others):
            yield (first, *found)


def _module(
    templates: tuple[str, ...], slots: tuple[Slot, ...], side: tuple[Term, ...], terms: Mapping[Slot, list[Term]]
) -> Module:
    first = side[0]
    role, part = first.slot.role, first.slot.part
    table = role is Role.POSITION or (role is Role.EMBEDDING and part in _TABLES)
    matrix = all(len(term.axes) == _MATRIX for term in side)
    # An expert of a stack that is one tensor is no module of its own.
    single = first.copies == ONE or all(template.count("{}") == _MATRIX for template in templates)
    turned = matrix and (table or is_turned(first, terms))
    into, out = first.axes if turned else first.axes[::-1] if matrix else (ONE, ONE)
    return Module(
        templates=templates,
        slots=slots,
        into=into,
        out=sum((term.axes[1 if turned else 0] for term in side[1:]), out),
        table=table and matrix,
        linear=matrix and single and not table and role in _LINEAR,
        layers=first.layers,
        copies=first.copies,
        matrix=len(first.axes) > 1 and single,
    )
