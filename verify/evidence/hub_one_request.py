"""All headers of a sharded model in one request: `/api/models/{id}/safetensors-metadata/{index}`.

The interface takes no revision (`get_sharded_safetensors_metadata` in huggingface_hub/hf_api.py has no argument for
one), so it serves `main` alone, and its answer is believed only where it agrees with the index and the file list of
the pinned commit. An answer that was believed is kept in the cache under that commit, and serves any name for it.
"""

from math import prod
from operator import attrgetter, mul

import msgspec

from verify.errors import FormatError, NetworkError
from verify.evidence import hub_waits, safetensors
from verify.evidence import index as indexes
from verify.evidence.base import Problem
from verify.evidence.files import Weights, whole
from verify.evidence.hub_errors import RefusedError
from verify.evidence.hub_files import HubFiles
from verify.tensor import Tensor

#: The headers of the largest model there is are 60 MB.
LIMIT = 128 * 1024 * 1024

_KEPT = "safetensors-metadata"

_shape, _bits = attrgetter("shape"), attrgetter("dtype.bits")

_Shards = dict[str, tuple[Tensor, ...]]


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
    kept = files.cache.get(files.pinned.commit, _KEPT)
    if kept is None and not on_main:
        raise DoubtError("the one-request answer knows only main")
    if kept is None and files.http is None:
        raise DoubtError("")
    coming = hub_waits.later(lambda: kept or _fetch(files))
    file = indexes.SHARDED
    index = indexes.parse(whole(files, file, limit=LIMIT), file=file, where=files.where(file))
    body = coming.result()
    tensors, problems = _believed(_parse(body), files, index)
    if kept is None:
        files.cache.put(files.pinned.commit, _KEPT, body)
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
    url = f"{pinned.endpoint}/api/models/{pinned.model}/safetensors-metadata/{indexes.SHARDED}"
    try:
        body = files.http.read(url, limit=LIMIT, tries=2)
    except RefusedError as error:
        reason = f"the one-request answer is refused with {error.status}"
    except NetworkError:
        reason = "the one-request answer did not arrive"
    else:
        if body.commit in {"", pinned.commit}:
            files.status.add(indexes.SHARDED, len(body.data))
            return body.data
        reason = "the one-request answer is of another commit"
    raise DoubtError(reason)


def _parse(body: bytes) -> _Shards:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        return {
            shard: safetensors.parse(bytes(header), file=shard, size=None)[0]
            for shard, header in answer.headers.items()
        }
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = "the one-request answer is not understood"
    except FormatError:
        reason = "the one-request answer breaks the format"
    raise DoubtError(reason)


def _believed(shards: _Shards, files: HubFiles, index: indexes.Index) -> tuple[tuple[Tensor, ...], tuple[Problem, ...]]:
    """The tensors of an answer that agrees with what is pinned, and what is odd about them."""
    if set(shards) != set(index.shards):
        raise DoubtError("the one-request answer has other shards than the index")
    tensors = tuple(tensor for shard in index.shards for tensor in shards[shard])
    problems = indexes.check(index, tensors)
    if any(problem.fatal for problem in problems):
        raise DoubtError("the one-request answer contradicts the index")
    for shard, found in shards.items():
        size = files.sizes.get(shard, 0)
        least = safetensors.PREFIX_LENGTH + sum(map(mul, map(prod, map(_shape, found)), map(_bits, found))) // 8
        if size is not None and not least < size <= least + safetensors.MAX_HEADER_LENGTH:
            raise DoubtError("the one-request answer contradicts the file sizes")
    return tensors, problems
