"""Which files of a checkpoint are its weights, in which format, and what they hold.

The names are those that the writers use: `SAFE_WEIGHTS_NAME`, `WEIGHTS_NAME` and their indexes in
transformers/utils/__init__.py, `_add_variant` in transformers/modeling_utils.py (`model.fp16.safetensors`,
`model.safetensors.index.fp16.json`), diffusers/utils/constants.py, peft/utils/constants.py, and
`LLM_KV_SPLIT_NO` in llama.cpp (`name-00001-of-00003.gguf`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Protocol, cast

from msgspec.structs import replace

from verify.errors import NotFoundError, UsageError
from verify.evidence.base import Problem
from verify.evidence.config_json import read_config
from verify.evidence.files import Files, Weights, whole
from verify.evidence.index import is_plain_name
from verify.tensor import DTYPES, Dtype, Tensor

#: The config of a model.
CONFIG = "config.json"

#: The module in this folder that reads the files, or the index of files, that end so.
FORMATS = {
    ".safetensors": "safetensors_files",
    ".gguf": "gguf",
    ".bin": "torch_zip",
    ".pt": "torch_zip",
    ".pth": "torch_zip",
}

# Weights under a name of their own, in the order in which their libraries look.
_SAFETENSORS = ("model.safetensors", "diffusion_pytorch_model.safetensors")
_TORCH = ("pytorch_model.bin", "diffusion_pytorch_model.bin")
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
_ADAPTER_CONFIG = "adapter_config.json"

# What a Trainer leaves beside the weights (transformers/trainer.py: TRAINING_ARGS_NAME and those after it).
_TRAINER = ("training_args.", "optimizer.", "scheduler.", "scaler.", "rng_state")

# A config.json is read whole; the longest of real ones are below 1 MB.
CONFIG_LIMIT = 8 * 1024 * 1024
_SHOWN = 4

# New dtypes that are named, and letters of a name.
_NAMED, _LETTERS = 4, 80

# What holds weights in formats that are not read, to say what is there instead.
_UNREAD = (".ckpt", ".h5", ".msgpack", ".onnx", ".npz", ".pdparams", ".mlmodel", ".tflite")


class Format(Protocol):
    """A module that reads one format."""

    def read(self, files: Files, file: str) -> Weights:
        """Read a file, and the files that belong to it."""


def suffix(file: str) -> str:
    """The format of a weight file or of an index of weight files, as a key of `FORMATS`.

    Args:
        file: A path with `/`.

    Returns:
        `.safetensors` for `model.safetensors` and `model.safetensors.index.fp16.json`; "" for what is no weight file.
    """
    parts = _split(file)[1].split(".")
    if parts[-1] == "json" and "index" in parts[-3:-1]:
        parts = parts[: -2 if parts[-2] == "index" else -3]
    ending = f".{parts[-1]}" if parts[1:] else ""
    return ending if ending in FORMATS else ""


def is_index(file: str) -> bool:
    """Whether a file is an index of weight files, as `model.safetensors.index.json` is."""
    return bool(suffix(file)) and file.endswith(".json")


def choose(sizes: Mapping[str, int | None], *, where: str, file: str = "") -> str:
    """Choose the weights of a checkpoint among its files.

    Args:
        sizes: Every file by its path in the folder or repository.
        where: The folder or repository, for messages.
        file: The path of the weights in it, where the user gave one.

    Returns:
        The path of a weight file, or of an index.

    Raises:
        UsageError: `file` leads out of the folder or is no weight file, or several files could be meant.
        NotFoundError: There is no such file, or no weight file at all.
    """
    if file:
        return _given(sizes, where, file)
    top = [name for name in sizes if "/" not in name and is_plain_name(name) and _may_be_weights(name)]
    for candidates in _ranks(_groups(top)):
        if len(candidates) > 1:
            raise UsageError(
                f"{where}: {len(candidates)} files could be the weights: {_list(candidates)}",
                expected="one",
                hint=f"choose one, as with --file {candidates[0]}",
            )
        if candidates:
            return candidates[0]
    raise _nothing(sizes, where)


def read(files: Files, file: str) -> Weights:
    """Read weights of any format, and look at what lies beside them.

    Args:
        files: The files of the checkpoint.
        file: The path of the weights, from `choose`.

    Raises:
        EvidenceError: A file is missing, cannot be read or breaks its format.
    """
    return beside(_format(file).read(files, file), files.sizes, file)


def shards(sizes: Iterable[str], file: str) -> list[str]:
    """The shards that a safetensors index can be expected to name, before it is read: those that are called like it.

    Args:
        sizes: Every file of the checkpoint.
        file: The path of the weights, from `choose`.

    Returns:
        Their paths, sorted; none for weights that are no such index.
    """
    if not is_index(file) or suffix(file) != ".safetensors":
        return []
    folder, name = _split(file)
    base = _base(name)
    beside = (_split(path) for path in sizes if not is_index(path))
    return sorted(folder + each for place, each in beside if place == folder and each != base and _base(each) == base)


def beside(found: Weights, sizes: Collection[str], file: str) -> Weights:
    """Say of weights that were read what lies beside them and was not.

    Args:
        found: What was read.
        sizes: Every file of the checkpoint.
        file: The path of the weights.
    """
    new = _new_dtypes(found.tensors) if suffix(file) == ".safetensors" else ""
    notes = (found.note, new, alone(sizes, file), aside(sizes, found.files, file))
    return replace(
        found, problems=(*ambiguity(sizes, file), *found.problems), note="; ".join(note for note in notes if note)
    )


def config_file(sizes: Collection[str], file: str) -> str:
    """The config of some weights: in their folder, else at the top; "" where there is none."""
    folder, config = _split(file)[0], _config_name(file)
    return next((path for path in (folder + config, config) if path in sizes), "")


def _config_name(file: str) -> str:
    return _ADAPTER_CONFIG if _split(file)[1] in _ADAPTERS else CONFIG


def read_config_of(files: Files, file: str, found: Weights) -> tuple[Mapping[str, object], str]:
    """The hyper-parameters of some weights.

    Args:
        files: The files of the checkpoint.
        file: The path of the weights.
        found: What was read of them.

    Returns:
        The parsed config.json; where there is none, or none with a number in it, what the weights carry themselves.
        And a note where it is the latter.

    Raises:
        NotFoundError: There is no config.json, and the weights carry none.
        FormatError: It is no JSON object.
    """
    path = config_file(files.sizes, file)
    config = read_config(whole(files, path, limit=CONFIG_LIMIT), where=files.where(path)) if path else {}
    if found.config and not has_numbers(config):
        return found.config, f"hyper-parameters from {file} itself"
    if not path:
        raise NotFoundError(
            f"{files.where(_split(file)[0] + _config_name(file))}: no such file",
            expected="a folder as save_pretrained leaves it",
            hint="copy or download it to there",
        )
    return config, ""


def ambiguity(sizes: Collection[str], file: str) -> tuple[Problem, ...]:
    """Say it where an index lies beside the single file that is read."""
    folder, name = _split(file)
    if _base(name) != name:
        return ()
    message = f"not read: {name} is there too, and transformers reads that one"
    return tuple(Problem(index, message, fatal=False) for index in _indexes(sizes, folder, name))


def alone(sizes: Collection[str], file: str) -> str:
    """Say it where one shard of several is read by itself."""
    folder, name = _split(file)
    if is_index(name) or _base(name) == name:
        return ""
    indexes = _indexes(sizes, folder, _base(name))
    return f"only {name} was read, though {indexes[0]} beside it may name more shards" if indexes else ""


def aside(sizes: Iterable[str], read: Collection[str], file: str) -> str:
    """Name the files of the same format that lie beside the weights and are not part of them.

    Such a file may be the same weights in another layout (`consolidated.safetensors`), or a shard that the index
    forgot; who reads the report should know of it.

    Args:
        sizes: Every file of the checkpoint.
        read: The files that were read.
        file: The path of the weights.

    Returns:
        One sentence, or "" where there are none.
    """
    folder, ending = _split(file)[0], suffix(file)
    others = sorted(
        name
        for name in sizes
        if name.endswith(ending) and name not in read and _split(name)[0] == folder and _may_be_weights(name)
    )
    return f"not read, beside the weights: {_list(others)}" if others else ""


def _new_dtypes(tensors: Iterable[Tensor]) -> str:
    """Name the dtypes that are not known yet, where there are any; what is said of them rests on the offsets alone."""
    found: dict[Dtype, list[str]] = {}
    for tensor in tensors:
        if tensor.dtype.name not in DTYPES:
            found.setdefault(tensor.dtype, []).append(tensor.name)
    said = [
        f"{len(names)} tensors of {_short(dtype.name)} ({dtype.bits} bits by the offsets), such as {_short(names[0])}"
        for dtype, names in islice(found.items(), _NAMED)
    ]
    more = f" and {len(found) - _NAMED} others" if len(found) > _NAMED else ""
    return f"dtypes that safetensors 0.8 does not have: {'; '.join(said)}{more}" if found else ""


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[:_LETTERS]}..."


def _given(sizes: Mapping[str, int | None], where: str, file: str) -> str:
    if not _stays_inside(file):
        raise UsageError(
            f"--file {file!r} leads out of {where}", expected="the path of a file in it, as in unet/model.safetensors"
        )
    if not suffix(file):
        raise UsageError(f"--file {file} is no weight file", expected=f"one of *{', *'.join(FORMATS)}, or an index")
    if file not in sizes:
        there = _all(sizes)
        raise NotFoundError(f"{where}: no {file}", expected=f"one of {_list(there)}" if there else "a weight file")
    return file


def _ranks(groups: Mapping[str, str]) -> Iterator[list[str]]:
    """The candidates for the weights, the best first; several of one rank are as good as each other."""
    named = {*_SAFETENSORS, *_TORCH, *_ADAPTERS}
    for name in _SAFETENSORS:
        yield [groups[name]] if name in groups else []
    yield [file for base, file in groups.items() if suffix(base) == ".safetensors" and base not in named]
    for name in _TORCH:
        yield [groups[name]] if name in groups else []
    yield [file for base, file in groups.items() if suffix(base) == ".gguf"]
    for name in _ADAPTERS:
        yield [groups[name]] if name in groups else []


def _groups(names: Iterable[str]) -> dict[str, str]:
    """Weights by what they would be called in one file, and the file to begin with: that one, else an index."""
    found: dict[str, str] = {}
    # A single file goes before its index, as transformers looks; parts of a GGUF need none, the first says it all.
    for name in sorted(names, key=lambda name: (_base(name) != name, not is_index(name), name)):
        if _base(name) == name or is_index(name) or suffix(name) == ".gguf":
            found.setdefault(_base(name), name)
    return dict(sorted(found.items()))


def _nothing(sizes: Iterable[str], where: str) -> NotFoundError:
    there = _all(sizes)
    shards = [name for name in there if "/" not in name and _base(name) != name]
    if shards:
        return NotFoundError(
            f"{where}: {_list(shards)}, but no index that names them",
            expected=f"{_base(shards[0])}.index.json",
            hint="download it too, or look at one with --file",
        )
    if there:
        return NotFoundError(
            f"{where}: no weights under a usual name, only {_list(there)}",
            hint=f"choose one, as with --file {there[0]}",
        )
    others = sorted(name for name in sizes if name.endswith(_UNREAD))
    return NotFoundError(
        f"{where}: no weights in a format that is read, only {_list(others)}" if others else f"{where}: no weight file",
        expected=f"{CONFIG} and {_SAFETENSORS[0]}, its index, or another *{', *'.join(FORMATS)}",
    )


def _all(sizes: Iterable[str]) -> list[str]:
    """What may be given with --file: the files at the top, then those in folders."""
    return sorted(
        (name for name in sizes if _may_be_weights(name) and _stays_inside(name)),
        key=lambda name: (name.count("/"), name),
    )


def _stays_inside(file: str) -> bool:
    return all(is_plain_name(part) for part in file.split("/"))


def _format(file: str) -> Format:
    return cast("Format", import_module(f"verify.evidence.{FORMATS[suffix(file)]}"))


def _indexes(sizes: Iterable[str], folder: str, base: str) -> list[str]:
    """The indexes of some weights: `model.safetensors.index.json`, or one with a variant in its name."""
    return sorted(
        path
        for path in sizes
        if path.endswith(".json") and path.startswith(folder) and is_index(path) and _base(path[len(folder) :]) == base
    )


def _base(name: str) -> str:
    """What the weights that a shard or an index belongs to would be called in one file."""
    stem, *parts = name.split(".")
    if is_index(name):
        # model.safetensors.index.fp16.json indexes what is called model.fp16.safetensors
        place = len(parts) - 1 - parts[::-1].index("index")
        parts = [*parts[: place - 1], *parts[place + 1 : -1], parts[place - 1]]
    return ".".join(_unnumbered(part) for part in (stem, *parts))


def _unnumbered(part: str) -> str:
    """`model` for `model-00001-of-00002`."""
    head, of, total = part.rpartition("-of-")
    base, dash, number = head.rpartition("-")
    return base if of and dash and base and number.isdecimal() and total.isdecimal() else part


def _may_be_weights(file: str) -> bool:
    return bool(suffix(file)) and not _split(file)[1].startswith(_TRAINER)


def has_numbers(config: Mapping[str, object]) -> bool:
    """Whether a config.json says anything of sizes; some beside GGUF files hold a model_type alone."""
    return any(isinstance(value, int | dict) and not isinstance(value, bool) for value in config.values())


def _split(file: str) -> tuple[str, str]:
    """The folder, with a `/` behind it, and the name."""
    folder, slash, name = file.rpartition("/")
    return folder + slash, name


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
