"""How stored tensors become the weights they hold: the part that all schemes share.

A scheme says which ends of names it uses (`Layout.parts`), in which element types, and which shapes fit
together (`Fit`). Here the tensors of a checkpoint are gathered by weight, each weight is held against what
may fit, and the first that does gives its logical shape. A weight that nothing fits breaks the format.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from verify.errors import FormatError
from verify.evidence.packing._unpacked import Lot, Unpacked
from verify.templates import OPEN, Alike
from verify.tensor import Dtype, Tensor

Shape: TypeAlias = tuple[int, ...]

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
FLOAT8 = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
INTEGERS = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"})

#: A number for a whole tensor: some writers keep it a scalar, some give it an axis.
SCALAR: tuple[Shape, ...] = ((), (1,))


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of tensor that a scheme stores for a weight.

    Attributes:
        name: What it is called in reports, such as `scales`.
        dtypes: The element types it may have.
        weights: Ends of the name of the weight it belongs to; the first whose weight is there counts.
    """

    name: str
    dtypes: frozenset[str]
    weights: tuple[str, ...] = ("weight",)


@dataclass(frozen=True, slots=True)
class Weight:
    """The tensors that are stored for one weight.

    Attributes:
        name: The name of the weight without quantisation.
        held: Which part holds its values; "" where they have the weight's own name.
        values: The tensor that holds its values, packed or not.
        parts: The tensors beside it, by part.
    """

    name: str
    held: str
    values: Tensor
    parts: Mapping[str, Tensor]

    def matrices(self) -> tuple[Shape, int, int]:
        """The shape of the values as (leading axes, rows, columns).

        Raises:
            FormatError: They have fewer than two axes.
        """
        match self.values.shape:
            case (*leading, rows, columns):
                return tuple(leading), rows, columns
        raise _error(self.values, f"has shape {list(self.values.shape)}", "at least two axes")


@dataclass(frozen=True, slots=True)
class Fit:
    """A weight as it would be, if all tensors beside it have these shapes.

    Attributes:
        shape: Its logical shape.
        bits: Size of one of its elements.
        parts: The shapes that each part may have; parts that are not named here do not belong to it.
        needed: The parts that must be there.
        flat: Whether `shape` is only the number of elements, because the file does not tell the axes.
    """

    shape: Shape
    bits: int
    parts: Mapping[str, Iterable[Shape]]
    needed: tuple[str, ...] = ()
    flat: bool = False


def _last(name: str) -> str:
    return name.rpartition(".")[2]


@dataclass(frozen=True)
class Layout:
    """How one checkpoint stores its quantised weights.

    Attributes:
        name: The scheme, as the config names it.
        values: Parts that may hold the values of a weight with their element types; "" is the weight itself.
        parts: All parts, by the end of their names.
        fits: What a weight may be, the likeliest first.
        quantised: Element types in which no tensor called `weight` can stand alone.
        alike: What of the name of a weight `fits` looks at, beside its tensors.
    """

    name: str
    values: Mapping[str, frozenset[str]]
    parts: Mapping[str, Part]
    fits: Callable[[Weight], Iterable[Fit]]
    quantised: frozenset[str] = frozenset()
    alike: Callable[[str], str] = _last

    @cached_property
    def pieces(self) -> int:
        """Dotted pieces of the longest end of a name, as in `weight.quant_state.bitsandbytes__nf4`."""
        return max(end.count(".") for end in self.parts) + 1

    @cached_property
    def dtypes(self) -> dict[str, frozenset[str]]:
        """The element types that each part may have."""
        return {part.name: part.dtypes for part in self.parts.values()}

    def place(self, name: str) -> tuple[Part, str] | None:
        """The part that a tensor is, with its name before the end of that part; None for any other."""
        end = len(name)
        for _ in range(self.pieces):
            end = name.rfind(".", 0, end)
            part = self.parts.get(name[end + 1 :])
            if part:
                return part, name[: end + 1]
            if end < 0:
                break
        return None


