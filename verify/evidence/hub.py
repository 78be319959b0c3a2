"""A checkpoint on the Hugging Face Hub: the headers of its safetensors files, through range requests.

The revision is pinned to a commit first, and everything is read at that commit. A sharded model on `main` may
come in one request (`/api/models/{id}/safetensors-metadata/`, which takes no revision): that answer is believed
only where it agrees with the index and the file list of the pinned commit.

huggingface_hub is imported inside the functions: 0.2 s that other evidence need not pay.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from verify.errors import AccessError, EvidenceError, FormatError, NetworkError, NotFoundError, UsageError
from verify.evidence import index as indexes
from verify.evidence import local, safetensors
from verify.evidence.base import Declared, DeclaredKind, Evidence, Strength
from verify.evidence.config_json import read_config
from verify.evidence.hub_http import Http
from verify.tensor import Tensor

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

#: Bytes asked for at the start of each shard: headers of a few hundred tensors fit, so one request is enough.
FIRST_READ = 128 * 1024

# Threads that read shards. The client keeps 20 idle connections, and each thread leaves one behind.
_THREADS = 16
_JSON_LIMIT = 256 * 1024 * 1024
_MAIN = "main"
_FORBIDDEN = 403
_UNAUTHORIZED = 401


class _File(msgspec.Struct, gc=False, frozen=True):
    rfilename: str
    size: int | None = None


class _Info(msgspec.Struct, frozen=True):
    sha: str
    siblings: tuple[_File, ...]
    safetensors: object = None


class _Answer(msgspec.Struct, frozen=True):
    headers: dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository at one commit; `sizes` has every file, with its size in bytes where the Hub gives it."""

    http: Http
    endpoint: str
    model: str
    info: _Info
    sizes: Mapping[str, int | None]

    def url(self, file: str) -> str:
        return f"{self.endpoint}/{self.model}/resolve/{quote(self.info.sha, safe='')}/{quote(file)}"

    def json(self, file: str) -> bytes:
        return self.http.read(self.url(file), limit=_JSON_LIMIT).data

    def path(self, file: str) -> str:
        return f"{self.model}/{file}"


def read(
    model: str, *, revision: str = "", token: str | None = None, offline: bool = False, timeout: float = 10.0
) -> Evidence:
    """Read what a repository of the Hub holds.

    Args:
        model: `owner/name`, or the bare name of an old repository.
        revision: A branch, tag or commit; "" is `main`.
        token: A token of the Hub; by default the one that huggingface_hub finds.
        offline: Take what huggingface_hub's cache holds, and open no connection; `HF_HUB_OFFLINE=1` does the same.
        timeout: Seconds to wait for a connection, or for the next bytes.

    Returns:
        Evidence of strength `header`, with the commit it was read at.

    Raises:
        UsageError: `model` cannot be the name of a repository, or `token` be a token.
        NotFoundError: There is no such repository, revision or file.
        AccessError: The repository is gated or private, and the token does not open it.
        NetworkError: No connection, a server that keeps failing, or nothing in the cache.
        FormatError: A file breaks its format.
    """
    from huggingface_hub import constants

    _refuse_name(model)
    if offline or constants.is_offline_mode():
        return _read_cache(model, revision)
    http = Http(_headers(token), timeout)
    authorized = any(key.lower() == "authorization" for key in http.headers)
    with _plain_errors(model, revision, constants.ENDPOINT, authorized=authorized):
        return _read_repository(_pin(http, constants.ENDPOINT, model, revision), on_main=revision in {"", _MAIN})


