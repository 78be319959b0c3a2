"""GGUF weights: one file, or the parts that llama.cpp's gguf-split makes of one.

`read` gives the tensors the names and axes that they have in transformers, and takes the hyper-parameters from the
metadata. A quantised tensor keeps its type and logical shape: Q4_K is 144 bytes for 256 elements.
"""

from verify.errors import FormatError
from verify.evidence.base import Problem
from verify.evidence.files import Files, Weights, ahead, refuse_absent
from verify.evidence.gguf import _config, _tensors
from verify.evidence.gguf._header import Header, parse
from verify.tensor import Tensor

# What gguf-split writes into each part (tools/gguf-split of llama.cpp, `LLM_KV_SPLIT_*`); it numbers them from 0,
# and from 1 in names: `model-00001-of-00003.gguf` (`llama_split_path` in src/llama.cpp).
_NUMBER, _COUNT, _TENSORS = "split.no", "split.count", "split.tensors.count"
_MAX_PARTS = 99_999
_SHOWN = 4
_EMBEDDING = "token_embd.weight"
_DAMAGED = "download or split the file again"


def read(files: Files, file: str) -> Weights:
    """Read the header of a GGUF file, or of all the parts that it is one of.

    Args:
        files: The files of the checkpoint.
        file: The path of a `*.gguf` file.

    Raises:
        NotFoundError: A part is not there.
        FormatError: A file breaks its format, parts contradict each other, or it holds no model.
        UnknownArchitectureError: There is no table of its names.
        EvidenceError: A file cannot be read.
    """
    given = parse(files, file)
    names = _names(given, files, file)
    with ahead(files) as begin:
        others = {name: begin(parse, name) for name in names if name != file}
        headers = tuple(others[name]() if name in others else given for name in names)
    if len(names) > 1:
        _check(headers, names, files)
    first = headers[0]
    where = files.where(names[0])
    stored = tuple(tensor for header in headers for tensor in header.tensors)
    templates = {_tensors.template(tensor.name)[0] for tensor in stored}
    table = _config.architecture(first, templates, where)
    config, notes = _config.config(first, table, templates, where)
    rows = next((tensor.shape[0] for tensor in stored if tensor.name == _EMBEDDING and tensor.shape), 0)
    if "vocab_size" not in config and rows:
        config["vocab_size"] = rows
        notes += ("no metadata for the vocabulary: its size is that of the embedding itself",)
    found = _tensors.logical(stored, table, where)
    return Weights(
        tensors=found.tensors,
        files=names,
        size=sum(files.size(name) for name in names),
        problems=tuple(problem for pair in zip(headers, names, strict=True) for problem in _tail(*pair, files)),
        config=config,
        note="; ".join((*_aside(found.aside), *notes)),
    )


def _names(header: Header, files: Files, file: str) -> tuple[str, ...]:
    """The parts that a file is one of, the first one first; the file alone where it is no part."""
    count, number = header.values.get(_COUNT, 1), header.values.get(_NUMBER, 0)
    if count == 1:
        return (file,)
    if not isinstance(count, int) or not isinstance(number, int) or not 0 <= number < count <= _MAX_PARTS:
        raise FormatError(
            f"{files.where(file)}: {_NUMBER} is {number!r} and {_COUNT} is {count!r}",
            expected=f"a number below a count of at most {_MAX_PARTS}",
            hint=_DAMAGED,
        )
    end = _part(number, count)
    if not file.endswith(end):
        raise FormatError(
            f"{files.where(file)}: part {number + 1} of {count}",
            expected=f"a name that ends in {end}",
            hint="give all parts the names that gguf-split gave them",
        )
    names = tuple(file.removesuffix(end) + _part(index, count) for index in range(count))
    refuse_absent(files, names, f"the {count} parts that {file} is one of")
    return names


def _part(index: int, count: int) -> str:
    return f"-{index + 1:05}-of-{count:05}.gguf"


def _check(headers: tuple[Header, ...], names: tuple[str, ...], files: Files) -> None:
    """Hold what the parts say of each other against what they are.

    Raises:
        FormatError: They contradict each other.
    """
    seen: set[str] = set()
    for index, (header, name) in enumerate(zip(headers, names, strict=True)):
        said = header.values.get(_NUMBER), header.values.get(_COUNT)
        if said != (index, len(names)):
            raise FormatError(
                f"{files.where(name)}: {_NUMBER} and {_COUNT} are {said[0]!r} and {said[1]!r}",
                expected=f"{index} and {len(names)}, as its name says",
                hint=_DAMAGED,
            )
        twice = next((tensor.name for tensor in header.tensors if tensor.name in seen), None)
        if twice is not None:
            raise FormatError(
                f"{files.where(name)}: {twice!r} is in an earlier part too", expected="every name once", hint=_DAMAGED
            )
        seen.update(tensor.name for tensor in header.tensors)
    total = headers[0].values.get(_TENSORS, len(seen))
    if total != len(seen):
        raise FormatError(
            f"{files.where(names[0])}: {_TENSORS} is {total!r}, and the {len(names)} parts hold {len(seen)}",
            expected="all tensors in the parts",
            hint=_DAMAGED,
        )


def _tail(header: Header, file: str, files: Files) -> tuple[Problem, ...]:
    """Bytes behind the data, which llama.cpp never looks at."""
    more = files.size(file) - header.end
    return (
        (Problem(file, f"{more} bytes behind the last tensor, which nothing in the header names"),) if more > 0 else ()
    )


def _aside(tensors: tuple[Tensor, ...]) -> tuple[str, ...]:
    """Say which stored tensors are no parameters."""
    if not tensors:
        return ()
    elements = sum(tensor.elements for tensor in tensors)
    names = ", ".join(tensor.name for tensor in tensors[:_SHOWN]) + (" ..." if len(tensors) > _SHOWN else "")
    return (f"not counted: {names}, {elements} elements that follow from the hyper-parameters or scale a tensor",)
