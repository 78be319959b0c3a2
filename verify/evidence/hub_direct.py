"""Requests over `http.client`, with connections that are kept: for who needs neither a proxy nor a client of his own.

It takes a third of the time of httpx2 for each request, and a tenth of it to be imported; a sharded model is hundreds
of requests. What it does not know (proxies, other certificates than OpenSSL's, passwords in a URL) it does not serve.
"""

import http.client
import io
import socket
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from verify.evidence.hub_answers import Address, Answer, Failure, TransportError
from verify.evidence.hub_waits import Budget, later, within

if TYPE_CHECKING:
    import ssl
    from concurrent.futures import Future

    from _typeshed import WriteableBuffer

#: Bytes that are read at once, and decoded at once.
_PIECE = 1 << 16
_PROXIES = frozenset({"all", "http", "https"})
_GZIP = 16 + zlib.MAX_WBITS
_FIRST_STATUS = 200
_known: set[str] = set()
_EMPTY_LINES = (b"\r\n", b"\n")

#: A kept connection that the server has closed in the meantime fails like this, before it answers.
_HUNG_UP = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@cache
def serves_here() -> bool:
    """Whether nothing of this machine asks for another client: no proxy is set, and OpenSSL finds certificates."""
    import ssl
    from urllib.request import getproxies

    paths = ssl.get_default_verify_paths()
    # Elsewhere the system has certificates of its own, which OpenSSL does not see.
    return sys.platform == "linux" and bool(paths.cafile or paths.capath) and not _PROXIES & getproxies().keys()


class _Received(io.RawIOBase):
    """What a connection sends, as long as there is time for it: a server may send byte by byte, and never end."""

    def __init__(self, connection: socket.socket, budget: Budget) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb", buffering=0)
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        if self._budget.left < 0:
            raise TimeoutError
        _limit(self._connection, self._budget)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Lines(io.BufferedReader):
    """A stream that remembers the last line that was read of it."""

    last = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last = super().readline(size)
        return self.last


class _Bounded(NamedTuple):
    """As much of a socket as `http.client` needs for an answer."""

    connection: socket.socket
    budget: Budget

    def makefile(self, _: str) -> _Lines:
        return _Lines(_Received(self.connection, self.budget))


class _Response(http.client.HTTPResponse):
    """A response whose headers end with an empty line, where `http.client` takes a lost connection for their end."""

    fp: _Lines

    def __init__(self, bounded: socket.socket, _: socket.socket, **given: Any) -> None:
        super().__init__(bounded, **given)

    def begin(self) -> None:
        lines = self.fp
        super().begin()
        if lines.last not in _EMPTY_LINES:
            raise http.client.IncompleteRead(b"")


