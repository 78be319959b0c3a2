"""What unpacking gives."""

from typing import NamedTuple

import msgspec

from verify.templates import Alike
from verify.tensor import Dtype, Tensor


class Lot(NamedTuple):
    """Stored tensors that are alike, and what they are in the model.

    Attributes:
        stored: The tensors as they are stored.
        name: The name of the weights that they are, or belong to, with `{}` for each index.
        dtype: The element type of these weights; that of the tensors themselves where they are only beside them.
        shape: The shape of these weights; that of the tensors themselves where they are only beside them.
        bits: Size in bits that is stored for each.
        part: What they are beside their weights; "" where they are the weights.
        flat: Whether only the number of elements is known of the weights.
    """

    stored: Alike
    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    bits: int
    part: str = ""
    flat: bool = False

    @classmethod
    def plain(cls, stored: Alike) -> "Lot":
        """Tensors that are what they are called."""
        first = stored.tensors[0]
        return cls(stored, stored.template, first.dtype, first.shape, first.bits)

    def owner(self, position: int) -> str:
        """The name of the weight that one of the tensors is, or belongs to."""
        return self.stored.named(self.name, position)

    def tensor(self, position: int) -> Tensor:
        """The weight that one of the tensors is; the tensor itself where it is only beside a weight."""
        stored = self.stored.tensors[position]
        if self.part or (self.name, self.dtype, self.shape) == (self.stored.template, stored.dtype, stored.shape):
            return stored
        return Tensor(self.owner(position), self.dtype, self.shape, stored.file)

    @property
    def places(self) -> range:
        """The positions of the tensors."""
        return range(len(self.stored.tensors))


class Unpacked(msgspec.Struct, frozen=True):
    """A checkpoint after unpacking.

    Attributes:
        lots: All its tensors, each once.
        scheme: The scheme they were unpacked by, or "".
        elements: Elements of all tensors as they are stored.
    """

    lots: tuple[Lot, ...]
    scheme: str = ""
    elements: int = 0

    @property
    def tensors(self) -> tuple[tuple[Tensor, int], ...]:
        """Logical tensors, each with the size in bits that is stored for it."""
        return tuple((lot.tensor(place), lot.bits) for lot in self.lots if not lot.part for place in lot.places)

    @property
    def bookkeeping(self) -> tuple[tuple[Tensor, str, str], ...]:
        """Tensors that only serve to unpack others: (tensor, name of the weight, part)."""
        beside = (lot for lot in self.lots if lot.part)
        return tuple((lot.tensor(place), lot.owner(place), lot.part) for lot in beside for place in lot.places)

    @property
    def flat(self) -> frozenset[str]:
        """Names of logical tensors of which only the number of elements is known."""
        return frozenset(lot.owner(place) for lot in self.lots if lot.flat for place in lot.places)
