"""Tensors whose names differ in nothing but their indices, gathered: one look serves thousands of experts.

`model.layers.3.mlp.experts.17.up_proj.weight` is `model.layers.{}.mlp.experts.{}.up_proj.weight` of 3 and 17.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple

from verify.tensor import Tensor

#: What stands for an index.
OPEN = "{}"

# A longer number is no index; Python refuses to read one of 4,301 digits.
_DIGITS = 9
_ZEROS = {ord(digit): "0" for digit in "123456789"}

_name, _dtype, _shape = attrgetter("name"), attrgetter("dtype"), attrgetter("shape")


class Alike(NamedTuple):
    """Tensors of one template, dtype and shape.

    Attributes:
        template: Their name with `{}` for each index.
        columns: For each `{}`, the index that stands there in each tensor, as it is written.
        tensors: The tensors, in the order in which they were given.
    """

    template: str
    columns: tuple[tuple[str, ...], ...]
    tensors: tuple[Tensor, ...]

    def named(self, template: str, position: int) -> str:
        """The name that another template has with the indices of one of the tensors."""
        if not self.columns:
            return template
        indices = (column[position] for column in self.columns)
        return "".join(chain.from_iterable(zip(template.split(OPEN), (*indices, ""), strict=True)))


def is_index(piece: str) -> bool:
    """Whether a piece of a name is an index as a module list writes it: `7`, not `07`, which no loader looks for."""
    return piece.isdecimal() and piece.isascii() and len(piece) <= _DIGITS and (piece == "0" or piece[0] != "0")


def gather(tensors: Iterable[Tensor]) -> tuple[Alike, ...]:
    """Gather tensors that are alike.

    Args:
        tensors: The tensors of a checkpoint.

    Returns:
        Each tensor once; templates in order of first appearance. One whose name holds a `{}` itself stands alone,
        without indices.
    """
    found: defaultdict[tuple[str, int], list[_Group]] = defaultdict(list)
    for mask, members in _by_mask(tuple(tensors)).items():
        for group in _groups(mask, members):
            found[group.template, len(group.columns)].append(group)
    return tuple(alike for groups in found.values() for alike in _by_shape(_joined(groups)))


class _Group(NamedTuple):
    """Tensors of one template, of any dtypes and shapes."""

    template: str
    columns: tuple[tuple[str, ...], ...]
    tensors: Sequence[Tensor]


def _by_mask(tensors: tuple[Tensor, ...]) -> dict[str, list[Tensor]]:
    """The tensors by their name with a 0 for each digit, so that in one group all indices stand at the same place."""
    names = list(map(_name, tensors))
    masks = "\n".join(names).translate(_ZEROS).split("\n")
    if len(masks) != len(names):
        masks = [name.translate(_ZEROS) for name in names]
    found: defaultdict[str, list[Tensor]] = defaultdict(list)
    for mask, tensor in zip(masks, tensors, strict=True):
        found[mask].append(tensor)
    return found


def _groups(mask: str, members: list[Tensor]) -> Iterable[_Group]:
    """The tensors of one mask by template."""
    pieces, spans, place = mask.split("."), [], 0
    for number, piece in enumerate(pieces):
        if piece and not piece.strip("0"):
            pieces[number] = OPEN
            spans.append(slice(place, place + len(piece)))
        place += len(piece) + 1
    template = ".".join(pieces)
    if "0" in template or OPEN in mask:
        return _one_by_one(members)
    names = list(map(_name, members))
    columns = tuple(tuple(map(itemgetter(span), names)) for span in spans)
    if not all(is_index(piece) for column in columns for piece in set(column)):
        return _one_by_one(members)
    return (_Group(template, columns, members),)


def _one_by_one(members: list[Tensor]) -> Iterator[_Group]:
    """Tensors with other digits in their names, as in `conv1.weight`, or with what is no index."""
    found: dict[str, tuple[list[list[str]], list[Tensor]]] = {}
    for tensor in members:
        pieces = tensor.name.split(".")
        places = [place for place, piece in enumerate(pieces) if is_index(piece)] if OPEN not in tensor.name else []
        indices = [pieces[place] for place in places]
        for place in places:
            pieces[place] = OPEN
        of_template = found.setdefault(".".join(pieces), ([], []))
        of_template[0].append(indices)
        of_template[1].append(tensor)
    for template, (indices_of, tensors) in found.items():
        yield _Group(template, tuple(zip(*indices_of, strict=True)), tensors)


def _joined(groups: list[_Group]) -> _Group:
    """Several groups of one template as one."""
    if len(groups) == 1:
        return groups[0]
    columns = (tuple(chain.from_iterable(parts)) for parts in zip(*(group.columns for group in groups), strict=True))
    return _Group(groups[0].template, tuple(columns), [tensor for group in groups for tensor in group.tensors])


def _by_shape(group: _Group) -> Iterator[Alike]:
    template, columns, members = group
    if len(set(map(_shape, members))) == len(set(map(id, map(_dtype, members)))) == 1:
        yield Alike(template, columns, tuple(members))
        return
    shapes: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, tensor in enumerate(members):
        shapes.setdefault((repr(tensor.dtype), tensor.shape), []).append(place)
    for chosen in shapes.values():
        own = tuple(tuple(column[place] for place in chosen) for column in columns)
        yield Alike(template, own, tuple(members[place] for place in chosen))
