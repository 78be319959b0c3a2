"""What was read of the Hub, kept on disk by commit: headers are a few MB of files of gigabytes.

It lies where huggingface_hub has other libraries keep such things (`cached_assets_path`: HF_ASSETS_CACHE, else
HF_HOME/assets): `verify-params/models--<owner>--<name>/<commit>/`, with an entry `<file>.<offset>` for a long piece of
a file and one for all short ones. A commit never changes, so nothing there grows old; `refs/<revision>` says which
commit a branch was at when it was last asked, for reading offline.

An entry begins with a checksum of its bytes and of what they are: an entry that is cut, damaged, misplaced or of
another endpoint is none, and is written again. It is written under another name and then renamed, so that processes
may share the folder. A cache that cannot be written is no reason to fail.
"""

import os
import tempfile
import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import msgspec

from verify.evidence.hub_token import LIBRARY
from verify.evidence.hub_waits import later

_REFS = "refs"
_CHECKSUM = 16
_PIECES = "pieces"
# Bytes of what is written together with others, and of all that is.
_SHORT, _MOST_SHORT = 1024 * 1024, 32 * 1024 * 1024
# File systems end at 255, and the name that is written first is longer.
_LONGEST = 200


class Cache(msgspec.Struct, frozen=True):
    """What is kept of one model.

    Attributes:
        folder: Where; None where nothing is to be kept.
        identity: The endpoint and the model, as one text.
    """

    folder: Path | None
    identity: str

    def get(self, commit: str, name: str) -> bytes | None:
        """What is kept under a name; None where nothing is, or something that cannot be trusted."""
        path = self._path(commit, name)
        if path is None:
            return None
        try:
            kept = path.read_bytes()
        except OSError:
            return None
        data = kept[_CHECKSUM:]
        return data if kept[:_CHECKSUM] == self._checksum(commit, name, data) else None

    def put(self, commit: str, name: str, data: bytes) -> None:
        """Keep something under a name."""
        path = self._path(commit, name)
        if path is None:
            return
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, self._checksum(commit, name, data), data)

    def recall(self, revision: str) -> str:
        """The commit that a branch or tag was at when it was last asked for, or ""."""
        return (self.get(_REFS, revision) or b"").decode("ascii", "replace")

    def remember(self, revision: str, commit: str) -> None:
        """Keep the commit of a branch or tag."""
        if self.recall(revision) != commit:
            self.put(_REFS, revision, commit.encode())

    def _path(self, commit: str, name: str) -> Path | None:
        # The dot keeps the name from being `.` or `..`.
        name = f"{quote(name, safe='')}.bin"
        return None if self.folder is None or len(name) > _LONGEST else self.folder / commit / name

    def _checksum(self, commit: str, name: str, data: bytes) -> bytes:
        checksum = blake2b(repr((self.identity, commit, name)).encode(), digest_size=_CHECKSUM)
        checksum.update(data)
        return checksum.digest()


class Pieces:
    """What is kept of one commit: what is short in one entry, as a sharded model has hundreds of headers."""

    def __init__(self, cache: Cache, commit: str) -> None:
        """Look at nothing yet.

        Args:
            cache: What is kept of the model.
            commit: The commit.
        """
        self._cache = cache
        self._commit = commit
        self._lock = threading.Lock()
        self._short: dict[str, bytes] | None = None
        self._length = 0
        self._changed = False
        self._long: list[Future[None]] = []

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, if anything."""
        with self._lock:
            short = self._read().get(name)
        return short or self._cache.get(self._commit, name)

    def put(self, name: str, data: bytes) -> None:
        """Keep something under a name; it may not be on disk before `write`."""
        if self._cache.folder is None:
            return
        with self._lock:
            short = self._read()
            if len(data) < _SHORT and self._length + len(data) < _MOST_SHORT:
                self._changed = True
                self._length += len(data)
                short[name] = data
                return
        self._long.append(later(partial(self._cache.put, self._commit, name, data)))

    def write(self) -> None:
        """Have all on disk."""
        with self._lock:
            if self._changed:
                self._cache.put(self._commit, _PIECES, msgspec.msgpack.encode(self._short))
            self._changed = False
        wait(self._long)

    def _read(self) -> dict[str, bytes]:
        if self._short is None:
            self._short = {}
            kept = self._cache.get(self._commit, _PIECES)
            with suppress(msgspec.DecodeError):
                self._short = msgspec.msgpack.decode(kept, type=dict[str, bytes]) if kept else {}
            self._length = sum(map(len, self._short.values()))
        return self._short


def open_cache(endpoint: str, model: str, *, enabled: bool) -> Cache:
    """The cache of a model.

    Args:
        endpoint: The address of the Hub.
        model: `owner/name`.
        enabled: Whether anything is to be read from it or kept in it.

    Returns:
        The cache; no file is looked at yet.
    """
    from huggingface_hub import constants

    # The folder is named as in huggingface_hub's own cache (`repo_folder_name` in file_download.py).
    folder = Path(constants.HF_ASSETS_CACHE) / LIBRARY / "--".join(("models", *model.split("/")))
    return Cache(folder if enabled else None, f"{endpoint} {model}")


def _write(path: Path, *parts: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - of a descriptor
            stream.writelines(parts)
        os.replace(temporary, path)  # noqa: PTH105 - of a text
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - of a text
        raise
