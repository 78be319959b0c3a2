"""What unpacking gives."""

from dataclasses import dataclass

from verify.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A checkpoint after unpacking.

    Attributes:
        tensors: Logical tensors, each with the size in bits that is stored for it.
        bookkeeping: Tensors that only serve to unpack others: (tensor, name of the weight, part).
        scheme: The scheme they were unpacked by, or "".
        flat: Names of logical tensors of which only the number of elements is known.
        elements: Elements of all tensors as they are stored.
    """

    tensors: tuple[tuple[Tensor, int], ...]
    bookkeeping: tuple[tuple[Tensor, str, str], ...] = ()
    scheme: str = ""
    flat: frozenset[str] = frozenset()
    elements: int = 0