def gather(stored: tuple[Alike, ...], layout: Layout, elements: int) -> Unpacked:
    """Tell weights, what belongs to them, and everything else apart.

    Parts whose weight is missing stay as they are: what they would unpack cannot be counted, and they are
    shown as tensors that no table knows.

    Args:
        stored: All tensors.
        layout: How they are stored.
        elements: How many elements they have.

    Raises:
        FormatError: The tensors of a weight contradict each other or the config.
    """
    together = _together(stored, layout)
    if together:
        with suppress(FormatError):  # what is wrong is said of a tensor, not of a template
            return Unpacked(tuple(_lots(together, layout)), layout.name, elements)
    single = (Alike(tensor.name, (), (tensor,)) for alike in stored for tensor in alike.tensors)
    return Unpacked(tuple(_lots(tuple(single), layout)), layout.name, elements)


def _lots(stored: tuple[Alike, ...], layout: Layout) -> Iterator[Lot]:
    """What tensors are, by the name, type and shape that those which are alike have in common."""
    tensors = tuple(alike.tensors[0]._replace(name=alike.template) for alike in stored)
    owners = find_owners([tensor.name for tensor in tensors], layout)
    found = _fits(tensors, owners, layout)
    for alike, tensor in zip(stored, tensors, strict=True):
        owner, part = owners.get(tensor.name) or (tensor.name, "")
        solved = found.get(owner)
        if solved is None:
            _refuse_alone(tensor, layout)
            yield Lot.plain(alike)
        elif part in layout.values:
            fit, dtype = solved
            yield Lot(alike, owner, dtype, fit.shape, tensor.bits, flat=fit.flat)
        else:
            yield Lot(alike, owner, tensor.dtype, tensor.shape, tensor.bits, part)


def _together(stored: tuple[Alike, ...], layout: Layout) -> tuple[Alike, ...]:
    """The tensors in such a way that those which are alike can be looked at once; none where they cannot.

    They can where a part is there for each of the weights of its template, or for none.
    """
    if layout.alike is not _last or any(OPEN in alike.template and not alike.columns for alike in stored):
        return ()
    by_template: dict[str, list[Alike]] = {}
    for alike in stored:
        by_template.setdefault(alike.template, []).append(alike)
    linked = _linked(by_template, layout)
    apart = {template for template, several in by_template.items() if len(several) > 1}
    apart |= {name for group in linked if len({by_template[name][0].columns for name in group}) > 1 for name in group}
    while more := {name for group in linked if group & apart for name in group} - apart:
        apart |= more
    return tuple(
        each
        for alike in stored
        for each in (
            (Alike(tensor.name, (), (tensor,)) for tensor in alike.tensors) if alike.template in apart else (alike,)
        )
    )


def _linked(templates: Collection[str], layout: Layout) -> list[set[str]]:
    """The templates that may be parts of one weight, in groups."""
    groups: dict[str, set[str]] = {}
    for template in templates:
        part, start = layout.place(template) or (None, "")
        for owner in (start + end for end in part.weights) if part else (template,):
            groups.setdefault(owner, set()).add(template)
    return list(groups.values())


def _fits(
    tensors: tuple[Tensor, ...], owners: Mapping[str, tuple[str, str]], layout: Layout
) -> dict[str, tuple[Fit, Dtype]]:
    """Each weight as it would be, with its element type; weights that are alike are looked at once.

    Raises:
        FormatError: The tensors of a weight contradict each other or the config.
    """
    known: dict[Hashable, tuple[Fit, Dtype]] = {}
    found: dict[str, tuple[Fit, Dtype]] = {}
    for owner, held, parts in _weights(tensors, owners, layout):
        alike = (layout.alike(owner), held, *((part, each.dtype.name, each.shape) for part, each in parts.items()))
        if alike not in known:
            values = parts.pop(held)
            fit = _fit(Weight(owner, held, values, parts), layout)
            known[alike] = (fit, Dtype(f"{fit.bits} bits in {values.dtype}", fit.bits))
        found[owner] = known[alike]
    return found


