"""The JSON of a safetensors header: what decoders let pass, and the reference parser does not.

`verify.evidence.safetensors` judges what the JSON says. Opens no file and touches no network.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NoReturn

import msgspec

from verify.errors import FormatError
from verify.evidence import json_members
from verify.evidence.json_members import nesting, pairs, repeated_key

#: What to do with a file that breaks the format, and with one that no writer made.
DAMAGED = "download or save the file again"
HOSTILE = "no real file has that: do not load this one with other tools either"

#: The key beside the names of the tensors.
METADATA = "__metadata__"

# Brackets that serde_json opens inside each other.
_DEEPEST = 127
_LONGEST_MEMBER = 8 * 1024 * 1024
_SIZES = frozenset({"shape", "data_offsets"})

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def pieces(header: Iterable[bytes], where: str) -> Iterator[tuple[int, bytes]]:
    """Cut a header into objects of some of its members each, as `json_members.pieces`.

    Args:
        header: The JSON bytes, in blocks.
        where: The path of the file, for messages; so below.

    Yields:
        Where a piece begins in the header, and the piece.

    Raises:
        FormatError: A member is longer than any real one.
    """
    try:
        yield from json_members.pieces(header, longest=_LONGEST_MEMBER)
    except ValueError as error:
        raise FormatError(f"{where}: header: {error}", expected="less", hint=HOSTILE) from None


def check_text(piece: bytes, place: int, where: str) -> None:
    """Refuse what is no object, or no UTF-8.

    Args:
        piece: A piece.
        place: Where it begins in the header.
        where: The path of the file.

    Raises:
        FormatError: It is none.
    """
    if not piece.startswith(b"{"):
        raise FormatError(
            f"{where}: the header begins with {piece[:1]!r}", expected="'{'", hint="this is no safetensors file"
        )
    try:
        str(piece, "utf-8")  # msgspec does not look into the strings that it skips
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{where}: byte {place + error.start} of the header is no UTF-8",
            expected="a JSON object in UTF-8",
            hint=DAMAGED,
        ) from None


def decode(piece: bytes, where: str) -> dict[str, msgspec.Raw]:
    """The members of a piece, each undecoded; of two that are called alike, the last.

    Args:
        piece: A piece.
        where: The path of the file.

    Raises:
        FormatError: It is no JSON object.
    """
    try:
        return _members.decode(piece)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FormatError(f"{where}: header: {error}", expected="a JSON object", hint=DAMAGED) from None


def examine(piece: bytes, where: str) -> None:
    """Look for what decoders do not see, in a piece where it may be.

    Args:
        piece: A piece that decoders take.
        where: The path of the file.

    Raises:
        FormatError: A key stands twice, a number is -0 or beyond all floats, or brackets are nested too deep.
    """
    try:
        nested = piece.count(b"[") + piece.count(b"{") > _DEEPEST and nesting(piece) > _DEEPEST
        members = pairs(piece, number=_finite)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: header: {error}", expected="a JSON object", hint=DAMAGED) from None
    if nested:
        raise FormatError(
            f"{where}: header: brackets in more than {_DEEPEST} others", expected="a JSON object", hint=HOSTILE
        )
    for own in (members, *(entry for name, entry in members if name != METADATA)):
        if (repeated := repeated_key(own)) is not None:
            refuse_repeated(repeated, where)
    for name, entry in members:
        for key, value in entry or ():
            if name != METADATA and key in _SIZES and any(math.copysign(1, size) < 0 for size in value):
                raise no_entry(name, ValueError("-0 is no whole number"), where)


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number beyond all floats")
    return value


def no_entry(name: str, error: Exception, where: str) -> FormatError:
    """The error for a member that describes no tensor.

    Args:
        name: Its key.
        error: What is wrong with it.
        where: The path of the file.
    """
    return FormatError(
        f"{where}: header[{name!r}]: {error}",
        expected="a dtype, a shape of whole numbers and two data_offsets",
        hint=DAMAGED,
    )


def refuse_repeated(name: str, where: str) -> NoReturn:
    """Refuse a header with a key that stands twice.

    Args:
        name: The key.
        where: The path of the file.

    Raises:
        FormatError: Always.
    """
    raise FormatError(
        f"{where}: the header names {name!r} twice", expected="every key once", hint="save the file again"
    )
