"""Tensors as files describe them: a name, a dtype, a shape. Never their data."""

import math
from typing import NamedTuple

import msgspec


class Dtype(msgspec.Struct, frozen=True):
    """An element type.

    Attributes:
        name: The name that its format gives it, such as `BF16` or `F8_E4M3` of safetensors, or `Q4_K` of GGUF.
        bits: Size of one block in bits; sub-byte types have 4 or 6.
        block: Elements in one block: 1, except where elements share a scale that is stored among them.
    """

    name: str
    bits: int
    block: int = 1

    def __str__(self) -> str:
        return self.name


#: The dtypes of safetensors 0.8 (`safetensors/src/tensor.rs`, `enum Dtype` and `bitsize`).
DTYPES = {
    name: Dtype(name, bits)
    for bits, names in {
        4: ("F4",),
        6: ("F6_E2M3", "F6_E3M2"),
        8: ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"),
        16: ("U16", "I16", "F16", "BF16"),
        32: ("U32", "I32", "F32"),
        64: ("U64", "I64", "F64", "C64"),
    }.items()
    for name in names
}


class Tensor(NamedTuple):
    """One tensor of a checkpoint.

    Attributes:
        name: Its name in the file or the module.
        dtype: Its element type.
        shape: Its axes, outermost first; `()` is a scalar of one element.
        file: The file that holds it, or "" where there is none (meta device).
    """

    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    file: str = ""

    @property
    def elements(self) -> int:
        """Number of elements: the product of the axes."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Size of the data in bits."""
        return self.elements * self.dtype.bits // self.dtype.block
