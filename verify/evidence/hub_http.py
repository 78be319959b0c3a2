"""How the Hub is read over HTTP: redirects by hand, bounded retries, ranges that are checked.

It knows URLs and bytes, and neither models nor safetensors. Requests go through huggingface_hub's session, so
a client factory, proxy or certificate that the user has set there serves here too. Its functions are public, but
typed as if they were not: hence the ignores. Both it and httpx2 are imported inside the functions: 0.2 s that other
evidence need not pay.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from verify.errors import NetworkError

if TYPE_CHECKING:
    import httpx2

_Taken = TypeVar("_Taken")

#: Attempts per request; a host that cannot be reached at all gets fewer, as that seldom mends itself.
TRIES = 5
_TRIES_TO_CONNECT = 2

#: First wait in seconds, doubled each time, and the most that one request may wait in all.
_FIRST_WAIT = 0.5
_WAIT_BUDGET = 60.0

_REDIRECTS = 10
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL = 206
_OK = 200
_FIRST_ERROR = 400
_CHUNK = 65536

_sleep = time.sleep  # a name of this module, so that a test can wait for nothing


class Piece(NamedTuple):
    """A range of a file.

    Attributes:
        data: The bytes.
        total: Size of the whole file in bytes, or None where the server does not tell.
    """

    data: bytes
    total: int | None


class Body(NamedTuple):
    """A whole answer.

    Attributes:
        data: The decoded bytes.
        commit: The commit that the server says it belongs to, or "".
    """

    data: bytes
    commit: str


class _TransientError(Exception):
    """Something that another attempt may mend."""

    def __init__(self, reason: str, *, tries: int = TRIES, wait: float | None = None) -> None:
        super().__init__(reason)
        self.tries = tries
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Http:
    """A reader with the headers of one user.

    Attributes:
        headers: Sent to the first origin; `authorization` is never sent to another one.
        timeout: Seconds to wait for a connection, or for the next bytes.
    """

    headers: Mapping[str, str]
    timeout: float

    def read(self, url: str, *, limit: int, tries: int = TRIES) -> Body:
        """Read a whole answer.

        Args:
            url: Where it is.
            limit: The most bytes to accept.
            tries: Attempts.

        Raises:
            NetworkError: No answer, a failing server, or one that sends too much.
            HfHubHTTPError: The server refuses (huggingface_hub's class).
        """

        def take(response: "httpx2.Response") -> Body:
            data = b"".join(_at_most(response.iter_bytes(_CHUNK), limit + 1))
            if len(data) > limit:
                raise NetworkError(f"{_plain(url)}: more than {limit} bytes", expected="a small JSON file")
            return Body(data, response.headers.get("X-Repo-Commit", ""))

        return self._retry(url, {}, take, tries)

    def read_range(self, url: str, start: int, length: int) -> Piece:
        """Read a part of a file; fewer bytes than asked for only where the file ends.

        A server that ignores the range and sends the whole file is read up to the end of the range and no further.

        Args:
            url: Where the file is.
            start: Offset of the first byte.
            length: Number of bytes.

        Raises:
            NetworkError: No answer, or a server that keeps failing or answering with another range.
            HfHubHTTPError: The server refuses (huggingface_hub's class).
        """
        asked = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        return self._retry(url, asked, lambda response: _take_range(response, start, length), TRIES)

    def _retry(
        self, url: str, headers: Mapping[str, str], take: "Callable[[httpx2.Response], _Taken]", tries: int
    ) -> _Taken:
        waited = 0.0
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._follow(url, headers, take)
            except _TransientError as error:
                wait = error.wait if error.wait is not None else _FIRST_WAIT * 2 ** (attempt - 1)
                if attempt >= min(tries, error.tries):
                    raise NetworkError(
                        f"{_plain(url)}: {error}, {attempt} times",
                        hint="check the network and HF_ENDPOINT, or try later",
                    ) from None
                if waited + wait > _WAIT_BUDGET:
                    raise NetworkError(
                        f"{_plain(url)}: {error}, and it asks to wait {wait:.0f} s", hint="try again after that"
                    ) from None
                _sleep(wait)
                waited += wait

    def _follow(self, url: str, headers: Mapping[str, str], take: "Callable[[httpx2.Response], _Taken]") -> _Taken:
        import httpx2
        from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

        sent = {**self.headers, **headers}
        address = httpx2.URL(url)
        try:
            for _ in range(_REDIRECTS):
                with get_session().stream(
                    "GET", address, headers=sent, timeout=self.timeout, follow_redirects=False
                ) as response:
                    if not response.has_redirect_location:
                        return take(_accepted(response))
                    target = address.join(response.headers["Location"])
                    b"".join(_at_most(response.iter_raw(_CHUNK), _CHUNK))  # an unread body would cost the connection
                if target.scheme not in {address.scheme, "https"}:
                    raise NetworkError(f"{_plain(url)}: redirected to {target.scheme}", expected="https")
                if target.origin != address.origin:
                    # httpx2 keeps the token on a redirect from http to https of one host; nothing needs that.
                    sent = {key: value for key, value in sent.items() if key.lower() != "authorization"}
                address = target
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _TransientError(f"no connection to {address.host} ({error})", tries=_TRIES_TO_CONNECT) from None
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
            raise NetworkError(f"{_plain(url)}: {type(error).__name__}", hint="check HF_ENDPOINT") from None
        except httpx2.RequestError as error:
            raise _TransientError(f"the connection broke ({type(error).__name__})") from None
        raise NetworkError(f"{_plain(url)}: more than {_REDIRECTS} redirects", hint="check HF_ENDPOINT")


def _accepted(response: "httpx2.Response") -> "httpx2.Response":
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

    status = response.status_code
    if status in _RETRIED:
        raise _TransientError(f"the server answers {status}", wait=_asked_wait(response.headers))
    if status >= _FIRST_ERROR and status != _RANGE_NOT_SATISFIABLE:
        hf_raise_for_status(response)
    return response


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: `Retry-After` in either form, or the Hub's `RateLimit`."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        limit = parse_ratelimit_headers(headers)
        return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else None


def _take_range(response: "httpx2.Response", start: int, length: int) -> Piece:
    given = response.headers.get("Content-Range", "")
    if response.status_code == _RANGE_NOT_SATISFIABLE:
        return Piece(b"", _number(given.rpartition("/")[2]))
    skip = 0
    if response.status_code == _OK:
        skip, total = start, _number(response.headers.get("Content-Length", ""))
    else:
        first, last, total = _content_range(given)
        stop = start + length if total is None else min(start + length, total)
        if response.status_code != _PARTIAL or first != start or last != stop - 1:
            raise _TransientError(
                f"asked for bytes {start}-{start + length - 1}, the server answers {response.status_code} {given!r}"
            )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _TransientError(f"asked for plain bytes, the server answers {response.headers['Content-Encoding']}")
    data = b"".join(_at_most(response.iter_raw(_CHUNK), skip + length))[skip:]
    expected = length if total is None else max(0, min(length, total - start))
    if len(data) != expected:
        raise _TransientError(f"{len(data)} bytes arrived of {expected}")
    return Piece(data, total)


def _content_range(text: str) -> tuple[int | None, int | None, int | None]:
    span, _, total = text.removeprefix("bytes ").partition("/")
    first, _, last = span.partition("-")
    return _number(first), _number(last), _number(total)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _at_most(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    # Runs to the end of a body that is no longer than the limit: only then is the connection kept alive.
    left = limit
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left < 0:
            return


def _plain(url: str) -> str:
    """A URL without its query, which may hold a signature."""
    return url.partition("?")[0]
