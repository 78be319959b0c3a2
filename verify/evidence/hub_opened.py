"""A repository of the Hub, opened at one commit: what every read of one begins and ends with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from verify.errors import UsageError
from verify.evidence import hub_early, hub_repository, hub_token
from verify.evidence.hub_cache import Cache
from verify.evidence.hub_errors import Asked, RefusedError, plain
from verify.evidence.hub_files import HubFiles
from verify.evidence.hub_hops import shown
from verify.evidence.hub_http import Http
from verify.evidence.hub_progress import Progress, Status, told

_PARTS = 2
_SURELY_SHORT = 96


class Opened(NamedTuple):
    """A repository at the commit that its revision names now.

    Attributes:
        files: Its files.
        info: What the Hub says of it.
        unproven: Whether it is gated and something of it is cached, so that the token must be shown to open it.
    """

    files: HubFiles
    info: hub_repository.Info
    unproven: bool


@contextmanager
def opened(
    kept: Cache,
    endpoint: str,
    model: str,
    revision: str,
    *,
    token: str | None,
    timeout: float,
    progress: Progress | None,
    ahead: bool = False,
) -> Iterator[Opened]:
    """Pin a revision, and turn what the Hub refuses into one line.

    Args:
        kept: The cache.
        endpoint: The address of the Hub.
        model: The name of the repository.
        revision: A branch, tag or commit; "" is `main`.
        token: A token of the Hub; by default the one that huggingface_hub finds.
        timeout: Seconds to wait for a connection, or for the next bytes.
        progress: As in `hub.read`.
        ahead: Whether headers will be needed, so that a model that is not cached is asked for them at once.

    Raises:
        EvidenceError: The Hub refuses, or does not answer.
    """
    http = Http(hub_token.headers(token), timeout)
    status = Status(model)
    known = not ahead or hub_repository.recall(kept, revision or hub_early.MAIN)
    asked = {} if known else hub_early.ask(http, endpoint, model, revision)
    try:
        with told(status, progress):
            info = hub_repository.pin(http, endpoint, model, revision)
            unproven = bool(info.gated) and hub_repository.is_known(kept, info)
            # Before anything else is kept: what is kept of an unknown commit is not shown.
            hub_repository.remember(kept, revision or hub_early.MAIN, info)
            files = HubFiles(info.pinned(endpoint, model), kept, http, status, asked)
            try:
                yield Opened(files, info, unproven)
            finally:
                files.kept.write()
            return
    except RefusedError as error:
        failure = plain(error, Asked(shown(endpoint), model, revision, http.authorized))
    finally:
        http.stopped.set()
    raise failure


def refuse_name(model: str) -> None:
    """Refuse what cannot be the name of a repository.

    Raises:
        UsageError: It cannot.
    """
    parts = model.split("/")
    if len(parts) <= _PARTS and len(model) <= _SURELY_SHORT and all(map(_is_plain, parts)):
        return
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(model)
    except HFValidationError as error:
        raise UsageError(str(error), expected="owner/name as on the Hub, or a folder that exists") from None


def _is_plain(part: str) -> bool:
    """Whether nobody would refuse a part of a name: words of letters and digits between single dots and dashes."""
    words = part.replace("-", ".").replace("_", "").split(".")
    return part.isascii() and all(map(str.isalnum, words)) and words[-1] != "git"
