"""A checkpoint in a folder: the headers of its safetensors files, never their data."""

import os
from io import RawIOBase
from pathlib import Path

from verify.errors import EvidenceError, NotFoundError, UsageError
from verify.evidence import index as indexes
from verify.evidence import safetensors
from verify.evidence.base import Declared, DeclaredKind, Evidence, Problem, Strength
from verify.evidence.config_json import read_config
from verify.tensor import Tensor

CONFIG = "config.json"

_FILE = ".safetensors"


def read(path: Path, *, model: str, file: str = "") -> Evidence:
    """Read what a folder holds.

    Args:
        path: A folder as `save_pretrained` or a clone of a Hub repository leaves it, or the weights in it: one
            `*.safetensors` file, or one `*.index.json`.
        model: The model as the user named it.
        file: The plain name of the weights in the folder, where they are not called as usual.

    Returns:
        Evidence of strength `header`.

    Raises:
        NotFoundError: The folder, its config.json or its weights are not there.
        FormatError: A file breaks its format.
        EvidenceError: A file cannot be read.
        UsageError: `path` or `file` names something else.
    """
    folder, file = _locate(path, file)
    config = read_config(_bytes(folder / CONFIG), where=str(folder / CONFIG))
    names = _names(folder)
    problems: tuple[Problem, ...] = ()
    chosen = not file
    if not file:
        file = indexes.choose(names, where=str(folder), hint=f"give the weights themselves: {folder}/NAME{_FILE}")
        problems = indexes.ambiguity(names)
    note = ""
    if file.endswith(indexes.SUFFIX):
        index = indexes.parse(_bytes(folder / file), file=file, where=str(folder / file))
        tensors, size = _shards(folder, index)
        declared = index.declared
        problems += indexes.check(index, tensors)
        note = indexes.aside(names, index.shards)
    else:
        tensors, size = _shard(folder, file)
        declared = ()
        note = indexes.aside(names, (file,)) if chosen else _alone(folder, file)
    return Evidence(
        model=model,
        strength=Strength.HEADER,
        source="local",
        where=str(folder),
        config=config,
        tensors=tensors,
        declared=(*declared, Declared(DeclaredKind.FILE_BYTES, size, "file sizes")),
        problems=problems,
        note=note,
    )


def _locate(path: Path, file: str) -> tuple[Path, str]:
    if file:
        if not indexes.is_plain_name(file) or not file.endswith((_FILE, indexes.SUFFIX)):
            raise UsageError(f"file {file!r}", expected=f"the plain name of a *{_FILE} or *{indexes.SUFFIX} file")
        return path, file
    if path.is_dir():
        return path, ""
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or folder", hint="check the path")
    if not path.name.endswith((_FILE, indexes.SUFFIX)):
        raise UsageError(f"{path}: not a weight file", expected=f"a folder, a *{_FILE} or a *{indexes.SUFFIX} file")
    return path.parent, path.name


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> EvidenceError:
    # A link of the Hub's cache whose blob is gone is "no such file" too.
    if isinstance(error, FileNotFoundError):
        return NotFoundError(
            f"{path}: no such file",
            expected="a folder as save_pretrained leaves it",
            hint="copy or download it to there",
        )
    return EvidenceError(f"{path}: {error.strerror}", expected="a file that can be read", hint="check what is there")


def _shards(folder: Path, index: indexes.Index) -> tuple[tuple[Tensor, ...], int]:
    shards = index.shards
    absent = [shard for shard in shards if not (folder / shard).exists()]
    if absent:
        raise NotFoundError(
            f"{folder}: no {absent[0]}" + (f" and {len(absent) - 1} more" if absent[1:] else ""),
            expected=f"the {len(shards)} shards that {index.file} names",
            hint="download what is missing",
        )
    parts = [_shard(folder, shard) for shard in shards]
    return tuple(tensor for tensors, _ in parts for tensor in tensors), sum(size for _, size in parts)


def _shard(folder: Path, file: str) -> tuple[tuple[Tensor, ...], int]:
    path = folder / file
    try:
        # Unbuffered: a buffer would read data behind the header.
        with path.open("rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            prefix = _exactly(stream, safetensors.PREFIX_LENGTH)
            header = _exactly(stream, safetensors.header_length(prefix, where=str(path), size=size))
    except OSError as error:
        raise _unreadable(path, error) from None
    tensors, _ = safetensors.parse(header, file=file, size=size, where=str(path))
    return tensors, size


def _exactly(stream: RawIOBase, length: int) -> bytes:
    # One read of a raw file may return less than it was asked for.
    pieces = []
    while length and (piece := stream.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _alone(folder: Path, file: str) -> str:
    if file != indexes.SINGLE and (folder / indexes.SHARDED).exists():
        return f"only {file} was read, though {indexes.SHARDED} beside it may name more shards"
    return ""
