"""Addresses and answers, as both clients give them: `hub_direct`, and `hub_client`."""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import NamedTuple, Self
from urllib.parse import quote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What may stand in a path or a query: RFC 3986, section 3.3. What is escaped already stays so.
_SAFE = "%/:@!$&'()*+,;=~"
_LATIN_1 = "\xff"


class Failure(Enum):
    """What goes wrong between here and a server."""

    ADDRESS = auto()
    NO_CONNECTION = auto()
    SLOW = auto()
    ENDLESS = auto()
    BROKEN = auto()


class TransportError(Exception):
    """No answer, or none that can be read to its end."""

    def __init__(self, failure: Failure, reason: str) -> None:
        """Keep what happened.

        Args:
            failure: What it was.
            reason: The same in a few words.
        """
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


class Address(NamedTuple):
    """A URL, in parts.

    Attributes:
        scheme: `http` or `https`.
        host: The name or number of a host.
        port: Its port.
        target: Path and query, escaped.
        user: What stands before the `@`, or "".
    """

    scheme: str
    host: str
    port: int
    target: str
    user: str = ""

    @classmethod
    def of(cls, url: str) -> Self:
        """The parts of a URL.

        Args:
            url: The URL; its fragment is left out.

        Raises:
            ValueError: It is none of HTTP.
        """
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
        if scheme not in _PORTS or not host:
            raise ValueError(f"{url!r} is no address")
        coding = "latin-1" if max(url) <= _LATIN_1 else "utf-8"  # a header comes as Latin-1, whatever it was
        path = quote(parts.path or "/", safe=_SAFE, encoding=coding)
        query = "?" + quote(parts.query, safe=_SAFE + "?", encoding=coding) if parts.query else ""
        return cls(scheme, host, parts.port or _PORTS[scheme], path + query, parts.netloc.rpartition("@")[0])

    @property
    def origin(self) -> str:
        """Where a token may go: scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole, without the user."""
        return self.origin + self.target

    @property
    def full(self) -> str:
        """The whole, with the user."""
        return self.url.replace("://", f"://{self.user}@", 1) if self.user else self.url

    def join(self, location: str) -> str:
        """The URL that a redirect leads to.

        Args:
            location: Its `Location`, which may be relative.

        Raises:
            ValueError: It is no URL.
        """
        return urljoin(self.full, location)


class Answer(NamedTuple):
    """An answer whose body has not been read.

    Attributes:
        status: Its status.
        headers: Its headers, whose names may be written in any case.
        raw: The body as it arrives; `TransportError` where it breaks off.
        decoded: The same, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    raw: Iterator[bytes]
    decoded: Iterator[bytes]

    @property
    def location(self) -> str | None:
        """Where it redirects to; None where it does not."""
        return self.headers.get("Location") if self.status in _REDIRECTS else None
