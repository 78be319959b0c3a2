"""Safetensors files to try two parsers with, what each says of them, and where they are meant to differ.

`DIFFERENCES` is the whole list of what `verify` decides otherwise than the reference, with the reasons. The fuzzer
accepts no other difference, and a test holds that each of them still is one.
"""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from fuzz.safetensors_draw import BITS, TWINS, case, file, header
from safetensors import SafetensorError, deserialize

from verify.errors import FormatError
from verify.evidence import safetensors


class Found(NamedTuple):
    """A tensor as a parser sees it, with its data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def reference(data: bytes) -> set[Found] | None:
    """What the reference parser finds in a file; None where it refuses it."""
    try:
        found = deserialize(data)
    except SafetensorError:
        return None
    return {Found(name, each["dtype"], tuple(each["shape"]), bytes(each["data"])) for name, each in found}


def ours(data: bytes) -> set[Found] | None:
    """What `verify` finds in it, with the data where the order of the tensors puts it."""
    try:
        length = safetensors.header_length(data[:8], where="f", size=len(data))
        tensors = safetensors.parse(data[8 : 8 + length], file="f", size=len(data)).tensors
    except FormatError as error:
        line = str(error)
        assert line.startswith("f: "), line
        assert line.isprintable(), line
        return None
    place = 8 + length
    found = set()
    for tensor in tensors:
        size, rest = divmod(tensor.bits, 8)
        assert not rest
        found.add(Found(tensor.name, tensor.dtype.name, tensor.shape, data[place : place + size]))
        place += size
    assert place == len(data)
    return found


def judge(data: bytes) -> str:
    """Hold the two parsers against each other.

    Returns:
        `accepted` or `refused` where they agree, the name of a `Difference` where they differ as listed.

    Raises:
        AssertionError: They differ, and no difference that is listed explains it.
    """
    theirs, mine = reference(data), ours(data)
    if (theirs is None) == (mine is None):
        assert theirs == mine, f"both accept, and find other tensors: {data!r}"
        return "refused" if mine is None else "accepted"
    for each in DIFFERENCES:
        if each.accepted == (mine is not None) and each.applies(data):
            return each.name
    verdict = "refuses" if mine is None else "accepts"
    raise AssertionError(f"verify {verdict} what the reference does not: {data!r}")


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that the two parsers judge differently, on purpose.

    Attributes:
        name: What is the matter with the file.
        reason: Why `verify` decides otherwise.
        accepted: Whether `verify` accepts it and the reference refuses it, rather than the other way round.
        applies: Whether a file is of this kind, judged without either parser.
        example: Makes a file of this kind.
    """

    name: str
    reason: str
    accepted: bool
    applies: Callable[[bytes], bool]
    example: Callable[[], bytes]