class Direct:
    """Connections to any number of origins, each used by one request at a time."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._idle: dict[str, list[http.client.HTTPConnection]] = {}
        self._coming: dict[str, list[Future[http.client.HTTPConnection]]] = {}
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def ask(self, address: Address, headers: Mapping[str, str], budget: Budget) -> Iterator[Answer]:
        """Send a GET, and read no more of the answer than its head.

        Args:
            address: What to ask for.
            headers: Sent as they are; without an `Accept-Encoding`, gzip is asked for.
            budget: The time for it.

        Yields:
            The answer; its body can be read until the context ends.

        Raises:
            TransportError: There is no connection, or it breaks; also from the reading of the body.
        """
        connection, response, failure = None, None, None
        self._count(address, 1)
        try:
            connection, response = self._sent(address, {"Accept-Encoding": "gzip", **headers}, budget)
            if response.status < _FIRST_STATUS:
                raise TransportError(Failure.BROKEN, f"status {response.status}")
            received = cast("Mapping[str, str]", response.headers)  # it has `get`, and is asked for nothing else
            yield Answer(response.status, received, _raw(response), _decoded(response))
        except TimeoutError:
            failure = TransportError(Failure.SLOW if budget.left > 0 else Failure.ENDLESS, "")
        except http.client.InvalidURL:
            failure = TransportError(Failure.ADDRESS, "InvalidURL")
        except (OSError, http.client.HTTPException, zlib.error) as error:
            failure = TransportError(Failure.BROKEN, type(error).__name__)
        finally:
            self._count(address, -1)
            if connection is not None:
                self._leave(address, connection, whole=response is not None and response.isclosed())
        if failure:
            raise failure

    def asked(self, address: Address) -> int:
        """How many requests to an origin are under way."""
        return self._asked[address.origin]

    def prepare(self, address: Address, count: int, timeout: float) -> None:
        """Open connections that will be needed, while something else is done.

        Args:
            address: Where to.
            count: How many, with those that are open and unused.
            timeout: Seconds for each.
        """
        with self._lock:
            coming = self._coming.setdefault(address.origin, [])
            for _ in range(count - len(coming) - len(self._idle.get(address.origin, ()))):
                coming.append(later(lambda: _connected(address, Budget(timeout))))

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
            coming, self._coming = self._coming, {}
        for connection in chain.from_iterable(idle.values()):
            connection.close()
        for opened in chain.from_iterable(coming.values()):
            opened.add_done_callback(lambda done: None if done.exception() else done.result().close())

    def _sent(
        self, address: Address, headers: Mapping[str, str], budget: Budget
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """The answer to a request on a connection that is there, or on a new one where that has been closed."""
        with self._lock:
            kept, coming = self._idle.get(address.origin), self._coming.get(address.origin)
            connection = kept.pop() if kept else None
            opened = coming.pop(0) if coming and connection is None else None
        if opened is not None:
            connection = opened.result(budget.step)
        if connection is not None:
            try:
                _limit(connection.sock, budget)
                return connection, _request(connection, address, headers, budget)
            except _HUNG_UP:
                connection.close()
            except BaseException:
                connection.close()
                raise
        connection = _connected(address, budget)
        try:
            return connection, _request(connection, address, headers, budget)
        except BaseException:
            connection.close()
            raise

    def _count(self, address: Address, change: int) -> None:
        with self._lock:
            self._asked[address.origin] += change

    def _leave(self, address: Address, connection: http.client.HTTPConnection, *, whole: bool) -> None:
        """Keep a connection for another request, or close it where something of the last answer is left."""
        if not whole or connection.sock is None:
            connection.close()
            return
        with self._lock:
            self._idle.setdefault(address.origin, []).append(connection)


def _limit(connection: socket.socket, budget: Budget) -> None:
    """Set the time for the next step; to set it again as it is would cost a system call for each piece."""
    step = budget.step
    if connection.gettimeout() != step:
        connection.settimeout(step)


def _connected(address: Address, budget: Budget) -> http.client.HTTPConnection:
    timeout = budget.step
    connection = (
        http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=_context())
        if address.scheme == "https"
        else http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    )
    try:
        _look_up(address, budget)
        connection.connect()
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that is no name
        reason = str(error) or type(error).__name__
    else:
        return connection
    connection.close()
    raise TransportError(Failure.NO_CONNECTION, f"{address.host} ({reason})")


def _look_up(address: Address, budget: Budget) -> None:
    """Look the name of a host up for the first time, which no timeout ends; what is known is found again at once."""
    if address.host not in _known:
        if within(budget, lambda: socket.getaddrinfo(address.host, address.port)) is None:
            raise TimeoutError
        _known.add(address.host)


@cache
def _context() -> "ssl.SSLContext":
    import ssl

    return ssl.create_default_context()


def _request(
    connection: http.client.HTTPConnection, address: Address, headers: Mapping[str, str], budget: Budget
) -> http.client.HTTPResponse:
    bounded = cast("socket.socket", _Bounded(connection.sock, budget))
    connection.response_class = partial(_Response, bounded)  # type: ignore[assignment]
    connection.request("GET", address.target, headers=dict(headers))
    return connection.getresponse()


def _raw(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives.

    Raises:
        HTTPException: It ends early.
    """
    while piece := response.read1(_PIECE):
        yield piece
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    response.close()


def _decoded(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body, decompressed in pieces of a bounded size.

    Raises:
        TransportError: It is compressed in another way than gzip.
        HTTPException: It ends early.
        zlib.error: It is not what it says it is.
    """
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity":
        yield from _raw(response)
        return
    if coding not in {"gzip", "x-gzip"}:
        raise TransportError(Failure.BROKEN, f"Content-Encoding {coding[:80]!r}")
    unzip = zlib.decompressobj(_GZIP)
    for piece in _raw(response):
        left = piece
        while left:
            if unzip.eof:  # what follows is another member
                unzip = zlib.decompressobj(_GZIP)
            yield unzip.decompress(left, _PIECE)
            left = unzip.unconsumed_tail or unzip.unused_data
    yield unzip.flush()
    if not unzip.eof:
        raise zlib.error
