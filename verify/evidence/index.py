"""Which file holds which tensor: `*.index.json`.

Opens no file and touches no network.
"""

import json
from collections.abc import Iterable, Mapping
from operator import attrgetter, eq

import msgspec

from verify.errors import FormatError
from verify.evidence.base import Declared, DeclaredKind, Problem
from verify.evidence.json_members import pairs, pieces, repeated_key
from verify.tensor import Tensor

#: The index of a model in several.
SHARDED = "model.safetensors.index.json"

#: The most bytes of an index: the one of the largest model there is, with half a million tensors, has 60 MB.
LIMIT = 128 * 1024 * 1024

# Twice the tensors that it has.
_MOST = 1_000_000
_BLOCK = 1024 * 1024
_LONGEST = 64 * 1024  # bytes of a name of a tensor and a shard
_DIGITS = 400  # of a number in the metadata

_AGAIN = "save or download the file again"
# The fields of `metadata` that count something; the others are free text.
_NUMBERS = {"total_size": DeclaredKind.INDEX_BYTES, "total_parameters": DeclaredKind.TOTAL_PARAMETERS}


class _Document(msgspec.Struct, gc=False, frozen=True):
    weight_map: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class _Metadata(msgspec.Struct, gc=False, frozen=True):
    total_size: msgspec.Raw = msgspec.Raw(b"0")
    total_parameters: msgspec.Raw = msgspec.Raw(b"0")


_name, _file = attrgetter("name"), attrgetter("file")
_document = msgspec.json.Decoder(_Document)
_metadata = msgspec.json.Decoder(_Metadata)
_weight_map = msgspec.json.Decoder(dict[str, str])


class Index(msgspec.Struct, frozen=True):
    """A parsed index.

    Attributes:
        file: The name of the index file.
        weight_map: Tensor name to name of the shard, a plain file name.
        declared: The whole numbers that its metadata records: bytes of data, elements.
    """

    file: str
    weight_map: Mapping[str, str]
    declared: tuple[Declared, ...] = ()

    @property
    def shards(self) -> tuple[str, ...]:
        """The shards that it names, sorted."""
        return tuple(sorted(set(self.weight_map.values())))


def parse(data: bytes, *, file: str, where: str = "") -> Index:
    """Parse an index file.

    `metadata` may be absent, empty or hold a `total_size` that is 0, a float or a string: real files do. Only
    whole numbers above 0 are taken from it.

    Args:
        data: The bytes of the file.
        file: The name of the file, for `Index.file`.
        where: The path of the file, for messages; its name if "".

    Returns:
        The parsed index.

    Raises:
        FormatError: The file is no JSON object with a weight_map of plain file names.
    """
    where = where or file
    document = _decode(data, where)
    weight_map = _tensors(document.weight_map, where)
    if not weight_map:
        raise FormatError(f"{where}: weight_map is empty", expected="at least one tensor", hint=_AGAIN)
    for shard in set(weight_map.values()):
        if not is_plain_name(shard):
            tensor = next(name for name, value in weight_map.items() if value == shard)
            raise FormatError(
                f"{where}: weight_map[{tensor!r}]: {shard!r}",
                expected="the plain name of a file in the same folder",
                hint="do not load this checkpoint with other tools either",
            )
    return Index(file, weight_map, _declared(document.metadata, file))


def is_plain_name(name: str) -> bool:
    """Tell whether a name stays inside the folder that it is looked up in, on every system.

    Args:
        name: What should be the name of a file.

    Returns:
        False for an empty name, a path, a drive, `.`, `..` and names with control characters.
    """
    return name not in {"", ".", ".."} and name.isprintable() and not {"/", "\\", ":"} & set(name)


def check(index: Index, tensors: Iterable[Tensor]) -> tuple[Problem, ...]:
    """Compare the names of an index with the headers of the shards that it names.

    Args:
        index: The index.
        tensors: The tensors of all shards, each with its file.

    Returns:
        One fatal problem for each tensor that is missing, extra or in another shard, sorted by its name. The
        numbers that it records are judged in `verify.declared`.
    """
    return tuple(_contradictions(index, tuple(tensors)))