def _members(data: bytes) -> list[tuple[str, Any]]:
    """The members of the header as pairs, objects in them too; nothing of what is no JSON object."""
    try:
        members = json.loads(header(data).decode(), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []
    return members if isinstance(members, _Pairs) else []


class _Pairs(list[tuple[str, Any]]):
    """A JSON object."""


def _entries(data: bytes) -> Iterator[Any]:
    return (value for name, value in _members(data) if name != "__metadata__")


def _values(data: bytes, key: str) -> Iterator[Any]:
    return (value for entry in _entries(data) if isinstance(entry, _Pairs) for name, value in entry if name == key)


def _repeats(data: bytes) -> bool:
    members = _members(data)
    objects = [members, *(value for _, value in members if isinstance(value, _Pairs))]
    return any(len({key for key, _ in found}) < len(found) for found in objects)


def _lists_an_entry(data: bytes) -> bool:
    return any(isinstance(entry, list) and not isinstance(entry, _Pairs) for entry in _entries(data))


def _wraps_a_dtype(data: bytes) -> bool:
    return any(isinstance(value, _Pairs) for value in _values(data, "dtype"))


def _has_new_dtype(data: bytes) -> bool:
    new = {value for value in _values(data, "dtype") if isinstance(value, str) and value not in BITS}
    if not all(_fits_its_twin(dict(entry)) for entry in _entries(data) if isinstance(entry, _Pairs)):
        return bool(new)
    # Nothing else may be wrong: with known dtypes of the same sizes, the reference takes the file.
    text = header(data)
    for name in new:
        text = text.replace(f'"{name}"'.encode(), f'"{TWINS[name]}"'.encode())
    return bool(new) and reference(file(text, data[8 + len(header(data)) :])) is not None


def _fits_its_twin(entry: dict[str, Any]) -> bool:
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    bits = BITS.get(TWINS.get(dtype, dtype))
    return bits is not None and math.prod(shape) * bits == (end - begin) * 8


def _memory(data: bytes) -> int:
    """What the tensors and texts of a header take in Python at least."""
    text = header(data)
    return len(text) * (1 if text.isascii() else 4) + 30 * text.count(b'"')


_ONE = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'


def _with_metadata(members: str) -> bytes:
    return file('{"__metadata__":{' + members + '},"a":' + _ONE + "}", b"\0")


DIFFERENCES = (
    Difference(
        "much memory",
        "What one header makes is bounded by 32 MiB, or 150,000 tensors with names of usual length; a report on them "
        "takes some times as much. No real file has more.",
        accepted=False,
        applies=lambda data: _memory(data) > 16 * 1024 * 1024,
        example=lambda: _with_metadata(",".join(f'"{key:x}":""' for key in range(150_000))),
    ),
    Difference(
        "long name or metadata",
        "A text of more than 8 MiB is no name, and no metadata that anybody reads.",
        accepted=False,
        applies=lambda data: len(header(data)) > 8 * 1024 * 1024,
        example=lambda: _with_metadata('"a":"' + "x" * 9 * 1024 * 1024 + '"'),
    ),
    Difference(
        "long description of a tensor",
        "No tensor has thousands of axes; a header of 100 MB could hold fifty million, of 40 bytes each in memory.",
        accepted=False,
        applies=lambda data: len(header(data)) > 64 * 1024,
        example=lambda: file('{"a":{"dtype":"U8","shape":[' + "1," * 32 * 1024 + '0],"data_offsets":[0,0]}}'),
    ),
    Difference(
        "a key stands twice",
        "The format forbids it. The reference keeps the last tensor or text of that name, other readers the first, so "
        "that two programs see two models.",
        accepted=False,
        applies=_repeats,
        example=lambda: file(f'{{"a":{_ONE},"a":{_ONE}}}', b"\0"),
    ),
    Difference(
        "blank before the header",
        "The format demands a {. The reference has the check in its source, for a later release.",
        accepted=False,
        applies=lambda data: header(data)[:1] in {b" ", b"\t", b"\n", b"\r"},
        example=lambda: file(f' {{"a":{_ONE}}}', b"\0"),
    ),
    Difference(
        "a tensor is a list",
        "The format demands an object. That a list of its values passes is a habit of the library which decodes JSON "
        "for the reference.",
        accepted=False,
        applies=_lists_an_entry,
        example=lambda: file('{"a":["U8",[1],[0,1]]}', b"\0"),
    ),
    Difference(
        "a dtype is an object",
        'The format demands a string. That {"U8": null} passes for "U8" is a habit of the same library.',
        accepted=False,
        applies=_wraps_a_dtype,
        example=lambda: file('{"a":{"dtype":{"U8":null},"shape":[1],"data_offsets":[0,1]}}', b"\0"),
    ),
    Difference(
        "new dtype",
        "A later release may add it. Its tensors are counted, and its bits follow from the shape and the offsets; a "
        "model is not unreadable for a name. Without elements, or with a size that is no whole number of bits, it is "
        "refused.",
        accepted=True,
        applies=_has_new_dtype,
        example=lambda: file('{"a":{"dtype":"F12","shape":[2],"data_offsets":[0,3]}}', bytes(3)),
    ),
)


def fuzz(cases: int, seed: int = 0) -> Counter[str]:
    """Judge this many files, always the same ones; how many there were of each outcome."""
    draw = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    return Counter(judge(case(draw)) for _ in range(cases))
