"""One attempt at a request: redirects by hand, a token that stays where it belongs, answers that are refused.

What comes of it is a value, or one of three exceptions: `FaultError` for what another attempt may mend, `RefusedError`
for what the Hub refuses, `NetworkError` for the rest. None of them has an exception of the client as its context:
each of those holds the request, and with it the token.
"""

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec

from verify.errors import NetworkError
from verify.evidence import hub_session, hub_waits
from verify.evidence.hub_answers import Address, Answer, Failure, TransportError
from verify.evidence.hub_errors import RefusedError
from verify.evidence.hub_ranges import RangeError
from verify.evidence.hub_waits import Budget

_Taken = TypeVar("_Taken")
_Read = TypeVar("_Read", Address, str)

#: Attempts per request. Where nothing changes from one to the next, few are enough.
TRIES = 5
_FEW_TRIES = 2

_REDIRECTS = 10
_TOO_MANY = 429
_RETRIED = frozenset({408, _TOO_MANY, 500, 502, 503, 504})
# What storage answers to a signature that has run out; the Hub gives another one.
_EXPIRED = frozenset({400, 401, 403})
_RANGE_NOT_SATISFIABLE = 416
_FIRST_ERROR = 400
_DRAINED = 65536


class Fault(NamedTuple):
    """Something that another attempt may mend.

    Attributes:
        reason: What happened.
        tries: After how many attempts to give up.
        wait: Seconds that the server asks to wait, or None.
        crowded: The origin that has too much to do, so that all should wait before they ask it again; or "".
    """

    reason: str
    tries: int = TRIES
    wait: float | None = None
    crowded: str = ""


class FaultError(Exception):
    """An attempt failed; another may not."""

    def __init__(self, fault: Fault) -> None:
        """Keep what happened.

        Args:
            fault: What happened.
        """
        super().__init__(fault.reason)
        self.fault = fault


class Wanted(msgspec.Struct, Generic[_Taken], frozen=True):
    """A request.

    Attributes:
        url: What is asked for.
        headers: Sent to the first origin; `authorization` is never sent to another one.
        take: Reads the answer.
        commit: What the answer must be of, where the server says it; or "".
        stopped: Set when nothing more is to be read.
    """

    url: str
    headers: Mapping[str, str]
    take: Callable[[Answer, Budget], _Taken]
    commit: str
    stopped: threading.Event


def attempt(wanted: Wanted[_Taken], budget: Budget) -> _Taken:
    """Ask once, and follow where the Hub leads to.

    Args:
        wanted: What to ask for.
        budget: The time for it.

    Raises:
        FaultError: Another attempt may mend it.
        RefusedError: The server refuses.
        NetworkError: Anything else.
    """
    failure: Exception
    try:
        return _follow(wanted, budget)
    except TransportError as error:
        failure = _failure(error, wanted.url, budget)
    except RangeError as error:
        failure = FaultError(Fault(str(error)))
    raise failure


def shown(url: str) -> str:
    """A URL without what may be secret in it: its query, which may hold a signature, and a password.

    Args:
        url: The URL.
    """
    scheme, slashes, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return scheme + slashes + host.rpartition("@")[2] + slash + path


def first_bytes(chunks: Iterator[bytes], limit: int, budget: Budget) -> bytes:
    """Read the beginning of a body.

    Args:
        chunks: The body, as it arrives.
        limit: The most bytes to take.
        budget: The time for it.

    Raises:
        FaultError: It takes too long.
    """
    # Runs to the end of a body that is no longer than the limit: only then is the connection kept alive.
    found = io.BytesIO()
    for chunk in chunks:
        found.write(chunk)
        budget.receive(len(chunk))
        if found.tell() > limit:
            found.truncate(limit)
            break
        if budget.left < 0:
            raise FaultError(Fault(f"only {found.tell()} bytes arrived in all the time that there was", tries=1))
    return found.getvalue()


def too_slow(url: str, budget: Budget) -> NetworkError:
    """The error for an answer that does not end.

    Args:
        url: What was asked for.
        budget: The time that there was.
    """
    return NetworkError(
        f"{shown(url)}: no whole answer within {hub_waits.PATIENCE * budget.timeout:g} s",
        hint="check the network, or give a longer --timeout",
    )


