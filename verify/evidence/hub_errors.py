"""What the Hub refuses, in one line each: what it was, and what to do.

The codes are those of `X-Error-Code` that `hf_raise_for_status` in huggingface_hub/utils/_http.py knows. Its own
exceptions are not used: each holds the request, and with it the token.
"""

import msgspec

from verify.errors import AccessError, EvidenceError, NetworkError, NotFoundError

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_DISABLED = "Access to this resource is disabled."
_LOG_IN = "set HF_TOKEN or run `hf auth login`"


class RefusedError(Exception):
    """The Hub answers with a status that no further attempt mends."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        """Keep what the Hub says.

        Args:
            status: The status of the answer.
            code: Its `X-Error-Code`, or "".
            message: Its `X-Error-Message`, or "".
        """
        super().__init__(f"status {status}")
        self.status = status
        self.code = code
        self.message = message


class Asked(msgspec.Struct, frozen=True):
    """What was asked of the Hub.

    Attributes:
        endpoint: The address of the Hub, as it may be shown.
        model: `owner/name`.
        revision: As the user gave it.
        authorized: Whether a token was sent.
    """

    endpoint: str
    model: str
    revision: str
    authorized: bool


def plain(error: RefusedError, asked: Asked) -> EvidenceError:
    """Say what a refusal means.

    Args:
        error: The refusal.
        asked: What was asked for.

    Returns:
        The error to raise.
    """
    page = f"{asked.endpoint}/{asked.model}"
    if error.code == "GatedRepo":
        return _gated(page, asked)
    if error.message == _DISABLED:
        return AccessError(f"{page}: the Hub has disabled this repository")
    if error.code == "RevisionNotFound":
        return NotFoundError(
            f"{page}: no revision {asked.revision!r}",
            expected="a branch, a tag or a commit",
            hint=f"see {page}/tree/main",
        )
    # Strangers hear 401 for what may be private, members 404.
    if error.code == "RepoNotFound" or error.status == _NOT_FOUND:
        private = "the token may lack access to it" if asked.authorized else _LOG_IN
        return NotFoundError(f"{page}: no such model", hint=f"check the spelling; if it is private, {private}")
    return _by_status(error.status, page, authorized=asked.authorized)


def _gated(page: str, asked: Asked) -> EvidenceError:
    if asked.authorized:
        return AccessError(f"{asked.model} is gated and the token does not open it", hint=f"ask for access at {page}")
    return AccessError(
        f"{asked.model} is gated and there is no token", hint=f"accept the conditions at {page}, then {_LOG_IN}"
    )


def _by_status(status: int, page: str, *, authorized: bool) -> EvidenceError:
    if status == _UNAUTHORIZED and authorized:
        return AccessError(
            f"{page}: the Hub refuses the token", hint="check HF_TOKEN and --token, or run `hf auth login`"
        )
    if status == _UNAUTHORIZED:
        return AccessError(f"{page}: the Hub asks for a token", hint=_LOG_IN)
    if status == _FORBIDDEN:
        return AccessError(f"{page}: forbidden", hint="the token or the network may not read it")
    return NetworkError(f"{page}: the server answers {status}", hint="check HF_ENDPOINT, or try again later")
