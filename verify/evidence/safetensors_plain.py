"""Safetensors headers as almost all files have them, read in one go.

What is plain here is right by every rule of `verify.evidence.safetensors`; for anything else nothing is said, and that
module looks at it entry by entry. It is only there because it takes a quarter of the time.
"""

from itertools import repeat
from operator import attrgetter, eq, sub
from typing import Annotated, NamedTuple

import msgspec

from verify.tensor import DTYPES, Dtype, Tensor

_Whole = Annotated[int, msgspec.Meta(ge=0)]


class _Entry(msgspec.Struct, gc=False, frozen=True):
    # The metadata is read as one of these too, and lacks every key.
    dtype: str = ""
    shape: tuple[_Whole, ...] | None = None
    data_offsets: tuple[_Whole, _Whole] | None = None


_entries = msgspec.json.Decoder(dict[str, _Entry])
_metadata = msgspec.json.Decoder(dict[str, str])

_dtype_and_shape, _offsets = attrgetter("dtype", "shape"), attrgetter("data_offsets")

_METADATA = "__metadata__"
_METADATA_FIRST = b'{"__metadata__":'

# Quotes around the name of a tensor, its three keys and its dtype; around a key and a value of the metadata.
_QUOTES, _METADATA_QUOTES = 10, 4
# Bytes that describe a tensor beside its name, and its axes; what has more is looked at with care.
_LONGEST, _MOST_AXES = 160, 8
# What ends here has no more bits than fit 64.
_SURELY = 2**61


class Plain(NamedTuple):
    """What a header, or a piece of one, holds.

    Attributes:
        tensors: Its tensors, in its order.
        begins: The offset of the first byte of each.
        ends: The offset behind the last byte of each.
        metadata: Its `__metadata__`, or None where it has none.
    """

    tensors: list[Tensor]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    metadata: dict[str, str] | None


class Sizes(dict[tuple[str, tuple[int, ...] | None], tuple[Dtype, tuple[int, ...], int]]):
    """The dtype, shape and size in bytes of tensors that are plain, by the dtype and shape in the header."""

    def __missing__(self, key: tuple[str, tuple[int, ...] | None]) -> tuple[Dtype, tuple[int, ...], int]:
        """Look at a shape for the first time.

        Raises:
            LookupError: It is not plain.
        """
        dtype, shape = key
        if shape is None or len(shape) > _MOST_AXES or dtype not in DTYPES:
            raise LookupError
        tensor = Tensor("", DTYPES[dtype], shape)
        size, rest = divmod(tensor.bits, 8)
        if rest or not size:
            raise LookupError
        self[key] = found = (tensor.dtype, shape, size)
        return found


def read_plain(text: bytes, *, file: str, sizes: Sizes) -> Plain | None:
    """Read a header, or a piece of one.

    Args:
        text: A JSON object, in UTF-8.
        file: The name of the file, for `Tensor.file`.
        sizes: What is known of shapes; more is added.

    Returns:
        What it holds; None where it is not plain, or not right.
    """
    try:
        entries = _entries.decode(text)
        metadata = _described(text) if entries.pop(_METADATA, None) else None
    except (msgspec.DecodeError, RecursionError):
        return None
    names = sum(map(len, entries))
    quotes = _QUOTES * len(entries) + (0 if metadata is None else 2 + _METADATA_QUOTES * len(metadata))
    # With just these quotes no name is repeated or escaped and nothing has a further key; -0 is a float elsewhere.
    if not entries or text.count(b'"') != quotes or b"-0" in text or len(text) > names + _LONGEST * len(entries):
        return None
    return _collect(entries, metadata, file, sizes)


def _described(text: bytes) -> dict[str, str]:
    if not text.startswith(_METADATA_FIRST):
        raise msgspec.DecodeError
    return _metadata.decode(text[len(_METADATA_FIRST) : text.find(b"}") + 1])


def _collect(entries: dict[str, _Entry], metadata: dict[str, str] | None, file: str, sizes: Sizes) -> Plain | None:
    values = entries.values()
    try:
        dtypes, shapes, lengths = zip(*map(sizes.__getitem__, map(_dtype_and_shape, values)), strict=True)
        begins, ends = zip(*map(_offsets, values), strict=True)
    except (LookupError, TypeError):  # TypeError: no offsets
        return None
    if max(ends) > _SURELY or not all(map(eq, map(sub, ends, begins), lengths)):
        return None
    # As `Tensor(name, dtype, shape, file)` for each; there are tens of thousands.
    tensors = list(map(tuple.__new__, repeat(Tensor), zip(entries, dtypes, shapes, repeat(file))))
    return Plain(tensors, begins, ends, metadata)
