"""The files of a repository of the Hub at one commit, read in pieces: `verify.evidence.files.Files`.

A format asks for a few bytes at a time, and a request costs the same for 8 bytes as for 128 KiB; so more is read than
asked for, the further a format reads the more, and held for a while. What was read is kept in the cache.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from verify.errors import NetworkError, NotFoundError, VerifyError
from verify.evidence import hub_session, safetensors
from verify.evidence.hub_cache import Cache, Pieces
from verify.evidence.hub_errors import RefusedError
from verify.evidence.hub_http import Body, Http
from verify.evidence.hub_progress import Status
from verify.evidence.hub_ranges import Piece

#: Bytes that a request reads at least: headers of a few hundred tensors fit, so one per shard is enough.
FIRST_READ = 128 * 1024

# The most that is read beyond what is asked for, and that is held in memory for the next read.
_MOST_AHEAD = 4 * 1024 * 1024
_MOST_HELD = 16 * 1024 * 1024

_JSON = ".json"
_SAFETENSORS = ".safetensors"
_NOT_FOUND = 404
_NOTHING: Mapping[str, Future[Body]] = {}


@dataclass(frozen=True, slots=True)
class Pinned:
    """A repository at one commit.

    Attributes:
        endpoint: The address of the Hub.
        model: `owner/name`.
        commit: The full id of the commit.
        sizes: Every file, with its size in bytes where the Hub gives it.
    """

    endpoint: str
    model: str
    commit: str
    sizes: Mapping[str, int | None] = field(repr=False)


class HubFiles:
    """The files of a repository at one commit.

    Attributes:
        pinned: The repository.
        kept: What is kept of it on disk.
        http: How it is reached; None offline.
        status: What the read has come to.
        asked: What was asked for before the commit was known.
        threads: How many files may be read at once.
    """

    def __init__(
        self,
        pinned: Pinned,
        cache: Cache,
        http: Http | None,
        status: Status,
        asked: Mapping[str, Future[Body]] = _NOTHING,
    ) -> None:
        """Open nothing yet.

        Args:
            pinned: The repository.
            cache: What is kept of it on disk.
            http: How it is reached; None offline.
            status: Is told of every byte that arrives.
            asked: What was asked for already, by `hub_early.ask`.
        """
        self.pinned = pinned
        self.kept = Pieces(cache, pinned.commit)
        self.asked = asked
        self.http = http
        self.status = status
        self.threads = 1 if http is None else hub_session.threads()
        self._held: dict[str, dict[int, bytes]] = {}
        self._held_length = 0
        self._read: dict[str, int] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._failure: VerifyError | RefusedError | None = None

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """Every file by its path in the repository; and its size in bytes, None where the Hub does not list it."""
        return self.pinned.sizes

    def where(self, file: str) -> str:
        """The path of a file, for messages."""
        return f"{self.pinned.model}/{file}"

    def size(self, file: str) -> int:
        """Size of a file in bytes.

        Raises:
            NetworkError: The server does not tell.
            RefusedError: The server refuses.
        """
        listed = self.sizes.get(file)
        if listed is not None:
            return listed
        total = self._range(file, 0, 1).total
        if total is None:
            raise NetworkError(f"{self.where(file)}: the server does not tell its size", hint="try again later")
        return total

    def read(self, file: str, start: int, length: int) -> bytes:
        """`length` bytes from `start` on; fewer only where the file ends.

        Raises:
            NetworkError: The server keeps failing, or, offline, the cache does not hold it.
            NotFoundError: There is no such file.
            RefusedError: The server refuses.
        """
        if file not in self.sizes:
            raise NotFoundError(f"{self.where(file)}: no such file")
        with self._lock:
            lock = self._locks.setdefault(file, threading.Lock())
        stop = min(start + length, self.size(file))
        pieces = []
        with lock:
            while start < stop:
                begin, data = self._piece(file, start, stop)
                pieces.append(data[start - begin : stop - begin])
                start += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def early(self, name: str) -> Body | None:
        """What was asked for before the commit was known; None where it is not there, and is to be asked for.

        Args:
            name: As in `hub_early.ask`.

        Raises:
            RefusedError: The server refuses it.
        """
        asked = self.asked.get(name)
        with suppress(NetworkError):
            return asked.result() if asked else None
        return None

    def prove_access(self, file: str) -> None:
        """Ask the Hub for a byte of a file, whatever the cache holds.

        Raises:
            NetworkError: The server keeps failing.
            RefusedError: The token does not open it.
        """
        self._range(file, 0, 1)

    def _piece(self, file: str, start: int, stop: int) -> tuple[int, bytes]:
        """Something that is held, kept or fetched and has the byte at `start`, and where it begins."""
        with self._lock:
            for begin, data in self._held.get(file, {}).items():
                if begin <= start < begin + len(data):
                    return begin, data
        data = self.kept.get(f"{file}.{start}") or self._fetch(file, start, stop)
        with self._lock:
            self._hold(file, start, data)
            self._read[file] = self._read.get(file, 0) + len(data)
        return start, data

    def _hold(self, file: str, start: int, data: bytes) -> None:
        """Hold a piece for a while; the file that was begun first goes first."""
        while self._held and self._held_length + len(data) > _MOST_HELD:
            oldest = self._held.pop(next(iter(self._held)))
            self._held_length -= sum(map(len, oldest.values()))
        self._held.setdefault(file, {})[start] = data
        self._held_length += len(data)

    def _fetch(self, file: str, start: int, stop: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            data = self._request(file, start, stop)
        except (VerifyError, RefusedError) as error:
            # Whatever else is being read is of no use any more: let none of it wait, and all say the same.
            self._failure = self._failure or error
            if self.http is not None:
                self.http.stopped.set()
            raise self._failure from None
        self.status.add(file, len(data))
        self.kept.put(f"{file}.{start}", data)
        return data

    def _request(self, file: str, start: int, stop: int) -> bytes:
        size = self.size(file)
        if start == 0 and stop == size and file.endswith(_JSON):
            # Whole, a server may compress it, which makes a tenth of an index.
            data = self._whole(file, size)
            total: int | None = len(data)
        else:
            # The second read of a safetensors file ends with the header; what follows is data.
            ahead = 0 if start and file.endswith(_SAFETENSORS) else max(FIRST_READ, self._read.get(file, 0))
            length = min(max(stop - start, min(ahead, _MOST_AHEAD)), size - start)
            data, total = self._range(file, start, length)
        if total not in {None, size}:
            raise NetworkError(
                f"{self.where(file)}: the server gives a size of {total} bytes, the file list {size}",
                hint="try again later",
            )
        return _header(data) if start == 0 and file.endswith(_SAFETENSORS) else data

    def _whole(self, file: str, size: int) -> bytes:
        try:
            early = self.early(file)
        except RefusedError:  # it is asked for again, and may be there in this commit
            early = None
        if early and early.commit == self.pinned.commit and len(early.data) <= size:
            return early.data
        with self._online(file) as http:
            return http.read(self._url(file), limit=size, commit=self.pinned.commit).data

    def _range(self, file: str, start: int, length: int) -> Piece:
        with self._online(file) as http:
            return http.read_range(self._url(file), start, length, commit=self.pinned.commit)

    @contextmanager
    def _online(self, file: str) -> Iterator[Http]:
        """The connection, for one file that the Hub lists."""
        if self.http is None:
            raise NetworkError(
                f"offline, and {self.where(file)} of {self.pinned.commit} is not in the cache",
                hint="run the same with a connection once",
            )
        try:
            yield self.http
        except RefusedError as error:
            if error.status != _NOT_FOUND or error.code not in {"", "EntryNotFound"}:
                raise
            where = self.where(file)
        else:
            return
        raise NotFoundError(f"{where}: the Hub lists it, and does not have it", hint="try again later")

    def _url(self, file: str) -> str:
        pinned = self.pinned
        return f"{pinned.endpoint}/{pinned.model}/resolve/{quote(pinned.commit, safe='')}/{quote(file)}"


def _header(data: bytes) -> bytes:
    """The beginning of a safetensors file without the data behind the header, which nobody asks for."""
    length = int.from_bytes(data[: safetensors.PREFIX_LENGTH], "little")
    return data[: safetensors.PREFIX_LENGTH + length]