def _follow(wanted: Wanted[_Taken], budget: Budget) -> _Taken:
    address = first = _read(Address.of, wanted.url)
    sent = dict(wanted.headers)
    for _ in range(_REDIRECTS):
        _await_turn(address, wanted.stopped, budget)
        with hub_session.ask(address, sent, budget) as answer:
            _refuse_other(answer, wanted)
            if answer.location is None:
                _accept(answer, budget, address, foreign=address.origin != first.origin)
                return wanted.take(answer, budget)
            first_bytes(answer.raw, _DRAINED, budget)  # an unread body would cost the connection
        url = _read(address.join, answer.location)
        scheme = url.partition(":")[0]
        if scheme not in {address.scheme, "https"}:
            raise NetworkError(f"{shown(wanted.url)}: redirected to {scheme!r}", expected="https")
        target = _read(Address.of, url)
        if target.origin != address.origin:
            target = target._replace(user="")
            sent = {key: value for key, value in sent.items() if key.lower() != "authorization"}
            hub_session.redirected(address, target, budget.timeout)
        address = target
    raise NetworkError(f"{shown(wanted.url)}: more than {_REDIRECTS} redirects", hint="check HF_ENDPOINT")


def _read(how: Callable[[str], _Read], url: str) -> _Read:
    try:
        return how(url)
    except ValueError:
        raise NetworkError(f"{shown(url)!r} is no address", hint="check HF_ENDPOINT") from None


def _await_turn(address: Address, stopped: threading.Event, budget: Budget) -> None:
    """Wait where the server has asked for it, whichever thread has heard it."""
    wait = hub_waits.held(address.origin)
    if wait >= budget.left > 0:
        raise NetworkError(f"{address.host} asks to wait {wait:.0f} s", hint="try again after that")
    hub_waits.pause(stopped, wait)
    if stopped.is_set():
        raise NetworkError(f"{address.host}: the reading was stopped")
    if budget.left <= 0:
        raise too_slow(address.url, budget)


def _accept(answer: Answer, budget: Budget, address: Address, *, foreign: bool) -> None:
    """Let an answer pass that is one; `foreign` where it is not of the origin that was asked first."""
    status = answer.status
    if status < _FIRST_ERROR or status == _RANGE_NOT_SATISFIABLE:
        return
    first_bytes(answer.raw, _DRAINED, budget)
    if status in _RETRIED:
        wait = hub_waits.asked(answer.headers)
        crowded = address.origin if status == _TOO_MANY or wait is not None else ""
        raise FaultError(Fault(f"the server answers {status}", TRIES, wait, crowded))
    if foreign and status in _EXPIRED:
        # Another attempt begins at the Hub, which signs anew.
        raise FaultError(Fault(f"the storage that the Hub leads to answers {status}", tries=_FEW_TRIES))
    raise RefusedError(
        status, answer.headers.get("X-Error-Code", ""), answer.headers.get("X-Error-Message", "").strip()
    )


def _refuse_other(answer: Answer, wanted: Wanted[_Taken]) -> None:
    found = answer.headers.get("X-Repo-Commit", wanted.commit)
    if wanted.commit and found != wanted.commit:
        raise NetworkError(
            f"{shown(wanted.url)}: the server answers with commit {found[:80]!r}",
            expected=wanted.commit,
            hint="check HF_ENDPOINT, or try again later",
        )


def _failure(error: TransportError, url: str, budget: Budget) -> Exception:
    """What a failure on the way means: something to try again, or not."""
    match error.failure:
        case Failure.ADDRESS:
            return NetworkError(f"{shown(url)}: {error.reason}", hint="check HF_ENDPOINT")
        case Failure.NO_CONNECTION:
            return FaultError(Fault(f"no connection to {error.reason}", tries=_FEW_TRIES))
        case Failure.SLOW:
            return FaultError(Fault("no answer in time"))
        case Failure.ENDLESS:
            return too_slow(url, budget)
        case Failure.BROKEN:
            return FaultError(Fault(f"the connection broke ({error.reason})"))
