"""Checkpoints in memory, and the parts that hostile ones are made of."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import torch

from verify.evidence import torch_zip
from verify.evidence.files import Weights


class Memory:
    """Files that are held in memory, and what was read of them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.reads: list[tuple[str, int, int]] = []

    @property
    def sizes(self) -> Mapping[str, int | None]:
        return {name: len(data) for name, data in self.files.items()}

    def where(self, file: str) -> str:
        return f"memory/{file}"

    def size(self, file: str) -> int:
        return len(self.files[file])

    def read(self, file: str, start: int, length: int) -> bytes:
        self.reads.append((file, start, length))
        return self.files[file][start : start + length]


def read(data: bytes) -> Weights:
    """What we make of one file."""
    return torch_zip.read(Memory({"x.bin": data}), "x.bin")


def saved(value: object, **options: Any) -> bytes:
    """The bytes of torch.save."""
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def unzipped(archive: bytes) -> dict[str, bytes]:
    """The records of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(records: Mapping[str, bytes], *, deflated: tuple[str, ...] = ()) -> bytes:
    """An archive of these records, stored unless named; always the same bytes, whatever the time of day."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in records.items():
            packed = zipfile.ZIP_DEFLATED if name in deflated else zipfile.ZIP_STORED
            opened.writestr(zipfile.ZipInfo(name), data, packed)
    return file.getvalue()


def pickled(pickle: bytes, **storages: bytes) -> bytes:
    """An archive with this data.pkl, and these storages by key."""
    return zipped(
        {"a/data.pkl": pickle, **{f"a/data/{key}": data for key, data in storages.items()}, "a/version": b"3"}
    )


def text(value: str) -> bytes:
    """A string, as BINUNICODE."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + len(data).to_bytes(4, "little") + data


def whole(value: int) -> bytes:
    """A whole number, as LONG1."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def storage(key: str = "0", elements: int = 6, kind: str = "torch\nFloatStorage") -> bytes:
    """A storage."""
    return b"(" + text("storage") + b"c" + kind.encode() + b"\n" + text(key) + text("cpu") + whole(elements) + b"tQ"


HOOKS = b"ccollections\nOrderedDict\n)R"


def tensor(
    of: bytes = b"", *, shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (3, 1), offset: int = 0
) -> bytes:
    """A tensor of some storage; 2 x 3 of float32 unless told otherwise."""
    axes, steps = (b"(" + b"".join(map(whole, each)) + b"t" for each in (shape, strides))
    function = b"ctorch._utils\n_rebuild_tensor_v2\n"
    return function + b"(" + (of or storage()) + whole(offset) + axes + steps + b"\x89" + HOOKS + b"tR"


def state(**values: bytes) -> bytes:
    """A pickle of a dict."""
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in values.items()) + b"u."