def _refuse_name(model: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(model)
    except HFValidationError as error:
        raise UsageError(str(error), expected="owner/name as on the Hub, or a folder that exists") from None


def _headers(token: str | None) -> dict[str, str]:
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers = build_hf_headers(token=token or None, library_name="verify-params")
    # h11 would refuse such a header and quote it, the token with it.
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise UsageError(
            "the Hub token holds a blank or a character that no token has",
            expected="one like hf_…",
            hint="check HF_TOKEN and --token",
        )
    return headers


def _pin(http: Http, endpoint: str, model: str, revision: str) -> _Repository:
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    url = f"{endpoint}/api/models/{model}{at}"
    try:
        info = msgspec.json.decode(http.read(f"{url}?blobs=true", limit=_JSON_LIMIT).data, type=_Info)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NetworkError(
            f"{url}: the answer is not what the Hub says about a model",
            expected="JSON with sha and siblings",
            hint="check HF_ENDPOINT, and whether the network asks to sign in",
        ) from None
    return _Repository(http, endpoint, model, info, {file.rfilename: file.size for file in info.siblings})


def _read_repository(repository: _Repository, *, on_main: bool) -> Evidence:
    sizes = repository.sizes
    where = f"{repository.endpoint}/{repository.model}"
    if local.CONFIG not in sizes:
        raise NotFoundError(f"{where}: no {local.CONFIG}", expected="a model that transformers can load")
    file = indexes.choose(sizes, where=where, hint="look for a repository with safetensors weights")
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify-hub")
    try:
        config = pool.submit(repository.json, local.CONFIG)
        evidence = _single(pool, repository) if file == indexes.SINGLE else _sharded(pool, repository, on_main=on_main)
        return replace(
            evidence,
            config=read_config(config.result(), where=repository.path(local.CONFIG)),
            declared=(*evidence.declared, *_totals(repository.info.safetensors)),
            problems=(*indexes.ambiguity(sizes), *evidence.problems),
        )
    finally:
        pool.shutdown(cancel_futures=True)


def _single(pool: ThreadPoolExecutor, repository: _Repository) -> Evidence:
    tensors = _ranges(pool, repository, (indexes.SINGLE,))
    return _evidence(repository, tensors, (indexes.SINGLE,), "header read by a range request")


def _sharded(pool: ThreadPoolExecutor, repository: _Repository, *, on_main: bool) -> Evidence:
    file = indexes.SHARDED
    answer = pool.submit(_one_request, repository) if on_main else None
    index = indexes.parse(repository.json(file), file=file, where=repository.path(file))
    shards = index.shards
    absent = [shard for shard in shards if shard not in repository.sizes]
    if absent:
        raise NotFoundError(
            f"{repository.model}: no {absent[0]}" + (f" and {len(absent) - 1} more" if absent[1:] else ""),
            expected=f"the {len(shards)} shards that {file} names",
            hint="the repository is incomplete; try another revision",
        )
    tensors, doubt = _believed(answer, repository, index)
    note = f"headers of {len(shards)} shards read in one request"
    if doubt:
        tensors = _ranges(pool, repository, shards)
        note = f"headers of {len(shards)} shards read by range requests: {doubt}"
    evidence = _evidence(repository, tensors, shards, note)
    return replace(evidence, declared=(*index.declared, *evidence.declared), problems=indexes.check(index, tensors))


def _one_request(repository: _Repository) -> dict[str, tuple[Tensor, ...]]:
    from huggingface_hub.errors import HfHubHTTPError

    url = f"{repository.endpoint}/api/models/{repository.model}/safetensors-metadata/{indexes.SHARDED}"
    try:
        body = repository.http.read(url, limit=_JSON_LIMIT, tries=2)
        answer = msgspec.json.decode(body.data, type=_Answer)
    except HfHubHTTPError as error:
        raise _DoubtError(f"the one-request answer is refused with {error.response.status_code}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _DoubtError("the one-request answer is not understood") from None
    except NetworkError:
        raise _DoubtError("the one-request answer did not arrive") from None
    if body.commit not in {"", repository.info.sha}:
        raise _DoubtError("the one-request answer is of another commit")
    try:
        return {
            shard: safetensors.parse(bytes(header), file=shard, size=None)[0]
            for shard, header in answer.headers.items()
        }
    except FormatError:
        raise _DoubtError("the one-request answer breaks the format") from None


class _DoubtError(Exception):
    """Why the answer of the one-request interface is not used."""


def _believed(
    answer: Future[dict[str, tuple[Tensor, ...]]] | None, repository: _Repository, index: indexes.Index
) -> tuple[tuple[Tensor, ...], str]:
    """The tensors of the one-request answer, or the reason to read the files themselves."""
    if answer is None:
        return (), "the one-request answer knows only main"
    try:
        shards = answer.result()
    except _DoubtError as doubt:
        return (), str(doubt)
    if set(shards) != set(index.shards):
        return (), "the one-request answer has other shards than the index"
    tensors = tuple(tensor for shard in index.shards for tensor in shards[shard])
    if any(problem.fatal for problem in indexes.check(index, tensors)):
        return (), "the one-request answer contradicts the index"
    for shard, found in shards.items():
        size = repository.sizes[shard]
        least = safetensors.PREFIX_LENGTH + sum(tensor.bits for tensor in found) // 8
        if size is not None and not least < size <= least + safetensors.MAX_HEADER_LENGTH:
            return (), "the one-request answer contradicts the file sizes"
    return tensors, ""


def _ranges(pool: ThreadPoolExecutor, repository: _Repository, files: tuple[str, ...]) -> tuple[Tensor, ...]:
    sizes = repository.sizes
    parts = pool.map(lambda file: _header(repository, file, sizes[file]), files)
    return tuple(tensor for part in parts for tensor in part)


def _header(repository: _Repository, file: str, listed: int | None) -> tuple[Tensor, ...]:
    url, where = repository.url(file), repository.path(file)
    data, size = repository.http.read_range(url, 0, FIRST_READ)
    size = listed if size is None else size
    if size is None or (listed is not None and listed != size):
        raise NetworkError(
            f"{where}: the server gives a size of {size} bytes, the file list {listed}", hint="try again later"
        )
    length = safetensors.header_length(data[: safetensors.PREFIX_LENGTH], where=where, size=size)
    missing = safetensors.PREFIX_LENGTH + length - len(data)
    if missing > 0:
        data += repository.http.read_range(url, len(data), missing).data
    header = data[safetensors.PREFIX_LENGTH : safetensors.PREFIX_LENGTH + length]
    return safetensors.parse(header, file=file, size=size, where=where)[0]


def _evidence(repository: _Repository, tensors: tuple[Tensor, ...], files: tuple[str, ...], note: str) -> Evidence:
    sizes = [repository.sizes[file] for file in files]
    listed = [size for size in sizes if size is not None]
    return Evidence(
        model=repository.model,
        strength=Strength.HEADER,
        source="hub",
        where=f"{repository.endpoint}/{repository.model}",
        revision=repository.info.sha,
        tensors=tensors,
        declared=(
            (Declared(DeclaredKind.FILE_BYTES, sum(listed), "the Hub's file list"),)
            if len(listed) == len(sizes)
            else ()
        ),
        note="; ".join(filter(None, (note, indexes.aside(repository.sizes, files)))),
    )


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


def _read_cache(model: str, revision: str) -> Evidence:
    from huggingface_hub import constants, try_to_load_from_cache

    at = f"{model}@{revision}" if revision else model
    hint = f"run `hf download {model}` with a connection, or leave the offline mode"
    found = try_to_load_from_cache(model, local.CONFIG, revision=revision or None)
    if not isinstance(found, str):
        raise NetworkError(f"offline, and {at} is not in the cache {constants.HF_HUB_CACHE}", hint=hint)
    folder = Path(found).parent
    try:
        evidence = local.read(folder, model=model)
    except NotFoundError as error:
        raise NetworkError(f"offline, and the cache holds only a part of {at}: {error}", hint=hint) from None
    return replace(evidence, source="hub", revision=folder.name, note="offline: read from the cache")


@contextmanager
def _plain_errors(model: str, revision: str, endpoint: str, *, authorized: bool) -> Iterator[None]:
    """Turn the error classes of huggingface_hub into ours, one line each."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise _plain_error(error, model, revision, endpoint, authorized=authorized) from None


def _plain_error(
    error: "HfHubHTTPError", model: str, revision: str, endpoint: str, *, authorized: bool
) -> EvidenceError:
    from huggingface_hub import errors

    page = f"{endpoint}/{model}"
    status = error.response.status_code
    kind: type[EvidenceError] = AccessError
    expected = ""
    if isinstance(error, errors.GatedRepoError) and authorized:
        found, hint = f"{model} is gated and the token does not open it", f"ask for access at {page}"
    elif isinstance(error, errors.GatedRepoError):
        found = f"{model} is gated and there is no token"
        hint = f"accept the conditions at {page}, then set HF_TOKEN or run `hf auth login`"
    elif isinstance(error, errors.DisabledRepoError):
        found, hint = f"{page}: the Hub has disabled this repository", ""
    elif isinstance(error, errors.RepositoryNotFoundError):
        kind, found = NotFoundError, f"{page}: no such model"
        private = "the token may lack access to it" if authorized else "set HF_TOKEN or run `hf auth login`"
        hint = f"check the spelling; if it is private, {private}"
    elif isinstance(error, errors.RevisionNotFoundError):
        kind, found = NotFoundError, f"{page}: no revision {revision!r}"
        expected, hint = "a branch, a tag or a commit", f"see {page}/tree/main"
    elif isinstance(error, errors.EntryNotFoundError):
        kind, found, hint = NotFoundError, f"{page}: a file that the Hub lists is not there", "try again later"
    elif status == _UNAUTHORIZED:
        found, hint = f"{page}: the Hub refuses the token", "check HF_TOKEN and --token, or run `hf auth login`"
    elif status == _FORBIDDEN:
        found, hint = f"{page}: forbidden", "the token or the network may not read it"
    else:
        kind, found = NetworkError, f"{page}: the server answers {status}"
        hint = "check HF_ENDPOINT, or try again later"
    return kind(found, expected=expected, hint=hint)
