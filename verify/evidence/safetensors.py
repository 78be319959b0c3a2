"""Safetensors headers: bytes in, tensors out. Opens no file and touches no network.

The layout is 8 bytes of little-endian header length, a JSON object, the data:
https://huggingface.co/docs/safetensors/index#format. A header is cross-examined as the reference parser
does it (`SafeTensors::read_metadata` and `Metadata::validate` in safetensors/src/tensor.rs), with three
differences: a tensor named twice and a header that begins with a blank are rejected here, as the format
demands and the reference does not; a dtype that is not known yet is accepted when its size follows from
the shape and the offsets.
"""

import itertools
import json
import math
import operator
from typing import Annotated, NoReturn

import msgspec

from verify.errors import FormatError
from verify.tensor import DTYPES, Dtype, Tensor

#: Longest header that the reference parser accepts, in bytes (`MAX_HEADER_SIZE`).
MAX_HEADER_LENGTH = 100_000_000

#: Bytes before the header, which hold its length.
PREFIX_LENGTH = 8

# The reference computes in usize and refuses what overflows.
_LARGEST = 2**64 - 1
_DAMAGED = "download or save the file again"
_METADATA = "__metadata__"

_Whole = Annotated[int, msgspec.Meta(ge=0)]


class _Entry(msgspec.Struct, gc=False, frozen=True):
    dtype: str
    shape: tuple[_Whole, ...]
    data_offsets: tuple[_Whole, _Whole]


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_entry = msgspec.json.Decoder(_Entry)
_metadata: msgspec.json.Decoder[dict[str, str] | None] = msgspec.json.Decoder(dict[str, str] | None)


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
            f"{where}: {len(prefix)} bytes", expected="at least the 8 bytes of the header length", hint=_DAMAGED
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
            hint=_DAMAGED,
        )
    return length


def parse(header: bytes, *, file: str, size: int | None, where: str = "") -> tuple[tuple[Tensor, ...], dict[str, str]]:
    """Parse and validate a header.

    Args:
        header: The JSON bytes, without the 8 bytes before them.
        file: The name of the file, for `Tensor.file`.
        size: Size of the whole file in bytes, or None where only the header is at hand;
            the end of the data is then not checked.
        where: The path of the file, for messages; its name if "".

    Returns:
        The tensors in the order of their data, and the `__metadata__` map.

    Raises:
        FormatError: A rule of the format is broken.
    """
    where = where or file
    members = _decode(header, where)
    metadata = _decode_metadata(members.pop(_METADATA, None), where)
    entries = _decode_entries(members, where)
    _refuse_repetition(header, len(entries), metadata, where)
    tensors, payload = _validate(entries, file, where)
    if size is not None and PREFIX_LENGTH + len(header) + payload != size:
        raise FormatError(
            f"{where}: {size} bytes",
            expected=f"{PREFIX_LENGTH + len(header) + payload}: 8 + {len(header)} of header + {payload} of data",
            hint=f"the file is cut or has a tail; {_DAMAGED}",
        )
    return tensors, metadata or {}


def repeated_key(text: bytes) -> str | None:
    """Find a key that stands twice in one object of a JSON text.

    Slow and exact; decoders that keep the last of two equal keys hide them.

    Args:
        text: Valid JSON in UTF-8.

    Returns:
        The first such key, or None.

    Raises:
        ValueError: The text is not what the json module accepts.
    """
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            seen: set[str] = set()
            found.extend(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]

    json.loads(text, object_pairs_hook=look)
    return found[0] if found else None


def _decode(header: bytes, where: str) -> dict[str, msgspec.Raw]:
    if not header.startswith(b"{"):
        raise FormatError(
            f"{where}: the header begins with {header[:1]!r}", expected="'{'", hint="this is no safetensors file"
        )
    try:
        str(header, "utf-8")  # msgspec does not look into the strings that it skips
        return _members.decode(header)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{where}: byte {error.start} of the header is no UTF-8", expected="a JSON object in UTF-8", hint=_DAMAGED
        ) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise FormatError(f"{where}: header: {error}", expected="a JSON object", hint=_DAMAGED) from None


def _decode_metadata(raw: msgspec.Raw | None, where: str) -> dict[str, str] | None:
    if raw is None:
        return None
    try:
        return _metadata.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FormatError(
            f"{where}: header: {_METADATA}: {error}", expected="a map of strings", hint="save the file again"
        ) from None


