"""A repository of the Hub at one commit, and what its weights say of themselves.

The same for reading over the network and from the cache: `HubFiles` knows where bytes come from.
"""

from contextlib import suppress
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from verify.errors import NetworkError
from verify.evidence import hub_one_request, hub_waits, weights
from verify.evidence import index as indexes
from verify.evidence.base import Declared, DeclaredKind, Evidence, Strength
from verify.evidence.files import Weights, whole
from verify.evidence.hub_cache import Cache
from verify.evidence.hub_files import HubFiles, Pinned
from verify.evidence.hub_hops import shown
from verify.evidence.hub_http import Http

# The Hub advises at most 100,000 files, which take some 20 MB.
_INFO_LIMIT = 128 * 1024 * 1024
_KEPT = "info"
# Why the headers of the shards were read one by one.
_DOUBT = "doubt"
_COMMIT_LENGTHS = frozenset({40, 64})
_HEXADECIMAL = frozenset("0123456789abcdef")


class _File(msgspec.Struct, gc=False, frozen=True):
    rfilename: str
    size: int | None = None


class Info(msgspec.Struct, frozen=True):
    """What the Hub says about a model at one commit; `gated` is False, or how access is given."""

    sha: str
    siblings: tuple[_File, ...]
    gated: object = False
    safetensors: object = None

    def pinned(self, endpoint: str, model: str) -> Pinned:
        """The repository at this commit."""
        return Pinned(endpoint, model, self.sha, {file.rfilename: file.size for file in self.siblings})


def pin(http: Http, endpoint: str, model: str, revision: str) -> Info:
    """Ask for the commit of a revision, and for its files.

    Args:
        http: How the Hub is reached.
        endpoint: Its address.
        model: `owner/name`.
        revision: A branch, tag or commit; "" is `main`.

    Raises:
        NetworkError: No answer, or none of a Hub.
        RefusedError: The Hub refuses.
    """
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    url = f"{endpoint}/api/models/{model}{at}"
    body = http.read(f"{url}?blobs=true", limit=_INFO_LIMIT)
    info = _decoded(body.data)
    if info is None:
        raise NetworkError(
            f"{shown(url)}: the answer is not what the Hub says about a model",
            expected="JSON with sha and siblings",
            hint="check HF_ENDPOINT, and whether the network asks to sign in",
        )
    return info


def recall(kept: Cache, revision: str) -> Info | None:
    """What the Hub last said about a branch, tag or full commit, from the cache."""
    for commit in (revision, kept.recall(revision)):
        if _is_commit(commit) and (data := kept.get(commit, _KEPT)):
            return _decoded(data)
    return None


def is_known(kept: Cache, info: Info) -> bool:
    """Whether anything of a commit is kept."""
    return kept.get(info.sha, _KEPT) is not None


def remember(kept: Cache, revision: str, info: Info) -> None:
    """Keep what the Hub says about a revision, for reading offline."""
    if not is_known(kept, info):
        kept.put(info.sha, _KEPT, msgspec.json.encode(info))
    kept.remember(revision, info.sha)


def read(files: HubFiles, info: Info, file: str, *, on_main: bool) -> Evidence:
    """Read some weights and their config.

    Args:
        files: The files of the repository.
        info: What the Hub says about it.
        file: The path of the weights, from `weights.choose`.
        on_main: Whether the commit is that of main.

    Raises:
        EvidenceError: Something is missing, cannot be read or breaks its format.
        RefusedError: The server refuses.
    """
    config = weights.config_file(files.sizes, file)
    if config:
        # Beside the weights; asked for again below, it is there or coming.
        hub_waits.later(lambda: whole(files, config, limit=weights.CONFIG_LIMIT))
    found = _weights(files, file, on_main=on_main)
    parsed, source = weights.read_config_of(files, file, found)
    listed = all(files.sizes[name] is not None for name in found.files)
    size = (Declared(DeclaredKind.FILE_BYTES, found.size, "the Hub's file list"),) if listed else ()
    return Evidence(
        model=files.pinned.model,
        strength=Strength.HEADER,
        source="hub",
        where=f"{shown(files.pinned.endpoint)}/{files.pinned.model}",
        revision=files.pinned.commit,
        config=parsed,
        tensors=found.tensors,
        declared=(*found.declared, *size, *_totals(info.safetensors)),
        problems=found.problems,
        note="; ".join(filter(None, (found.note, source))),
    )


def _weights(files: HubFiles, file: str, *, on_main: bool) -> Weights:
    # Where a doubt is kept, so are the headers that were read for it.
    doubt = (files.kept.get(_DOUBT) or b"").decode()
    if file == indexes.SHARDED and not doubt:
        try:
            return weights.beside(hub_one_request.read(files, on_main=on_main), files.sizes, file)
        except hub_one_request.DoubtError as error:
            doubt = str(error)
    found = weights.read(files, file)
    if doubt:
        files.kept.put(_DOUBT, doubt.encode())
    what = "header" if len(found.files) == 1 else f"headers of {len(found.files)} shards"
    note = f"{what} read by range requests" + (f": {doubt}" if doubt else "")
    return replace(found, note="; ".join(filter(None, (note, found.note))))


def _totals(recorded: object) -> tuple[Declared, ...]:
    """The element counts of the Hub's API; not every repository has them."""
    if not isinstance(recorded, dict):
        return ()
    found = []
    total, parameters = recorded.get("total"), recorded.get("parameters")
    if isinstance(total, int):
        found.append(Declared(DeclaredKind.HUB_TOTAL, total, "the Hub's API: safetensors.total"))
    if isinstance(parameters, dict):
        found += [
            Declared(DeclaredKind.DTYPE_TOTAL, count, "the Hub's API: safetensors.parameters", dtype=str(dtype))
            for dtype, count in parameters.items()
            if isinstance(count, int)
        ]
    return tuple(found)


def _decoded(data: bytes) -> Info | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        info = msgspec.json.decode(data, type=Info)
        return info if _is_commit(info.sha) else None
    return None


def _is_commit(text: str) -> bool:
    # It becomes the name of a folder of the cache.
    return len(text) in _COMMIT_LENGTHS and set(text) <= _HEXADECIMAL
