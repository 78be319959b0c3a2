"""The config.json of a repository of the Hub by itself: of the base model of an adapter nothing else is needed.

As in `hub`, the revision is pinned to a commit first, and what was read is cached by commit.
"""

from verify.errors import NetworkError, NotFoundError
from verify.evidence import hub_early, hub_offline, hub_repository, hub_token, local, weights
from verify.evidence.base import Evidence, Strength
from verify.evidence.config_json import read_config
from verify.evidence.files import whole
from verify.evidence.hub_cache import Cache, open_cache
from verify.evidence.hub_files import HubFiles
from verify.evidence.hub_opened import opened, refuse_name
from verify.evidence.hub_progress import Status


def read(
    model: str,
    *,
    revision: str = "",
    token: str | None = None,
    offline: bool = False,
    timeout: float = 10.0,
    cache: bool = True,
) -> Evidence:
    """Read the config.json of a repository.

    Args:
        model: `owner/name`, or the bare name of an old repository.
        revision: A branch, tag or commit; "" is `main`.
        token: A token of the Hub; by default the one that huggingface_hub finds.
        offline: Take what the caches hold, and open no connection.
        timeout: As in `hub.read`.
        cache: Whether the cache of `verify` is used.

    Returns:
        Evidence of strength `meta`: the config, and the commit it was read at.

    Raises:
        VerifyError: As in `hub.read`.
    """
    from huggingface_hub import constants

    token = hub_token.secret(token)
    refuse_name(model)
    endpoint = constants.ENDPOINT
    kept = open_cache(endpoint, model, enabled=cache)
    if offline or constants.is_offline_mode():
        return _offline(kept, endpoint, model, revision)
    with opened(kept, endpoint, model, revision, token=token, timeout=timeout, progress=None) as found:
        if found.unproven and weights.CONFIG in found.files.sizes:
            found.files.prove_access(weights.CONFIG)
        return _evidence(found.files)


def _evidence(files: HubFiles) -> Evidence:
    pinned, where = files.pinned, files.where(weights.CONFIG)
    if weights.CONFIG not in files.sizes:
        raise NotFoundError(f"{where}: no such file", expected="a model of transformers")
    config = read_config(whole(files, weights.CONFIG, limit=weights.CONFIG_LIMIT), where=where)
    return Evidence(pinned.model, Strength.META, "hub", where, config, pinned.commit)


def _offline(kept: Cache, endpoint: str, model: str, revision: str) -> Evidence:
    folder = hub_offline.snapshot(model, revision or hub_early.MAIN)
    if folder is not None and (folder / weights.CONFIG).exists():
        config = local.read_config_alone(folder)
        return Evidence(model, Strength.META, "hub", str(folder), config, folder.name, note="offline: from the cache")
    info = hub_repository.recall(kept, revision or hub_early.MAIN)
    if info is None:
        raise NetworkError(
            f"offline, and {weights.CONFIG} of {model} is in no cache",
            hint=f"run `hf download {model} {weights.CONFIG}`, or name a folder with --base",
        )
    return _evidence(HubFiles(info.pinned(endpoint, model), kept, None, Status(model)))
