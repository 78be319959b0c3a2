"""All headers of a sharded model in one request: `/api/models/{id}/safetensors-metadata/{index}`.

The interface takes no revision (`get_sharded_safetensors_metadata` in huggingface_hub/hf_api.py has no argument for
one), so it serves `main` alone, and its answer is believed only where it agrees with the index and the file list of
the pinned commit. It is kept in the cache under that commit, and serves any name for it, held against both again.
"""

from collections.abc import Mapping

import msgspec

from verify.errors import FormatError, NetworkError
from verify.evidence import hub_early, hub_waits, safetensors
from verify.evidence import index as indexes
from verify.evidence.base import Problem
from verify.evidence.files import Weights, whole
from verify.evidence.hub_errors import RefusedError
from verify.evidence.hub_files import HubFiles
from verify.tensor import Tensor

_KEPT = "safetensors-metadata"


class DoubtError(Exception):
    """Why the answer of the one-request interface is not used."""


class _Answer(msgspec.Struct, frozen=True):
    headers: dict[str, msgspec.Raw]


def read(files: HubFiles, *, on_main: bool) -> Weights:
    """Read the headers that `model.safetensors.index.json` leads to, by as few requests as possible.

    Args:
        files: The files of the repository.
        on_main: Whether the commit is that of main.

    Returns:
        The weights.

    Raises:
        DoubtError: There is no such answer, or none that can be believed.
        EvidenceError: The index cannot be read or breaks its format.
        RefusedError: The server refuses it.
    """
    kept = files.kept.get(_KEPT)
    if kept is None and not on_main:
        raise DoubtError("the one-request answer knows only main")
    if kept is None and files.http is None:
        raise DoubtError("")
    file = indexes.SHARDED
    coming = hub_waits.later(lambda: whole(files, file, limit=indexes.LIMIT))
    headers = _parse(kept or _fetch(files))
    index = indexes.parse(coming.result(), file=file, where=files.where(file))
    tensors, problems = _believed(headers, files, index)
    shards = index.shards
    return Weights(
        tensors=tensors,
        files=shards,
        size=sum(files.sizes[shard] or 0 for shard in shards),
        declared=index.declared,
        problems=problems,
        note=f"headers of {len(shards)} shards read in one request",
    )


def _fetch(files: HubFiles) -> bytes:
    pinned = files.pinned
    if files.http is None:
        raise DoubtError("there is no connection")
    try:
        body = files.early(hub_early.ALL_HEADERS) or hub_early.all_headers(files.http, pinned.endpoint, pinned.model)
    except RefusedError as error:
        reason = f"the one-request answer is refused with {error.status}"
    except NetworkError:
        reason = "the one-request answer did not arrive"
    else:
        if body.commit in {"", pinned.commit}:
            files.status.add(indexes.SHARDED, len(body.data))
            files.kept.put(_KEPT, body.data)
            return body.data
        reason = "the one-request answer is of another commit"
    raise DoubtError(reason)


def _parse(body: bytes) -> dict[str, safetensors.Header]:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        return {
            shard: safetensors.parse(bytes(header), file=shard, size=None) for shard, header in answer.headers.items()
        }
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = "the one-request answer is not understood"
    except FormatError:
        reason = "the one-request answer breaks the format"
    raise DoubtError(reason)


def _believed(
    headers: Mapping[str, safetensors.Header], files: HubFiles, index: indexes.Index
) -> tuple[tuple[Tensor, ...], tuple[Problem, ...]]:
    """The tensors of an answer that agrees with what is pinned, and what is odd about them."""
    if set(headers) != set(index.shards):
        raise DoubtError("the one-request answer has other shards than the index")
    tensors = tuple(tensor for shard in index.shards for tensor in headers[shard].tensors)
    problems = indexes.check(index, tensors)
    if any(problem.fatal for problem in problems):
        raise DoubtError("the one-request answer contradicts the index")
    for shard, header in headers.items():
        size = files.sizes.get(shard, 0)
        least = safetensors.PREFIX_LENGTH + header.payload
        if size is not None and not least < size <= least + safetensors.MAX_HEADER_LENGTH:
            raise DoubtError("the one-request answer contradicts the file sizes")
    return tensors, problems
