"""Recorded facts about real checkpoints, which ship with the package.

They serve where a checkpoint itself is out of reach: offline, or gated without a token. There is one
file per checkpoint in `verify/records/`, named `<owner>--<name>.json`, a JSON object with these keys:

* `schema`: 1, the version of this format.
* `model`: the Hub id that the record is about.
* `aliases`: other ids of the same repository.
* `config`: the keys of config.json that decide about tensors and their storage, nothing else.
* `config_source`: where those were read.
* `revision`: the commit of the Hub repository that the numbers are of, or "".
* `numbers`: a list of `{"kind", "value", "source"}`, and where they say something `"dtype"` and
  `"note"`. `kind` is a `DeclaredKind`; `value` counts elements or bytes, as the kind says. Sources that
  disagree stand side by side.
* `tensors`: the names of the stored tensors where an index or a header was recorded, as a list of
  `{"template", "indices"}`: each `{}` of the template takes each index of its own list, such as
  `"0-2,5"`, all combinations of them.
* `tensors_source`: where the names were read, or "".
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import product
from math import prod
from typing import Any, cast

from verify.errors import FormatError, NotFoundError
from verify.evidence.base import Declared, DeclaredKind, Evidence, Strength

#: More names than this are refused; the largest recorded checkpoint has fewer than 100,000.
MAXIMUM_NAMES = 1_000_000

_SUFFIX = ".json"
_TEXTS = ("model", "config_source", "revision", "tensors_source")
_LISTS = ("aliases", "numbers", "tensors")
_HINT = "correct or reinstall the record"


def read(model: str) -> Evidence:
    """Read the record of a model.

    Args:
        model: A Hub id such as `meta-llama/Llama-2-7b-hf` or an alias such as `gpt2`; upper and lower
            case are the same.

    Returns:
        Its config, recorded numbers and, where an index was recorded, the names of its tensors.

    Raises:
        NotFoundError: There is no record of it.
        FormatError: The record breaks its format.
    """
    file = _find(model)
    return parse(_load(file), file=file)


def known() -> tuple[str, ...]:
    """The Hub ids of all recorded models, sorted."""
    return tuple(sorted((_model(file) for file in _files()), key=str.lower))


def of_type(model_types: Collection[str]) -> Evidence | None:
    """The first record, by name, of a model with one of these `model_type`s."""
    records = (parse(_load(file), file=file) for file in _files())
    return next((record for record in records if record.config.get("model_type") in model_types), None)


def parse(data: bytes, *, file: str) -> Evidence:
    """Parse one record.

    Args:
        data: The bytes of the record file.
        file: Its name, for messages.

    Raises:
        FormatError: It is no JSON object of schema 1, or one of its fields is missing or impossible.
    """
    record = _object(data, file)
    names = tuple(_names(record["tensors"], file))
    name, times = max(Counter(names).items(), key=lambda found: found[1], default=("", 0))
    if times > 1:
        raise FormatError(f"{file}: tensors: {name!r} twice", expected="each name once", hint=_HINT)
    declared = tuple(_number(entry, f"{file}: numbers[{position}]") for position, entry in enumerate(record["numbers"]))
    sources = {"config": record["config_source"], "names": record["tensors_source"]}
    return Evidence(
        model=record["model"],
        strength=Strength.INDEX if names else Strength.TOTALS,
        source="recorded",
        where=file,
        config=record["config"],
        revision=record["revision"],
        names=names,
        declared=declared,
        note="; ".join(f"{what} from {source}" for what, source in sources.items() if source),
    )


def _find(model: str) -> str:
    """The record file of a model, by its id or an alias."""
    wanted = model.lower()
    by_id = {_model(file).lower(): file for file in _files()}
    file = by_id.get(wanted) or _aliases().get(wanted)
    if file is None:
        # difflib costs more than reading a record, and only a failure needs it.
        from difflib import get_close_matches

        spelling = {name.lower(): name for name in (*known(), *_aliases())}
        tails = {name.rpartition("/")[2]: name for name in by_id}
        tail = wanted.rpartition("/")[2]
        near = [*get_close_matches(wanted, spelling, 3), *(tails[end] for end in get_close_matches(tail, tails, 3))]
        found = ", ".join(spelling[name] for name in dict.fromkeys(near))
        raise NotFoundError(
            f"{model}: no record of this model",
            expected="one of those that verify.evidence.recorded.known() lists",
            hint=f"did you mean {found}?" if found else "check it with another kind of evidence",
        )
    return file


def _files() -> tuple[str, ...]:
    """Names of the record files, sorted."""
    folder = files("verify") / "records"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)))


def _model(file: str) -> str:
    """The Hub id in a file name; no owner and no name on the Hub has `--` in it."""
    return file.removesuffix(_SUFFIX).replace("--", "/", 1)


def _load(file: str) -> bytes:
    return (files("verify") / "records" / file).read_bytes()


@cache
def _aliases() -> dict[str, str]:
    """Each alias in lower case with its record file; reads every record once."""
    return {alias.lower(): file for file in _files() for alias in _object(_load(file), file)["aliases"]}


def _object(data: bytes, file: str) -> dict[str, Any]:
    """The JSON object of a record, with every field of its first level checked."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}: {error}", expected="a JSON object", hint=_HINT) from None
    if not isinstance(record, dict) or record.get("schema") != 1:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise FormatError(f"{file}: schema: {found!r}", expected="an object of schema 1", hint=_HINT)
    for key in _TEXTS:
        _expect(record.get(key), str, f"{file}: {key}")
    for key in _LISTS:
        _expect(record.get(key), list, f"{file}: {key}")
    for position, alias in enumerate(record["aliases"]):
        _expect(alias, str, f"{file}: aliases[{position}]")
    _expect(record.get("config"), dict, f"{file}: config")
    if record["model"] != _model(file):
        raise FormatError(f"{file}: model: {record['model']!r}", expected=f"{_model(file)!r}, as the file is named")
    return record


