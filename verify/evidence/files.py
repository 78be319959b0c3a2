"""Where the bytes of a checkpoint's files come from: a folder or a repository of the Hub, in pieces.

A format is read through `Files`, so that it is written once for both. Nothing is read that is not asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from verify.errors import FormatError, NotFoundError
from verify.evidence.base import Declared, Problem
from verify.tensor import Tensor

_Read = TypeVar("_Read")


class Files(Protocol):
    """The files of one checkpoint, pinned: what they hold does not change while they are read."""

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """Every file by its path in the folder, with `/`; and its size in bytes, None where that is not known yet."""

    def where(self, file: str) -> str:
        """The path or address of a file, for messages."""

    def size(self, file: str) -> int:
        """Size of a file in bytes.

        Raises:
            EvidenceError: There is no such file, or it cannot be reached.
        """

    def read(self, file: str, start: int, length: int) -> bytes:
        """`length` bytes from `start` on; fewer only where the file ends.

        Raises:
            EvidenceError: The file cannot be read, or lies outside the checkpoint.
        """


class Begin(Protocol):
    """Begins to read a file, and gives what waits for the result."""

    def __call__(self, read: Callable[[Files, str], _Read], file: str, /) -> Callable[[], _Read]:
        """Begin."""


class Weights(msgspec.Struct, frozen=True):
    """What the weight files of a checkpoint hold.

    Attributes:
        tensors: The stored tensors, in the order of the files and of their data.
        files: The files that were read.
        size: Bytes of these files.
        declared: Numbers that the files record of themselves.
        problems: Contradictions between them.
        config: The hyper-parameters that the weight file carries, with the keys of a config.json; empty where it
            carries none.
        note: What a reader must know of it, in one sentence.
    """

    tensors: tuple[Tensor, ...]
    files: tuple[str, ...]
    size: int
    declared: tuple[Declared, ...] = ()
    problems: tuple[Problem, ...] = ()
    config: Mapping[str, object] | None = None
    note: str = ""


def whole(files: Files, file: str, *, limit: int) -> bytes:
    """Read a file to its end, such as an index or a config.json.

    Args:
        files: The files of the checkpoint.
        file: The path of the file.
        limit: The most bytes that such a file may have.

    Raises:
        FormatError: It is longer.
        EvidenceError: It cannot be read.
    """
    size = files.size(file)
    if size > limit:
        raise FormatError(
            f"{files.where(file)}: {size} bytes",
            expected=f"at most {limit}, more than any real one has",
            hint="download or save the file again",
        )
    return files.read(file, 0, size)


def refuse_absent(files: Files, names: Iterable[str], expected: str) -> None:
    """Refuse a checkpoint that lacks files of its own.

    Args:
        files: The files of the checkpoint.
        names: The paths of the files that must be there.
        expected: What they are.

    Raises:
        NotFoundError: One is not there.
    """
    absent = [name for name in names if name not in files.sizes]
    if absent:
        raise NotFoundError(
            f"{files.where(absent[0])}: no such file" + (f", and {len(absent) - 1} more" if absent[1:] else ""),
            expected=expected,
            hint="download what is missing",
        )


@contextmanager
def ahead(files: Files) -> Iterator[Begin]:
    """Have files read before their content is needed, several at once where their `Files` has `threads` to wait in.

    Args:
        files: The files of the checkpoint.

    Yields:
        Begins to read a file, by a function of the `Files` and the path, and gives what waits for the result. What
        nobody has waited for when the context ends is given up.
    """
    threads = getattr(files, "threads", 1)  # a folder has none: it does not wait
    if threads == 1:
        yield lambda read, file: partial(read, files, file)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="verify-files")
    try:
        yield lambda read, file: pool.submit(read, files, file).result
    finally:
        pool.shutdown(cancel_futures=True)
