"""Safetensors headers: bytes in, tensors out. Opens no file and touches no network.

The layout is 8 bytes of little-endian header length, a JSON object, the data:
https://huggingface.co/docs/safetensors/index#format. A header is cross-examined as the reference parser does it
(`SafeTensors::read_metadata` and `Metadata::validate` in safetensors/src/tensor.rs, release 0.8), and more strictly:
what the format forbids and the reference lets pass is refused, and so is what takes more memory than real files do.
A dtype that is not known yet is accepted where its size follows from the shape and the offsets. Every difference stands
in `DIFFERENCES` of tests/fuzz/safetensors_cases.py with its reason; there the two are held against each other.
"""

import itertools
import math
import operator
from array import array
from collections.abc import Iterable
from typing import Annotated, NamedTuple, NoReturn

import msgspec

from verify.errors import FormatError
from verify.evidence.json_members import pairs, repeated_key
from verify.evidence.safetensors_plain import Sizes, read_plain
from verify.evidence.safetensors_text import (
    DAMAGED,
    HOSTILE,
    METADATA,
    check_text,
    decode,
    examine,
    no_entry,
    pieces,
    refuse_repeated,
)
from verify.tensor import DTYPES, Dtype, Tensor

#: Longest header that the reference parser accepts, in bytes (`MAX_HEADER_SIZE`).
MAX_HEADER_LENGTH = 100_000_000

#: Bytes before the header, which hold its length.
PREFIX_LENGTH = 8

# The reference computes in usize and refuses what overflows.
_LARGEST = 2**64 - 1
_SURELY = _LARGEST // 8  # what ends here has no more bits than that

# What the tensors and the metadata of a header may take. It is enough for 150,000 tensors with names of usual length:
# all of DeepSeek-V3 in one file would be 92,000. A report about them takes some times as much.
_MEMORY = 32 * 1024 * 1024
_LONGEST_ENTRY = 64 * 1024
# Bytes of a tensor beside its name and shape, and of its place when sorted; of a shape or dtype of its own, and of an
# axis; of a key or value of the metadata.
_TENSOR, _PLACE, _OWN, _AXIS, _TEXT = 176, 72, 200, 40, 120

_name_of = operator.attrgetter("name")

_QUOTES = 8  # in the text of a tensor: around its three keys and its dtype

_Whole = Annotated[int, msgspec.Meta(ge=0)]


class _Entry(msgspec.Struct, gc=False, frozen=True):
    dtype: str
    shape: tuple[_Whole, ...]
    data_offsets: tuple[_Whole, _Whole]


_entry = msgspec.json.Decoder(_Entry)
_metadata: msgspec.json.Decoder[dict[str, str] | None] = msgspec.json.Decoder(dict[str, str] | None)


class Header(NamedTuple):
    """What a header holds.

    Attributes:
        tensors: The tensors in the order of their data.
        metadata: The `__metadata__` map.
        payload: Bytes of data behind it.
    """

    tensors: tuple[Tensor, ...]
    metadata: dict[str, str]
    payload: int


def header_length(prefix: bytes, *, where: str, size: int | None = None) -> int:
    """Read the length of the header from the first bytes of a file.

    Args:
        prefix: The first 8 bytes of the file, or fewer where the file is shorter.
        where: The path of the file, for messages.
        size: Size of the file in bytes, or None where it is not known.

    Returns:
        Length of the header in bytes, without the 8 bytes before it.

    Raises:
        FormatError: The file is too short for its header, or the header too long.
    """
    if len(prefix) < PREFIX_LENGTH:
        raise FormatError(
            f"{where}: {len(prefix)} bytes", expected="at least the 8 bytes of the header length", hint=DAMAGED
        )
    length = int.from_bytes(prefix[:PREFIX_LENGTH], "little")
    if length > MAX_HEADER_LENGTH:
        raise FormatError(
            f"{where}: its first 8 bytes give a header of {length} bytes",
            expected=f"at most {MAX_HEADER_LENGTH}",
            hint="this is no safetensors file, or a damaged one",
        )
    if size is not None and PREFIX_LENGTH + length > size:
        raise FormatError(
            f"{where}: {size} bytes, but its header alone needs {PREFIX_LENGTH + length}",
            expected="the whole file",
            hint=DAMAGED,
        )
    return length


