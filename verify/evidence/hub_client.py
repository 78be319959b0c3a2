"""Requests over httpx2, as huggingface_hub makes them: for a proxy, a certificate or a client of the user."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from verify.evidence.hub_answers import Address, Answer, Failure, TransportError
from verify.evidence.hub_waits import Budget

if TYPE_CHECKING:
    import httpx2

_own: "list[httpx2.Client]" = []
_lock = threading.Lock()


def is_set_by_user() -> bool:
    """Whether `huggingface_hub.set_client_factory` was called."""
    # There is no public way to ask for it; where the names have changed, the client that is there is taken.
    from huggingface_hub.utils import _http

    with suppress(AttributeError):
        return _http._GLOBAL_CLIENT_FACTORY is not _http.default_client_factory  # noqa: SLF001
    return True


@contextmanager
def ask(address: Address, headers: Mapping[str, str], budget: Budget) -> Iterator[Answer]:
    """Send a GET; as `hub_direct.Direct.ask` does.

    Args:
        address: What to ask for.
        headers: Sent beside those of the client.
        budget: The time for it; nothing ends an answer whose headers arrive byte by byte.

    Yields:
        The answer; its body can be read until the context ends.

    Raises:
        TransportError: There is no connection, or it breaks; also from the reading of the body.
    """
    import httpx2

    timeout = budget.step
    try:
        with client().stream("GET", address.full, headers=headers, timeout=timeout, follow_redirects=False) as got:
            yield Answer(got.status_code, got.headers, got.iter_raw(), got.iter_bytes())
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
        failure = TransportError(Failure.ADDRESS, type(error).__name__)
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        failure = TransportError(Failure.NO_CONNECTION, f"{address.host} ({error or type(error).__name__})")
    except httpx2.TimeoutException:
        failure = TransportError(Failure.SLOW, "")
    except httpx2.RequestError as error:
        failure = TransportError(Failure.BROKEN, type(error).__name__)
    else:
        return
    raise failure


def client() -> "httpx2.Client":
    """The client of the user, or one that differs from huggingface_hub's own in the number of idle connections alone.

    20 are few where each thread has one to the Hub and one to the storage that it leads to, and every connection more
    costs two round trips, or three.
    """
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    if is_set_by_user():
        theirs: httpx2.Client = get_session()
        return theirs
    with _lock:
        if not _own:
            _own.append(_wide())
        return _own[0]


def close() -> None:
    """Close the connections that are ours; the next request opens new ones."""
    with _lock:
        while _own:
            _own.pop().close()


def _wide() -> "httpx2.Client":
    import httpx2
    from huggingface_hub.utils import _http

    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    # As `default_client_factory` has it, save for the limits.
    return httpx2.Client(event_hooks={"request": [_http.hf_request_event_hook]}, timeout=None, limits=limits)