def _expect(value: object, kind: type, path: str) -> None:
    """Refuse a value that is not of the JSON type `kind`; true and false are no whole numbers."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {str: "a string", list: "a list", dict: "an object", int: "a whole number"}
        raise FormatError(f"{path}: {value!r}", expected=names[kind], hint=_HINT)


def _number(entry: object, path: str) -> Declared:
    """One entry of `numbers`."""
    _expect(entry, dict, path)
    fields = cast("Mapping[str, Any]", entry)
    for key in ("kind", "source"):
        _expect(fields.get(key), str, f"{path}.{key}")
    for key in ("dtype", "note"):
        _expect(fields.get(key, ""), str, f"{path}.{key}")
    _expect(fields.get("value"), int, f"{path}.value")
    if fields["value"] < 1:
        raise FormatError(f"{path}.value: {fields['value']}", expected="at least 1", hint=_HINT)
    try:
        kind = DeclaredKind(fields["kind"])
    except ValueError:
        expected = f"one of {', '.join(DeclaredKind)}"
        raise FormatError(f"{path}.kind: {fields['kind']!r}", expected=expected, hint=_HINT) from None
    if (kind is DeclaredKind.DTYPE_TOTAL) != bool(fields.get("dtype")):
        raise FormatError(f"{path}.dtype: {fields.get('dtype')!r}", expected="one with dtype_total, else none")
    return Declared(kind, fields["value"], fields["source"], fields.get("dtype", ""), fields.get("note", ""))


def _names(entries: list[object], file: str) -> Iterator[str]:
    """The tensor names that `tensors` stands for."""
    total = 0
    for position, entry in enumerate(entries):
        path = f"{file}: tensors[{position}]"
        _expect(entry, dict, path)
        fields = cast("Mapping[str, Any]", entry)
        template, written = fields.get("template"), fields.get("indices", [])
        _expect(template, str, f"{path}.template")
        _expect(written, list, f"{path}.indices")
        fixed = cast("str", template).split("{}")
        if len(fixed) != len(written) + 1:
            raise FormatError(f"{path}: {len(written)} indices", expected=f"{len(fixed) - 1}, as in the template")
        ranges = [_indices(text, f"{path}.indices[{axis}]") for axis, text in enumerate(written)]
        total += prod(map(len, ranges))
        if total > MAXIMUM_NAMES:
            raise FormatError(f"{path}: more than {MAXIMUM_NAMES} names", expected="the names of one checkpoint")
        for combination in product(*ranges):
            yield fixed[0] + "".join(f"{index}{rest}" for index, rest in zip(combination, fixed[1:], strict=True))


def _indices(text: object, path: str) -> tuple[int, ...]:
    """The indices that a text such as `0-2,5` stands for."""
    _expect(text, str, path)
    found: list[int] = []
    for part in cast("str", text).split(","):
        first, dash, last = part.partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(end.isascii() and end.isdecimal() and len(end) < len(str(MAXIMUM_NAMES)) for end in ends):
            raise FormatError(f"{path}: {part!r}", expected="indices such as 0-2,5", hint=_HINT)
        start, stop = (int(end) for end in ends)
        if stop < start or (found and start <= found[-1]):
            raise FormatError(f"{path}: {part!r}", expected="rising indices", hint=_HINT)
        found.extend(range(start, stop + 1))
    return tuple(found)