def parse(header: bytes | Iterable[bytes], *, file: str, size: int | None, where: str = "") -> Header:
    """Parse and validate a header.

    Args:
        header: The JSON bytes, without the 8 bytes before them; in blocks, where a long one is not to be held whole.
        file: The name of the file, for `Tensor.file`.
        size: Size of the whole file in bytes, or None where only the header is at hand;
            the end of the data is then not checked.
        where: The path of the file, for messages; its name if "".

    Returns:
        What it holds.

    Raises:
        FormatError: A rule of the format is broken, or the header would take more memory than any real one.
    """
    found = _Found(file, where or file)
    length = found.read((header,) if isinstance(header, bytes) else header)
    payload = found.sort()
    if size is not None and PREFIX_LENGTH + length + payload != size:
        raise FormatError(
            f"{found.where}: {size} bytes",
            expected=f"{PREFIX_LENGTH + length + payload}: 8 + {length} of header + {payload} of data",
            hint=f"the file is cut or has a tail; {DAMAGED}",
        )
    return Header(tuple(found.tensors), found.metadata, payload)


class _Found:
    """What a header holds, collected piece by piece."""

    def __init__(self, file: str, where: str) -> None:
        self.where = where
        self.tensors: list[Tensor] = []
        self.metadata: dict[str, str] = {}
        self._file = file
        self._begins, self._ends = array("Q"), array("Q")
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}  # most are those of other layers too
        self._sizes = Sizes()
        self._described = self._several = False
        self._memory = 0

    def read(self, header: Iterable[bytes]) -> int:
        """Take the whole header; its length in bytes."""
        length = 0
        full = True
        for place, piece in pieces(header, self.where):
            check_text(piece, place, self.where)
            members = None if self._take_plain(piece) else decode(piece, self.where)
            full = full and (members is None or bool(members))
            if place and not full:
                raise FormatError(f"{self.where}: header: a comma too many", expected="a JSON object", hint=DAMAGED)
            if members is not None:
                self._take(piece, members)
            self._several = place > 0
            length = place + len(piece)
        return length

    def sort(self) -> int:
        """Put the tensors in the order of their data, which must be contiguous; its size in bytes."""
        if self._several:  # within a piece, names are known to differ
            names = sorted(tensor.name for tensor in self.tensors)
            for name in itertools.compress(names, map(operator.eq, names, itertools.islice(names, 1, None))):
                refuse_repeated(name, self.where)
            del names
        begins, ends = self._begins, self._ends
        if begins[1:] != ends[:-1]:  # the order in the JSON is free
            places = range(len(self.tensors))
            self._charge(_PLACE * len(places))
            order = sorted(sorted(places, key=ends.__getitem__), key=begins.__getitem__)
            self.tensors = [self.tensors[place] for place in order]
            begins, ends = (array("Q", map(column.__getitem__, order)) for column in (begins, ends))
        befores = array("Q", (0, *ends[:-1]))
        for place, (begin, before) in enumerate(zip(begins, befores, strict=False)) if begins != befores else ():
            if begin != before:
                raise FormatError(
                    f"{self.where}: header[{self.tensors[place].name!r}].data_offsets: [{begin}, {ends[place]}]",
                    expected=f"a range that begins at {before}, where the tensor before it ends",
                    hint=DAMAGED,
                )
        return ends[-1] if ends else 0

    def _take_plain(self, piece: bytes) -> bool:
        """Take a piece that has nothing unusual; whether it was one."""
        plain = read_plain(piece, file=self._file, sizes=self._sizes)
        if plain is None:
            return False
        if plain.metadata is not None:
            self._count_metadata()
            self.metadata = plain.metadata
            self._charge(_width(piece) * len(piece) + _TEXT * 2 * len(plain.metadata))
        self._charge(_TENSOR * len(plain.tensors) + _width(piece) * sum(map(len, map(_name_of, plain.tensors))))
        self.tensors += plain.tensors
        self._begins.extend(plain.begins)
        self._ends.extend(plain.ends)
        return True

    def _count_metadata(self) -> None:
        if self._described:
            refuse_repeated(METADATA, self.where)
        self._described = True

    def _take(self, piece: bytes, members: dict[str, msgspec.Raw]) -> None:
        metadata = members.pop(METADATA, None)
        quotes = 0
        if metadata is not None:
            self._count_metadata()
            self._describe(bytes(metadata))
            quotes = 2 + 4 * len(self.metadata)
        self._charge(_TENSOR * len(members) + _width(piece) * sum(map(len, members)))
        longest = max(map(len, members.values()), default=0)
        if longest > _LONGEST_ENTRY:
            raise FormatError(
                f"{self.where}: header: {longest} bytes describe one tensor",
                expected=f"at most {_LONGEST_ENTRY}",
                hint=HOSTILE,
            )
        self._add(members)
        # With just these quotes and those of the names there is no repetition, no escape and no further key, and only
        # -0 to look for: msgspec reads it as 0, to the reference it is a float.
        if piece.count(b'"') != quotes + (2 + _QUOTES) * len(members) or b"-0" in piece:
            examine(piece, self.where)

    def _describe(self, metadata: bytes) -> None:
        self._charge(_width(metadata) * len(metadata) + _TEXT * metadata.count(b'"') // 2)
        try:
            self.metadata = _metadata.decode(metadata) or {}
        except (msgspec.DecodeError, RecursionError) as error:
            raise FormatError(
                f"{self.where}: header: {METADATA}: {error}",
                expected="a map of strings",
                hint="save the file again",
            ) from None
        if metadata.count(b'"') != 4 * len(self.metadata) and (name := repeated_key(pairs(metadata))) is not None:
            refuse_repeated(name, self.where)

    def _add(self, members: dict[str, msgspec.Raw]) -> None:
        read, dtypes, shapes, name = _entry.decode, DTYPES, self._shapes, ""
        try:
            for name, raw in members.items():
                entry = read(raw)
                shape, (begin, end) = entry.shape, entry.data_offsets
                dtype = dtypes.get(entry.dtype)
                elements = math.prod(shape)
                # What is plain and right passes here; the rest is cross-examined.
                if dtype is None or not elements or elements * dtype.bits != (end - begin) * 8 or end > _SURELY:
                    dtype = self._cross_examine(name, entry, elements)
                known = shapes.setdefault(shape, shape)
                if known is shape:
                    self._charge(_OWN + _AXIS * len(shape))
                self.tensors.append(Tensor(name, dtype, known, self._file))
                self._begins.append(begin)
                self._ends.append(end)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise no_entry(name, error, self.where) from None

    def _cross_examine(self, name: str, entry: _Entry, elements: int) -> Dtype:
        begin, end = entry.data_offsets
        if end < begin:
            raise FormatError(
                f"{self.where}: header[{name!r}].data_offsets: [{begin}, {end}]",
                expected="an end that is not before the beginning",
                hint=DAMAGED,
            )
        dtype = DTYPES.get(entry.dtype) or self._unknown_dtype(name, entry, elements)
        bits = elements * dtype.bits
        _refuse_overflow(name, entry, bits, self.where)
        if bits != (end - begin) * 8:
            _refuse_span(name, entry, bits, self.where)
        return dtype

    def _unknown_dtype(self, name: str, entry: _Entry, elements: int) -> Dtype:
        begin, end = entry.data_offsets
        bits, rest = divmod((end - begin) * 8, elements) if elements else (0, 0)
        if rest or not bits:
            raise FormatError(
                f"{self.where}: header[{name!r}]: unknown dtype {entry.dtype!r} with {elements} elements in "
                f"{end - begin} bytes",
                expected="a dtype of safetensors 0.8, or a whole number of bits per element",
                hint="a newer safetensors may know this dtype",
            )
        self._charge(_OWN + 4 * len(entry.dtype))
        return Dtype(entry.dtype, bits)

    def _charge(self, memory: int) -> None:
        """Count what is about to be kept, in bytes."""
        self._memory += memory
        if self._memory > _MEMORY:
            raise FormatError(
                f"{self.where}: the names, shapes or metadata of its header take more than {_MEMORY} bytes of memory",
                expected="less",
                hint=HOSTILE,
            )


def _width(text: bytes) -> int:
    """Bytes of a character in memory, at most."""
    return 1 if text.isascii() else 4


def _refuse_span(name: str, entry: _Entry, bits: int, where: str) -> NoReturn:
    begin, end = entry.data_offsets
    needed = str(bits // 8) if bits % 8 == 0 else f"{bits} bits, which is no whole number of"
    raise FormatError(
        f"{where}: header[{name!r}]: {end - begin} bytes of data",
        expected=f"{needed} bytes for {entry.dtype} {list(entry.shape)}",
        hint=DAMAGED,
    )


def _refuse_overflow(name: str, entry: _Entry, bits: int, where: str) -> None:
    # Axis by axis, as the reference multiplies: 2^64 x 0 overflows there, 0 x 2^64 does not.
    products = itertools.accumulate(entry.shape, operator.mul)
    if max(bits, *entry.shape, *entry.data_offsets, *products) > _LARGEST:
        raise FormatError(
            f"{where}: header[{name!r}].shape: {list(entry.shape)} of {entry.dtype} overflows 64 bits",
            expected="a size below 2^64 bits",
            hint=DAMAGED,
        )
