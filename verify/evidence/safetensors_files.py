"""Safetensors weights: one file, or shards with an index.

The header is all that is read of a file: https://huggingface.co/docs/safetensors/index#format. An index names the
shard of each tensor: https://huggingface.co/docs/transformers/big_models, `load_sharded_checkpoint`.
"""

from itertools import chain

from verify.evidence import index as indexes
from verify.evidence import safetensors, weights
from verify.evidence.files import Files, Weights, ahead, refuse_absent, whole
from verify.tensor import Tensor

# A header may have 100 MB and is not held whole; those of real files are shorter than this.
_BLOCK = 8 * 1024 * 1024


def read(files: Files, file: str) -> Weights:
    """Read the headers of a safetensors file, or of the shards that an index names.

    Args:
        files: The files of the checkpoint.
        file: The path of a `*.safetensors` file, or of an index.

    Raises:
        NotFoundError: A shard is not there.
        FormatError: A file breaks its format.
        EvidenceError: A file cannot be read.
    """
    if file.endswith(".json"):
        return _sharded(files, file)
    return Weights(_header(files, file), (file,), files.size(file))


def _sharded(files: Files, file: str) -> Weights:
    folder, slash, _ = file.rpartition("/")
    folder += slash
    with ahead(files) as begin:
        coming = begin(_index, file)
        headers = {shard: begin(_header, shard) for shard in weights.shards(files.sizes, file)}
        index = coming()
        shards = tuple(folder + shard for shard in index.shards)
        refuse_absent(files, shards, f"the {len(shards)} shards that {file} names")
        headers |= {shard: begin(_header, shard) for shard in shards if shard not in headers}
        tensors = tuple(chain.from_iterable(headers[shard]() for shard in shards))
    named = tensors if not folder else (tensor._replace(file=tensor.file.removeprefix(folder)) for tensor in tensors)
    return Weights(
        tensors=tensors,
        files=shards,
        size=sum(files.size(shard) for shard in shards),
        declared=index.declared,
        problems=indexes.check(index, named),
    )


def _index(files: Files, file: str) -> indexes.Index:
    text = whole(files, file, limit=indexes.LIMIT)
    return indexes.parse(text, file=file.rpartition("/")[2], where=files.where(file))


def _header(files: Files, file: str) -> tuple[Tensor, ...]:
    where, size = files.where(file), files.size(file)
    prefix = files.read(file, 0, safetensors.PREFIX_LENGTH)
    length = safetensors.header_length(prefix, where=where, size=size)
    end = safetensors.PREFIX_LENGTH + length
    starts = range(safetensors.PREFIX_LENGTH, end, _BLOCK)
    header = (files.read(file, start, min(_BLOCK, end - start)) for start in starts)
    return safetensors.parse(header, file=file, size=size, where=where).tensors
