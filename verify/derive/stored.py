"""The tensors of a derived formula under the names and in the pieces that files have.

`save_pretrained` renames tensors, splits the experts of a layer, drops some buffers, and stores tied tensors once.
What becomes of what says `on_disk`; here the axes follow: `num_experts x (2*intermediate_size) x hidden_size` is stored
as `intermediate_size x hidden_size`, for each of `num_experts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from verify.derive import on_disk
from verify.derive.building import instances
from verify.derive.errors import DeriveError
from verify.derive.formulas.naming import pattern, role
from verify.derive.formulas.terms import Modules, Piece
from verify.derive.on_disk import rules as on_disk_rules
from verify.roles import Cause, Kind, Role
from verify.symbols import Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from verify.derive.on_disk import Route

_TURNS = "Transpose"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds.

    Attributes:
        pieces: What `save_pretrained` writes.
        extras: What a file may hold besides: why, in one sentence, and which tensors.
        sources: For each of `pieces`, the name of what it becomes in the module, the first of several.
        prefix: What stands before the names of the bare model.
    """

    pieces: tuple[Piece, ...]
    extras: tuple[tuple[Cause, str, tuple[Piece, ...]], ...]
    sources: Mapping[str, str]
    prefix: str


def stored(module: Any, built: Mapping[str, Piece]) -> Stored:
    """The tensors of a module as files have them.

    Args:
        module: A `PreTrainedModel` on the meta device.
        built: Its tensors by the formula, by their names in the module.

    Raises:
        DeriveError: The formula gives other tensors than the module has, or a stored one cannot be followed.
        VerifyError: How the module is stored is not known.
    """
    instance = instances.described(module)
    known = dict(built)
    _same(known, {**instance.parameters, **instance.buffers})
    known |= {name: known[source] for name, source in instance.tied.items()}
    layout = on_disk.layout(module)
    loaded = on_disk.implementation(module, layout)
    found = {piece.name: piece for route in loaded.routes for piece in _pieces(route, layout, known)}
    lost = next((name for name in layout if name not in found), "")
    if lost or loaded.failed or loaded.mismatched:
        name = lost or next(iter(loaded.mismatched), "") or loaded.failed[0].stored[0]
        raise DeriveError(f"what {type(module).__name__} stores as {name} cannot be followed back to the module")
    sources = {name: next(iter(route.made)) for route in loaded.routes for name in route.stored}
    pieces = tuple(found[name] for name in layout)
    taken = {name for route in loaded.routes for name in route.made}
    return Stored(
        pieces, tuple(_extras(module, known, instance.tied, taken, layout)), sources, str(module.base_model_prefix)
    )


def _same(known: Mapping[str, Piece], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """The formula gives the tensors of the module, to the last shape."""
    for name in (*shapes, *known):
        formula = list(known[name].shape) if name in known else "nothing"
        code = list(shapes[name]) if name in shapes else "nothing"
        if formula != code:
            raise DeriveError(f"{pattern(name)}: the formula says {formula}, the class builds {code}")


def _pieces(route: Route, layout: Mapping[str, tuple[int, ...]], known: Mapping[str, Piece]) -> Iterator[Piece]:
    """The stored tensors of a route, with the axes of what they become."""
    made = [known[name] for name in route.made]
    first = made[0]
    if not route.operations:
        yield replace(first, name=route.stored[0])
        return
    axes: dict[tuple[int, ...], tuple[Size, ...]] = {}
    for name in route.stored:
        shape = layout[name]
        if shape not in axes:
            axes[shape] = _axes(shape, made, turned=_TURNS in route.operations)
        copies = first.axes[0] if len(first.axes) == len(shape) + 1 else None
        yield Piece(name, first.kind, axes[shape], (*first.modules[:1], Modules(count=copies)))


def _axes(shape: tuple[int, ...], made: Sequence[Piece], *, turned: bool) -> tuple[Size, ...]:
    """A stored shape in the axes of what becomes of it; a number where none of them gives it."""
    first = made[0].axes
    ways = [first, first[1:]]
    if turned:
        ways = [(*way[:-2], *way[:-3:-1]) for way in ways] + ways
    fitting = [way for way in ways if len(way) == len(shape)]
    if not fitting:
        return tuple(map(Size.of, shape))
    best = max(fitting, key=lambda way: sum(axis.value == size for axis, size in zip(way, shape, strict=True)))
    return tuple(_axis(size, best, at, made) for at, size in enumerate(shape))


def _axis(size: int, way: tuple[Size, ...], at: int, made: Sequence[Piece]) -> Size:
    """One stored axis: that of the module, an equal part of it, or the sum of those of several modules."""
    axis = way[at]
    if axis.value == size:
        return axis
    if len(made) > 1:
        total = sum((each.axes[at] for each in made if len(each.axes) > at), Size.of(0))
        if total.value == size:
            return total
    if size and axis.value % size == 0:
        return axis // (axis.value // size)
    return next((other for other in way if other.value == size), Size.of(size))


def _extras(
    module: Any,
    known: Mapping[str, Piece],
    tied: Mapping[str, str],
    taken: set[str],
    layout: Mapping[str, tuple[int, ...]],
) -> Iterator[tuple[Cause, str, tuple[Piece, ...]]]:
    """What files of this module hold besides: copies of tied tensors, and what `save_pretrained` leaves out."""
    rename = on_disk_rules.saving(module).rename
    groups: dict[tuple[Cause, str], list[Piece]] = {}
    others = {name: known[name] for name in known if name not in taken}
    state = module.state_dict()
    for name, buffer in module.named_buffers():
        if name not in state:
            others[name] = Piece(name, Kind.BUFFER, tuple(Size.of(axis) for axis in buffer.shape))
    for name, piece in others.items():
        as_stored = rename(name)[0]
        if as_stored in layout:
            continue
        cause, why = _why(name, piece, tied)
        groups.setdefault((cause, pattern(as_stored) + why), []).append(replace(piece, name=as_stored))
    for (cause, why), pieces in groups.items():
        yield cause, why, tuple(pieces)


def _why(name: str, piece: Piece, tied: Mapping[str, str]) -> tuple[Cause, str]:
    if name in tied:
        head = role(name) is Role.HEAD
        cause = Cause.TIED_HEAD_STORED if head else Cause.TIED_EMBEDDING_STORED
        return cause, f" is {tied[name]}, which transformers stores once"
    why = "which transformers computes" if piece.kind is Kind.BUFFER else "which transformers leaves out"
    return Cause.STORED_BUFFER, f", {why}"
