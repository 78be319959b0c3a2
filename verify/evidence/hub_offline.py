"""A checkpoint of the Hub without a connection: files that were downloaded, or headers that were read before."""

from dataclasses import replace
from pathlib import Path

from verify.errors import NetworkError, NotFoundError
from verify.evidence import hub_early, hub_repository, local, weights
from verify.evidence.base import Evidence
from verify.evidence.hub_cache import Cache
from verify.evidence.hub_files import HubFiles
from verify.evidence.hub_hops import shown
from verify.evidence.hub_progress import Status
from verify.evidence.index import is_plain_name


def read(kept: Cache, endpoint: str, model: str, revision: str, file: str) -> Evidence:
    """Read what `hf download` has left, else what an earlier read with a connection has.

    Args:
        kept: The cache of headers.
        endpoint: The address of the Hub.
        model: `owner/name`.
        revision: A branch, tag or commit; "" is `main`.
        file: The path of the weights, or "".

    Raises:
        NetworkError: Neither has left enough.
        EvidenceError: A file cannot be read or breaks its format.
    """
    from huggingface_hub import constants

    at = f"{model}@{revision}" if revision else model
    why = f"{at} is not in the cache {constants.HF_HUB_CACHE}"
    folder = snapshot(model, revision or hub_early.MAIN)
    if folder is not None:
        try:
            found = local.read(folder, model=model, file=file)
        except NotFoundError as error:
            why = f"the cache holds only a part of {at}: {error}"
        else:
            return _offline(replace(found, source="hub", revision=folder.name), "read from the cache")
    info = hub_repository.recall(kept, revision or hub_early.MAIN)
    if info is not None:
        files = HubFiles(info.pinned(endpoint, model), kept, None, Status(model))
        chosen = weights.choose(files.sizes, where=f"{shown(endpoint)}/{model}", file=file)
        return _offline(hub_repository.read(files, info, chosen, on_main=False), "headers from the cache")
    raise NetworkError(
        f"offline, and {why}",
        hint=f"run `hf download {model}`, or this once with a connection, or leave the offline mode",
    )


def _offline(found: Evidence, how: str) -> Evidence:
    return replace(found, note="; ".join(filter(None, (f"offline: {how}", found.note))))


def snapshot(model: str, revision: str) -> Path | None:
    """Where huggingface_hub keeps the files of a revision.

    The layout is https://huggingface.co/docs/huggingface_hub/guides/manage-cache. `snapshot_download` refuses a folder
    of headers and configs alone, which is enough here.
    """
    from huggingface_hub import constants

    if not all(map(is_plain_name, revision.split("/"))):
        return None
    repository = Path(constants.HF_HUB_CACHE, "--".join(("models", *model.split("/"))))
    try:
        commit = (repository / "refs" / revision).read_text().strip()
    except (OSError, UnicodeDecodeError):
        commit = revision
    folder = repository / "snapshots" / commit
    return folder if is_plain_name(commit) and folder.is_dir() else None