def _contradictions(index: Index, tensors: tuple[Tensor, ...]) -> list[Problem]:
    planned = map(index.weight_map.get, map(_name, tensors))
    if len(tensors) == len(index.weight_map) and all(map(eq, planned, map(_file, tensors))):
        return []
    stored: dict[str, list[str]] = {}
    for tensor in tensors:
        stored.setdefault(tensor.name, []).append(tensor.file)
    return [
        Problem(name, message)
        for name in sorted(stored.keys() | index.weight_map.keys())
        if (message := _contradiction(index, name, stored.get(name, [])))
    ]


def _contradiction(index: Index, name: str, files: list[str]) -> str:
    planned = index.weight_map.get(name)
    if files == [planned]:
        return ""
    found = " and ".join(files)
    if planned is None:
        return f"stored in {found}, but {index.file} does not name it"
    if not files:
        return f"missing: {index.file} names {planned}, which does not hold it"
    return f"stored in {found}, but {index.file} names {planned}"


def _decode(data: bytes, where: str) -> _Document:
    try:
        if not data.isascii():
            str(data, "utf-8")  # msgspec does not look into the strings that it skips
        return _document.decode(data)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{where}: byte {error.start} is no UTF-8", expected="a JSON object in UTF-8", hint=_AGAIN
        ) from None
    except (msgspec.DecodeError, RecursionError) as error:
        end = _end_of_object(data) if len(data) < _BLOCK else 0
        if end:
            raise FormatError(
                f"{where}: text after the JSON object, at byte {end}",
                expected="the end of the file there",
                hint="cut it there, or download the file again",
            ) from None
        raise FormatError(f"{where}: {error}", expected="a JSON object with a weight_map", hint=_AGAIN) from None


def _end_of_object(data: bytes) -> int:
    """Offset of the first byte behind a leading JSON object that is not blank, or 0 where there is none."""
    # One recorded bloom index has shell output behind its object, which deserves better than "malformed".
    text = data.decode("utf-8")
    start = len(text) - len(text.lstrip())
    try:
        parsed, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return 0
    rest = text[end:].lstrip()
    return len(data) - len(rest.encode()) if isinstance(parsed, dict) and rest else 0


def _tensors(weight_map: msgspec.Raw, where: str) -> dict[str, str]:
    """Decode a weight_map, piece by piece as it may be long; the name of a shard is kept once."""
    found: dict[str, str] = {}
    shards: dict[str, str] = {}
    text = memoryview(weight_map)
    blocks = (bytes(text[start : start + _BLOCK]) for start in range(0, len(text), _BLOCK))
    try:
        for _, piece in pieces(blocks, longest=_LONGEST):
            part = _weight_map.decode(piece)
            # As in safetensors.py: with just two strings per tensor there is no repetition.
            repeated = None if piece.count(b'"') == 4 * len(part) else repeated_key(pairs(piece))
            repeated = repeated or next(iter(found.keys() & part.keys()), None)
            if repeated is not None:
                raise FormatError(
                    f"{where}: weight_map names {repeated!r} twice", expected="every tensor once", hint=_AGAIN
                )
            found.update(zip(part, map(shards.setdefault, part.values(), part.values()), strict=True))
            if len(found) > _MOST:
                raise FormatError(
                    f"{where}: weight_map names more than {_MOST} tensors", expected="fewer, as in all real ones"
                )
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise FormatError(
            f"{where}: weight_map: {error}", expected="a map from tensor names to file names", hint=_AGAIN
        ) from None
    return found


def _declared(metadata: msgspec.Raw, file: str) -> tuple[Declared, ...]:
    try:
        numbers = _metadata.decode(metadata)
    except (msgspec.DecodeError, RecursionError):
        return ()
    return tuple(
        Declared(kind, value, f"{file}: metadata.{key}")
        for key, kind in _NUMBERS.items()
        if (value := _whole(getattr(numbers, key))) > 0
    )


def _whole(raw: msgspec.Raw) -> int:
    text = bytes(raw)
    value: object = msgspec.json.decode(text) if len(text) <= _DIGITS else 0
    # Older writers divide bits by 8 and leave a float, which is exact as long as it is whole.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return 0
    return int(value)
