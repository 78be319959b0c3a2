"""PyTorch checkpoints: what `torch.save` writes, read without PyTorch and without unpickling.

A checkpoint is a zip archive of one folder: `data.pkl` holds the names, shapes and strides, `data/0`, `data/1`, … the
storages that they look at (`_save` in torch/serialization.py, caffe2/serialize/inline_container.cc). Of a file, the
directory, `data.pkl` and `version` are read; the size of every storage is compared with the directory.

Whatever is accepted here is accepted by `torch.load(weights_only=True)`, with the same names, dtypes and shapes, save
for what would take reading the data or records that say nothing of tensors:

* the checksums and local headers of storages, `byteorder`, `.format_version`, `.storage_alignment` and
  `.data/serialization_id` are not read, so damage there goes unseen;
* the device that a storage was on is not looked at: `cuda:0` needs no GPU here;
* a float4 counts as two elements, not as one of PyTorch's pairs.

What is refused though PyTorch accepts it: in the docstrings of `zip_directory`, `torch_pickle` and `state_dict`, and
compressed storages, whose size cannot be seen without inflating them, and archives of a version other than 1 to 10.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from verify.errors import FormatError
from verify.evidence import index as indexes
from verify.evidence import state_dict, torch_pickle, zip_directory
from verify.evidence.base import Declared, DeclaredKind, Problem
from verify.evidence.files import Files, Weights, ahead, refuse_absent, whole
from verify.evidence.torch_rebuild import Storage, View
from verify.evidence.zip_directory import Ends, Record
from verify.tensor import Tensor

# The index of the largest model there is has half a million tensors, in 60 MB.
_INDEX_LIMIT = 256 * 1024 * 1024

# Shards whose ends are held in memory at once.
_BATCH = 64

# `kMinSupportedFileFormatVersion` and `kMaxSupportedFileFormatVersion` in caffe2/serialize/versions.h.
_VERSIONS = frozenset(range(1, 11))
_SHORT = 64  # bytes of a version, with room

_CONVERT = "load it with torch.load(weights_only=True) where you trust it, and save it with safetensors.torch.save_file"
_SHOWN = 4

# What is found under these names, by its first bytes: at which, what it is, what to do.
_OTHERS = (
    (0, b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS, not the file", "run git lfs pull"),
    # torch/serialization.py: MAGIC_NUMBER, as a pickle of protocol 2.
    (0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a file of PyTorch before 1.6, a bare pickle", _CONVERT),
    (0, b"\x80", "a bare pickle, which may run anything", _CONVERT),
    (0, b"GGUF", "a GGUF file", "rename it to *.gguf"),
    (0, b"\x1f\x8b", "a file packed with gzip", "unpack it"),
    (0, b"\x89HDF", "an HDF5 file", "convert it to safetensors"),
    (8, b"{", "a safetensors file", "rename it to *.safetensors"),
    (257, b"ustar", "a tar archive", "unpack it, or, if it is of PyTorch before 0.1.10, " + _CONVERT),
)


class _Part(NamedTuple):
    """What one file holds."""

    tensors: tuple[Tensor, ...]
    size: int
    declared: tuple[Declared, ...]
    problems: tuple[Problem, ...]
    note: str


def read(files: Files, file: str) -> Weights:
    """Read a checkpoint, or the shards that an index names.

    Args:
        files: The files of the checkpoint.
        file: The path of a `*.bin`, `*.pt` or `*.pth` file, or of an index.

    Returns:
        The tensors. Each of several that look at the same data (tied weights) is there, with its shape; `declared`
        has the bytes of the storages, each once. A tensor that is larger than its data (expanded), or without data
        (of the meta device), is a problem; so are storages of which no tensor is part.

    Raises:
        NotFoundError: A shard is not there.
        FormatError: A file is something else, is damaged, or holds anything but plain tensors.
        EvidenceError: A file cannot be read.
    """
    if file.endswith(".json"):
        return _sharded(files, file)
    part = _part(Ends(files, file), file)
    return Weights(part.tensors, (file,), part.size, part.declared, part.problems, note=part.note)


def _sharded(files: Files, file: str) -> Weights:
    folder, slash, name = file.rpartition("/")
    folder += slash
    index = indexes.parse(whole(files, file, limit=_INDEX_LIMIT), file=name, where=files.where(file))
    shards = tuple(folder + shard for shard in index.shards)
    refuse_absent(files, shards, f"the {len(shards)} shards that {file} names")
    parts = list(_parts(files, shards))
    tensors = tuple(tensor for part in parts for tensor in part.tensors)
    named = (tensor._replace(file=tensor.file.removeprefix(folder)) for tensor in tensors)
    payload = sum(number.value for part in parts for number in part.declared)
    return Weights(
        tensors=tensors,
        files=shards,
        size=sum(part.size for part in parts),
        declared=(*index.declared, _payload(payload, file)),
        problems=(*indexes.check(index, named), *(problem for part in parts for problem in part.problems)),
        note="; ".join(f"{shard}: {part.note}" for shard, part in zip(shards, parts, strict=True) if part.note),
    )


def _parts(files: Files, shards: Sequence[str]) -> Iterator[_Part]:
    """Fetch at once, interpret one after the other: a hostile pickle may take 200 MB."""
    for start in range(0, len(shards), _BATCH):
        with ahead(files) as begin:
            batch = [(shard, begin(Ends, shard)) for shard in shards[start : start + _BATCH]]
            for shard, ends in batch:
                yield _part(ends(), shard)


def _part(ends: Ends, file: str) -> _Part:
    _refuse_others(ends)
    records = zip_directory.read(ends)
    folder = next(iter(records)).split("/")[0] + "/"
    _check_records(ends, records, folder)
    data = zip_directory.content(ends, records[folder + "data.pkl"], limit=torch_pickle.MAX_LENGTH)
    root, storages = torch_pickle.interpret(data, where=ends.where)
    problems = _compare(storages, records, folder, ends.where)
    found = state_dict.find(root, where=ends.where)
    tensors = tuple(Tensor(name, view.dtype, view.shape, file) for name, view in found.tensors)
    used = {view.storage for _, view in found.tensors if view.storage}
    notes = (found.note, _shared(found.tensors))
    return _Part(
        tensors,
        ends.size,
        (_payload(sum(storage.size for storage in used), file),),
        (*problems, *_questionable(found.tensors)),
        "; ".join(note for note in notes if note),
    )


def _refuse_others(ends: Ends) -> None:
    if ends.head.startswith(zip_directory.MAGIC):
        return
    for place, magic, what, hint in _OTHERS:
        if ends.head.startswith(magic, place):
            raise FormatError(f"{ends.where}: {what}", expected="a zip archive of torch.save", hint=hint)
    found = f"{ends.size} bytes that begin with {ends.head[:8]!r}" if ends.size else "an empty file"
    raise FormatError(
        f"{ends.where}: {found}", expected="a zip archive of torch.save", hint="download or save the file again"
    )


def _check_records(ends: Ends, records: Mapping[str, Record], folder: str) -> None:
    """Refuse archives of others, of TorchScript, and of versions to come."""
    outside = next((name for name in records if not name.startswith(folder)), "")
    version = records.get(folder + ".data/version") or records.get(folder + "version")
    if outside or version is None or folder + "data.pkl" not in records:
        found = f"{outside} outside of one folder" if outside else f"no {folder}data.pkl, or no version"
        raise FormatError(
            f"{ends.where}: a zip archive with {found}",
            expected="one of torch.save",
            hint="check what this file is; weights are best saved as safetensors",
        )
    if folder + "constants.pkl" in records:
        raise FormatError(
            f"{ends.where}: a TorchScript archive, which is a program",
            expected="a state dict",
            hint="load it with torch.jit.load where you trust it, and save its state_dict() as safetensors",
        )
    number = zip_directory.content(ends, version, limit=_SHORT).strip()
    if not number.isdigit() or int(number) not in _VERSIONS:
        raise FormatError(f"{ends.where}: version {number!r} of the archive", expected="one of 1 to 10", hint=_CONVERT)


def _compare(
    storages: Iterable[Storage], records: Mapping[str, Record], folder: str, where: str
) -> tuple[Problem, ...]:
    """Hold the storages of the pickle against the records of the archive."""
    prefix = folder + "data/"
    rest = {name for name in records if name.startswith(prefix) and name != prefix}
    for storage in storages:
        name = prefix + storage.key
        record = records.get(name)
        if record is None or record.method != zip_directory.STORED:
            found = f"{name} is compressed" if record else f"no {name}"
            raise FormatError(
                f"{where}: {found}", expected=f"{storage.size} bytes stored there", hint="have the file saved again"
            )
        if record.size != storage.size:
            raise FormatError(
                f"{where}: {name} of {record.size} bytes",
                expected=f"{storage.size}, for {storage.elements} of {storage.dtype}",
                hint="download or save the file again",
            )
        rest.discard(name)
    return tuple(
        Problem(name, f"{records[name].size} bytes in {where} of which no tensor is part", fatal=False)
        for name in sorted(rest)
    )


def _payload(size: int, file: str) -> Declared:
    return Declared(DeclaredKind.STORAGE_BYTES, size, f"{file}: the storages of its tensors, each once")


def _questionable(tensors: Iterable[tuple[str, View]]) -> Iterator[Problem]:
    """Tensors that load, and are not what their shape says."""
    for name, view in tensors:
        bits = Tensor(name, view.dtype, view.shape).bits
        if view.storage is None:
            yield Problem(name, "a tensor of the meta device: its data is in no file")
        elif bits > 8 * (view.end - view.begin):
            message = f"{bits // 8} bytes by its shape, {view.end - view.begin} in the file: an expanded tensor"
            yield Problem(name, message, fatal=False)


def _shared(tensors: Iterable[tuple[str, View]]) -> str:
    """Name the tensors that look at data of another, as tied weights do."""
    placed = sorted(
        ((view.storage.key, view.begin, -view.end, name) for name, view in tensors if view.storage),
    )
    pairs = []
    last, end, owner = "", 0, ""
    for key, begin, minus_end, name in placed:
        if key == last and begin < min(end, -minus_end):
            pairs.append(f"{name} with {owner}")
        if key != last or -minus_end > end:
            last, end, owner = key, -minus_end, name
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return f"tensors that share their data: {', '.join(pairs[:_SHOWN])}{more}" if pairs else ""
