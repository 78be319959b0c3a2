"""The connections that requests go through, and how many of them may be busy at once.

They are those of huggingface_hub's client where the user has set a factory there, or where the machine needs what it
knows: a proxy, certificates of the system. Elsewhere they are direct.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress

from verify.evidence import hub_client, hub_direct
from verify.evidence.hub_answers import Address, Answer
from verify.evidence.hub_waits import Budget

#: Requests that a first read begins with: those of `hub_early.ask`, and that for the commit.
AT_ONCE = 4

#: Threads of ours, and of a client that keeps 20 idle connections.
_THREADS = 64
_FEW_THREADS = 16

_direct = hub_direct.Direct()


def threads() -> int:
    """How many requests may be under way at once."""
    return _FEW_THREADS if _is_set_by_user() else _THREADS


def is_direct(url: str) -> bool:
    """Whether the connections to an address are direct, and what they read ends in time."""
    from huggingface_hub import constants

    # HF_DEBUG=1 has huggingface_hub's client tell of each request.
    user = "@" in url.partition("://")[2].partition("/")[0]
    return not user and not constants.HF_DEBUG and not _is_set_by_user() and hub_direct.serves_here()


def ask(address: Address, headers: Mapping[str, str], budget: Budget) -> AbstractContextManager[Answer]:
    """Send a GET; as `hub_direct.Direct.ask` does."""
    client = _direct if is_direct(address.full) else hub_client
    return client.ask(address, headers, budget)


def prepare(url: str, count: int, timeout: float) -> None:
    """Open connections that will be needed, while something else is done.

    Args:
        url: Where to.
        count: How many, with those that are open and unused.
        timeout: Seconds for each.
    """
    if is_direct(url):
        with suppress(ValueError):  # said by the first request
            _direct.prepare(Address.of(url), count, timeout)


def redirected(address: Address, target: Address, timeout: float) -> None:
    """Open connections to where an answer redirects, one for it and one for each request to where it came from.

    Theirs are likely to lead there too, and the first request over a connection takes three round trips.

    Args:
        address: What was asked for; its answer has been read.
        target: Where it leads to.
        timeout: Seconds for each connection.
    """
    if is_direct(target.full):
        _direct.prepare(target, _direct.asked(address) + 1, timeout)


def close() -> None:
    """Close the connections that are ours; the next request opens new ones."""
    _direct.close()
    hub_client.close()


def _is_set_by_user() -> bool:
    # Who has set a client has imported what keeps it.
    return "huggingface_hub.utils._http" in sys.modules and hub_client.is_set_by_user()
