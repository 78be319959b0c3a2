"""Tensors whose names differ in nothing but their indices, gathered: one look serves thousands of experts.

`model.layers.3.mlp.experts.17.up_proj.weight` is `model.layers.{}.mlp.experts.{}.up_proj.weight` of 3 and 17.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple

from verify.tensor import Tensor

#: What stands for an index.
OPEN = "{}"

# A longer number is no index; Python refuses to read one of 4,301 digits.
_DIGITS = 9
_WITHOUT_DIGITS = {ord(digit): None for digit in "0123456789"}

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
        Each tensor once, in order of first appearance. One whose name holds a `{}` itself stands alone, without
        indices.
    """
    given = tuple(tensors)
    found: list[Alike] = []
    for text, members in _without_digits(given).items():
        places = tuple(place for place, piece in enumerate(text.split(".")) if not piece)
        columns = _columns(text, places, members)
        found += _by_shape(_template(text, places), columns, members) if columns is not None else _one_by_one(members)
    return tuple(found)


def _without_digits(tensors: tuple[Tensor, ...]) -> dict[str, list[Tensor]]:
    """The tensors by their name without its digits."""
    names = list(map(_name, tensors))
    texts = "\n".join(names).translate(_WITHOUT_DIGITS).split("\n")
    if len(texts) != len(names):
        texts = [name.translate(_WITHOUT_DIGITS) for name in names]
    found: defaultdict[str, list[Tensor]] = defaultdict(list)
    for text, tensor in zip(texts, tensors, strict=True):
        found[text].append(tensor)
    return found


def _columns(text: str, places: tuple[int, ...], members: list[Tensor]) -> tuple[tuple[str, ...], ...] | None:
    """The indices at the places that are empty without digits; None where there are other digits as well."""
    if OPEN in text:
        return None
    names = list(map(_name, members))
    pieces = [name.split(".") for name in names] if places else []
    columns = tuple(tuple(map(itemgetter(place), pieces)) for place in places)
    # No name is shorter than its text and its indices, so that all are as long if they are so together.
    length = len(names) * len(text) + sum(map(len, chain.from_iterable(columns)))
    if sum(map(len, names)) != length:
        return None
    return columns if all(is_index(piece) for column in columns for piece in set(column)) else None


def _template(text: str, places: tuple[int, ...]) -> str:
    pieces = text.split(".")
    for place in places:
        pieces[place] = OPEN
    return ".".join(pieces)


def _by_shape(template: str, columns: tuple[tuple[str, ...], ...], members: list[Tensor]) -> Iterator[Alike]:
    if len(set(map(_shape, members))) == len(set(map(id, map(_dtype, members)))) == 1:
        yield Alike(template, columns, tuple(members))
        return
    shapes: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, tensor in enumerate(members):
        shapes.setdefault((repr(tensor.dtype), tensor.shape), []).append(place)
    for chosen in shapes.values():
        own = tuple(tuple(column[place] for place in chosen) for column in columns)
        yield Alike(template, own, tuple(members[place] for place in chosen))


def _one_by_one(members: list[Tensor]) -> Iterator[Alike]:
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
        yield from _by_shape(template, tuple(zip(*indices_of, strict=True)), tensors)
