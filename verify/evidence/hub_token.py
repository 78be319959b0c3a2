"""The headers that a user's requests carry, the token among them.

The token comes from `--token`, HF_TOKEN or where `hf auth login` keeps it, as huggingface_hub finds it.
"""

import os
import platform
import sys
from pathlib import Path

from verify.errors import UsageError

#: The name under which huggingface_hub's caches and servers know this program.
LIBRARY = "verify-params"

# What huggingface_hub finds a token by, beside a file of its own and a notebook: `get_token` in its utils/_auth.py.
_VARIABLES = ("HF_OIDC_RESOURCE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


class Secret(str):
    """A text that no traceback, log or debugger shows by itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Say no more than that it is there."""
        return "'…'"


def secret(token: str | None) -> Secret | None:
    """A token as a text that does not show itself; None where there is none.

    Args:
        token: The token.
    """
    return Secret(token) if token else None


def headers(token: str | None) -> dict[str, str]:
    """The headers of a user.

    Args:
        token: A token of the Hub; None or "" for the one that huggingface_hub finds.

    Raises:
        UsageError: It cannot be a token.
    """
    token = token or _found()
    found = {"user-agent": f"{LIBRARY}; python/{platform.python_version()}"}
    if token:
        found["authorization"] = Secret(f"Bearer {token}")
    # h11 would refuse such a header and quote it, the token with it.
    if not all(value.isascii() and value.isprintable() for value in found.values()):
        raise UsageError(
            "the Hub token holds a blank or a character that no token has",
            expected="one like hf_…",
            hint="check HF_TOKEN and --token",
        )
    return found


def _found() -> Secret | None:
    """The token that huggingface_hub finds, which is asked only where there may be one: it takes 0.2 s to import."""
    from huggingface_hub import constants

    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    somewhere = any(map(os.environ.get, _VARIABLES)) or Path(constants.HF_TOKEN_PATH).exists()
    if not somewhere and "IPython" not in sys.modules:
        return None
    from huggingface_hub import get_token

    return secret(get_token())
