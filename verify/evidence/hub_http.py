"""How the Hub is read over HTTP: whole answers and ranges, a bounded number of attempts in a bounded time.

It knows URLs and bytes, and neither models nor formats.
"""

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from verify.errors import NetworkError
from verify.evidence import hub_client, hub_session, hub_waits
from verify.evidence.hub_answers import Answer
from verify.evidence.hub_hops import TRIES, Fault, FaultError, Wanted, attempt, first_bytes, shown, too_slow
from verify.evidence.hub_ranges import Piece, RangeError, expected_range
from verify.evidence.hub_waits import Budget

_Taken = TypeVar("_Taken")


class Body(NamedTuple):
    """A whole answer.

    Attributes:
        data: The decoded bytes.
        commit: The commit that the server says it belongs to, or "".
    """

    data: bytes
    commit: str


@dataclass(frozen=True, slots=True)
class Http:
    """A reader with the headers of one user.

    Attributes:
        headers: Sent to the first origin; `authorization` is never sent to another one.
        timeout: Seconds to wait for a connection, or for the next bytes. A request ends within `PATIENCE` times that
            and one more, with all its attempts and pauses, save for the time in which data arrives fast enough.
        stopped: Set when nothing more is to be read; whoever waits stops waiting.
    """

    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def authorized(self) -> bool:
        """Whether a token is sent."""
        return any(key.lower() == "authorization" for key in self.headers)

    def read(self, url: str, *, limit: int, tries: int = TRIES, commit: str = "") -> Body:
        """Read a whole answer.

        Args:
            url: Where it is.
            limit: The most bytes to accept.
            tries: Attempts.
            commit: What it must be of, where the server says it.

        Raises:
            NetworkError: No answer, a failing server, or one that sends too much.
            RefusedError: The server refuses.
        """

        def take(answer: Answer, budget: Budget) -> Body:
            data = first_bytes(answer.decoded, limit + 1, budget)
            if len(data) > limit:
                raise NetworkError(f"{shown(url)}: more than {limit} bytes", expected="a small JSON file")
            return Body(data, answer.headers.get("X-Repo-Commit", ""))

        return self._run(Wanted(url, self.headers, take, commit, self.stopped), tries)

    def read_range(self, url: str, start: int, length: int, *, commit: str = "") -> Piece:
        """Read a part of a file; fewer bytes than asked for only where the file ends.

        A server that ignores the range and sends the whole file is read up to the end of the range and no further.

        Args:
            url: Where the file is.
            start: Offset of the first byte.
            length: Number of bytes.
            commit: What it must be of, where the server says it.

        Raises:
            NetworkError: No answer, or a server that keeps failing or answering with another range.
            RefusedError: The server refuses.
        """

        def take(answer: Answer, budget: Budget) -> Piece:
            found = expected_range(answer.status, answer.headers, start, length)
            data = first_bytes(answer.raw, found.skip + found.length, budget)[found.skip :]
            if len(data) != found.length:
                raise RangeError(f"{len(data)} bytes arrived of {found.length}")
            return Piece(data, found.total)

        asked = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        return self._run(Wanted(url, {**self.headers, **asked}, take, commit, self.stopped), TRIES)

    def _run(self, wanted: Wanted[_Taken], tries: int) -> _Taken:
        if hub_session.is_direct(wanted.url):
            return self._attempts(wanted, tries, Budget(self.timeout))
        hub_client.client()  # to import it takes longer than some wait for an answer
        budget = Budget(self.timeout)
        found = hub_waits.within(budget, lambda: self._attempts(wanted, tries, budget))
        if found is None:
            raise too_slow(wanted.url, budget)
        return found

    def _attempts(self, wanted: Wanted[_Taken], tries: int, budget: Budget) -> _Taken:
        for number in itertools.count(1):
            try:
                return attempt(wanted, budget)
            except FaultError as error:
                fault = error.fault
            wait = hub_waits.FIRST_PAUSE * 2 ** (number - 1) if fault.wait is None else fault.wait
            if fault.crowded:  # also where it is not asked again: others will ask it
                hub_waits.hold(fault.crowded, wait)
            if number >= min(tries, fault.tries):
                raise NetworkError(
                    f"{shown(wanted.url)}: {fault.reason}, {number} times",
                    hint="check the network and HF_ENDPOINT, or try later",
                )
            if wait >= budget.left:
                raise _no_time(wanted.url, fault)
            if not fault.crowded:
                hub_waits.pause(self.stopped, wait)
        raise AssertionError


def _no_time(url: str, fault: Fault) -> NetworkError:
    if fault.wait is None:
        return NetworkError(f"{shown(url)}: {fault.reason}", hint="try again later, or with a longer --timeout")
    return NetworkError(
        f"{shown(url)}: {fault.reason}, and it asks to wait {fault.wait:.0f} s", hint="try again after that"
    )