def _decode_entries(members: dict[str, msgspec.Raw], where: str) -> list[tuple[_Entry, str]]:
    entries = []
    decode = _entry.decode
    name = ""
    try:
        for name, raw in members.items():
            entries.append((decode(raw), name))
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise FormatError(
            f"{where}: header[{name!r}]: {error}",
            expected="a dtype, a shape of whole numbers and two data_offsets",
            hint=_DAMAGED,
        ) from None
    return entries


def _refuse_repetition(header: bytes, tensors: int, metadata: dict[str, str] | None, where: str) -> None:
    # Every tensor has five strings: its name, three keys, its dtype. A repeated key would add strings, and an
    # escape quotes, so a header with just these quotes has no repetition; only another one needs the slow look
    # (0.5 s per 12 MB).
    quotes = 10 * tensors + (2 + 4 * len(metadata) if metadata is not None else 0)
    if header.count(b'"') == quotes and b"-0" not in header:
        return
    try:
        json.loads(header, parse_int=_refuse_minus_zero)
        name = repeated_key(header)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: header: {error}", expected="a JSON object", hint=_DAMAGED) from None
    if name is not None:
        raise FormatError(
            f"{where}: the header names {name!r} twice", expected="every key once", hint="save the file again"
        )


def _refuse_minus_zero(digits: str) -> int:
    # msgspec reads it as 0; to the reference it is a float.
    if digits == "-0":
        raise ValueError("-0 is no whole number")
    return int(digits)


def _validate(entries: list[tuple[_Entry, str]], file: str, where: str) -> tuple[tuple[Tensor, ...], int]:
    # The JSON order is free; the data must be contiguous in the order of the offsets.
    entries.sort(key=lambda item: item[0].data_offsets)
    tensors = []
    position = 0
    for entry, name in entries:
        shape = entry.shape
        begin, end = entry.data_offsets
        if begin != position or end < begin:
            raise FormatError(
                f"{where}: header[{name!r}].data_offsets: [{begin}, {end}]",
                expected=f"a range that begins at {position}, where the tensor before it ends",
                hint=_DAMAGED,
            )
        position = end
        elements = math.prod(shape)
        dtype = DTYPES.get(entry.dtype) or _unknown_dtype(name, entry, elements, where)
        bits = elements * dtype.bits
        if bits > _LARGEST or not elements:
            _refuse_overflow(name, entry, bits, where)
        if bits != (end - begin) * 8:
            _refuse_span(name, entry, bits, where)
        tensors.append(Tensor(name, dtype, shape, file))
    return tuple(tensors), position


def _unknown_dtype(name: str, entry: _Entry, elements: int, where: str) -> Dtype:
    begin, end = entry.data_offsets
    bits, rest = divmod((end - begin) * 8, elements) if elements else (0, 0)
    if rest or not bits:
        raise FormatError(
            f"{where}: header[{name!r}]: unknown dtype {entry.dtype!r} with {elements} elements in {end - begin} bytes",
            expected="a dtype of safetensors 0.8, or a whole number of bits per element",
            hint="a newer safetensors may know this dtype",
        )
    return Dtype(entry.dtype, bits)


def _refuse_span(name: str, entry: _Entry, bits: int, where: str) -> NoReturn:
    begin, end = entry.data_offsets
    needed = str(bits // 8) if bits % 8 == 0 else f"{bits} bits, which is no whole number of"
    raise FormatError(
        f"{where}: header[{name!r}]: {end - begin} bytes of data",
        expected=f"{needed} bytes for {entry.dtype} {list(entry.shape)}",
        hint=_DAMAGED,
    )


def _refuse_overflow(name: str, entry: _Entry, bits: int, where: str) -> None:
    # Axis by axis, as the reference multiplies: 2^64 x 0 overflows there, 0 x 2^64 does not.
    products = itertools.accumulate(entry.shape, operator.mul)
    if max(bits, *entry.shape, *products, 0) > _LARGEST:
        raise FormatError(
            f"{where}: header[{name!r}].shape: {list(entry.shape)} of {entry.dtype} overflows 64 bits",
            expected="a size below 2^64 bits",
            hint=_DAMAGED,
        )