def find_owners(names: Collection[str], layout: Layout) -> dict[str, tuple[str, str]]:
    """The weight and the part of each tensor that is a part, by the names of all tensors."""
    places = [(name, *place) for name in names if (place := layout.place(name))]
    stored = {*names, *(start + part.weights[0] for _, part, start in places if part.name in layout.values)}
    owners = {}
    for name, part, start in places:
        owner = start + part.weights[0]
        if owner not in stored:
            owner = next((start + end for end in part.weights if start + end in stored), owner)
        owners[name] = (owner, part.name)
    return owners


def _weights(
    tensors: tuple[Tensor, ...], owners: Mapping[str, tuple[str, str]], layout: Layout
) -> Iterator[tuple[str, str, dict[str, Tensor]]]:
    """The weights whose values are there: their name, which part holds the values, and all their tensors by part.

    Raises:
        FormatError: Two tensors are the same part of one weight.
    """
    gathered: dict[str, dict[str, Tensor]] = {owner: {} for owner, _ in owners.values()}
    for tensor in tensors:
        owner, part = owners.get(tensor.name) or (tensor.name, "")
        parts = gathered.get(owner)
        if parts is None:
            continue
        if part in parts:
            raise _error(tensor, f"and {parts[part].name} are the same part of {owner}", "one of them")
        parts[part] = tensor
    for owner, parts in gathered.items():
        held = next((part for part in layout.values if part in parts), None)
        if held is not None:
            yield owner, held, parts


def _fit(weight: Weight, layout: Layout) -> Fit:
    """The first that fits; else the complaint about the first."""
    _check_dtypes(weight, layout)
    complaints: list[FormatError] = []
    for fit in layout.fits(weight):
        complaint = next(_complaints(weight, fit, layout), None)
        if complaint is None:
            return fit
        complaints.append(complaint)
    if complaints:
        raise complaints[0]
    stored = f"is {weight.values.dtype}{list(weight.values.shape)}"
    raise _error(weight.values, stored, f"what {layout.name} stores with this quantization_config")


def _check_dtypes(weight: Weight, layout: Layout) -> None:
    _check_dtype(weight.values, layout.values[weight.held])
    for name, tensor in weight.parts.items():
        if name in layout.dtypes:
            _check_dtype(tensor, layout.dtypes[name])


def _check_dtype(tensor: Tensor, dtypes: frozenset[str]) -> None:
    if tensor.dtype.name not in dtypes:
        raise _error(tensor, f"is {tensor.dtype}", " or ".join(sorted(dtypes)))


def _complaints(weight: Weight, fit: Fit, layout: Layout) -> Iterator[FormatError]:
    """Everything in which a weight is not what would fit."""
    for name in fit.needed:
        if name not in weight.parts:
            yield _error(weight.values, f"has no {name} beside it", f"{name}, as {layout.name} stores it")
    for name, tensor in weight.parts.items():
        if name not in fit.parts:
            yield _error(tensor, f"stands beside {weight.values.name}", f"no {name or 'weight'} there")
        elif tensor.shape not in (allowed := tuple(fit.parts[name])):
            yield _error(tensor, f"has shape {list(tensor.shape)}", " or ".join(str(list(shape)) for shape in allowed))


def _refuse_alone(tensor: Tensor, layout: Layout) -> None:
    """Refuse a weight that only a part which is missing could unpack."""
    if tensor.dtype.name in layout.quantised and tensor.name.rpartition(".")[2] == "weight":
        raise _error(tensor, f"is {tensor.dtype} and has nothing beside it", f"what {layout.name} needs to unpack it")


def _error(tensor: Tensor, found: str, expected: str) -> FormatError:
    where = f"{tensor.file}: " if tensor.file else ""
    return FormatError(
        f"{where}{tensor.name} {found}", expected=expected, hint="compare the file with its quantization_config"
    )
