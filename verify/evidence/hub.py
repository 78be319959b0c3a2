"""A checkpoint on the Hugging Face Hub: what its weight files say of themselves, through range requests.

The revision is pinned to a commit, and everything that is taken is of that commit; what nearly every model has is
asked for at the same time (`hub_early`). A sharded model on `main` may come in one request. What was read is cached by
commit, so that another read asks for the commit alone. A gated repository tells everybody its commit and files: there
the first file is asked for too, before anything of the cache is shown.

huggingface_hub is imported inside the functions: 0.2 s that other evidence need not pay.
"""

from verify.evidence import hub_early, hub_offline, hub_repository, hub_token, weights
from verify.evidence.base import Evidence
from verify.evidence.hub_cache import open_cache
from verify.evidence.hub_hops import shown
from verify.evidence.hub_opened import opened, refuse_name
from verify.evidence.hub_progress import Progress


def read(
    model: str,
    *,
    revision: str = "",
    token: str | None = None,
    offline: bool = False,
    timeout: float = 10.0,
    cache: bool = True,
    file: str = "",
    progress: Progress | None = None,
) -> Evidence:
    """Read what a repository of the Hub holds.

    Args:
        model: `owner/name`, or the bare name of an old repository.
        revision: A branch, tag or commit; "" is `main`.
        token: A token of the Hub; by default the one that huggingface_hub finds.
        offline: Take what the caches of huggingface_hub and of `verify` hold, and open no connection;
            `HF_HUB_OFFLINE=1` does the same.
        timeout: Seconds to wait for a connection, or for the next bytes; a request may take 6 times that in all.
        cache: Whether headers are taken from the cache of `verify`, and kept there.
        file: The path of the weights in the repository, where they are not the ones that `weights.choose` finds.
        progress: Called from another thread with a line on how far a read is that takes longer than a second.

    Returns:
        Evidence of strength `header`, with the commit it was read at.

    Raises:
        UsageError: `model` cannot be the name of a repository, or `token` be a token; or several files could be meant.
        NotFoundError: There is no such repository, revision or file.
        AccessError: The repository is gated or private, and the token does not open it.
        NetworkError: No connection, a server that keeps failing, or nothing in the cache.
        FormatError: A file breaks its format.
    """
    from huggingface_hub import constants

    token = hub_token.secret(token)
    refuse_name(model)
    endpoint = constants.ENDPOINT
    kept = open_cache(endpoint, model, enabled=cache)
    if offline or constants.is_offline_mode():
        return hub_offline.read(kept, endpoint, model, revision, file)
    with opened(kept, endpoint, model, revision, token=token, timeout=timeout, progress=progress, ahead=not file) as (
        files,
        info,
        unproven,
    ):
        chosen = weights.choose(files.sizes, where=f"{shown(endpoint)}/{model}", file=file)
        if unproven:
            files.prove_access(chosen)
        return hub_repository.read(files, info, chosen, on_main=revision in {"", hub_early.MAIN})
