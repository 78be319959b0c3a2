"""The library: formulas that were derived from transformers and confirmed, as data.

One file for each type and kind of class in `library/`, written by `verify.derive.publish`. Reading and evaluating them
needs neither torch nor sympy nor transformers. A file holds, besides the formula, the default values of the class for
what the formula reads, so that a config.json that leaves them out can be read as the class reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from verify.derive.building.classes import KINDS
from verify.derive.errors import DeriveError
from verify.derive.formulas import terms
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import (
    ENOUGH,
    Condition,
    Confirmation,
    Derived,
    DerivedTerm,
    Predicate,
    Region,
    from_json,
)
from verify.derive.tracing import per_layer
from verify.errors import ConfigError, FormatError, UnknownArchitectureError, VerifyError

if TYPE_CHECKING:
    from verify.config import Config
    from verify.formula import Formula

#: Where the files are.
FOLDER = Path(__file__).with_suffix("")

#: Where values come from that config.json does not state.
_DEFAULT, _COMPUTED = "default of the class", "computed by the class"

#: A configuration of transformers is written with the names of its labels in place of their number.
_LABELS = "id2label"

_KINDS = {"p": "parameter", "b": "buffer"}


@dataclass(frozen=True, slots=True)
class Part:
    """A region in a file, by the places of what it has in the lists of the file.

    Attributes:
        terms: Its terms.
        conditions: Its conditions.
        values: What it was traced at, where that differs from the defaults.
    """

    terms: tuple[int, ...]
    conditions: tuple[int, ...]
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A file.

    Attributes:
        model_type: The key of transformers.
        class_name: The class.
        kind: One of `verify.derive.building.classes.KINDS`.
        transformers: The version that the formula was derived from.
        configurations: How many random configurations in a row it predicted.
        varied: What differed among them.
        prefix: What stands before the names of the bare model.
        parameters: Elements of all parameters at the defaults.
        buffers: Elements of all persistent buffers there.
        values: The defaults of the class for what is read.
        computed: What the class computes where a config.json is silent: an expression, or None where none is known.
        aliases: Other names by which a config.json may call a value.
        sections: The parts of the configuration, each with its model type.
        repeats: Sets of modules: how many there are, of which those where a condition holds, and how many that makes.
        terms: Pattern, `p` or `b` for parameters and buffers, axes, and places in `repeats`.
        conditions: Sign, left, right, outcome, and the end of the loop of one with an index.
        regions: The regions.
        typed: What the code asks the type of, which is that of the default.
    """

    model_type: str
    class_name: str
    kind: str
    transformers: str
    configurations: int
    varied: tuple[str, ...]
    prefix: str
    parameters: int
    buffers: int
    values: dict[str, Any]
    computed: dict[str, str | None]
    aliases: dict[str, str]
    sections: dict[str, str]
    repeats: tuple[tuple[str, str | None, str], ...]
    terms: tuple[tuple[str, str, tuple[str, ...], tuple[int, ...]], ...]
    conditions: tuple[tuple[str, str, str, bool, str | None], ...]
    regions: tuple[Part, ...]
    typed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A formula of the library.

    Attributes:
        shelf: Its file.
        derived: The formula.
        values: The defaults of the class.
    """

    shelf: Shelf
    derived: Derived
    values: dict[str, Any]


def types(folder: Path = FOLDER) -> dict[str, tuple[str, ...]]:
    """The types of the library by kind, sorted."""
    return {
        kind: tuple(sorted(name for name, kinds in _files(folder).items() if kind in kinds))
        for kind in KINDS
        if any(kind in kinds for kinds in _files(folder).values())
    }


def known(model_type: str, folder: Path = FOLDER) -> bool:
    """Whether there is a formula for a type."""
    return model_type in _files(folder)


def find(model_type: str, class_suffix: str = "", folder: Path = FOLDER) -> Entry:
    """The formula of a type.

    Args:
        model_type: The key of transformers.
        class_suffix: The class, or how its name ends; "" takes the preferred one.
        folder: Where the files are.

    Raises:
        UnknownArchitectureError: There is none.
        FormatError: Its file cannot be read.
    """
    kinds = _files(folder).get(model_type, frozenset())
    found = [read(folder / f"{model_type}.{kind}.json") for kind in KINDS if kind in kinds]
    chosen = next((each for each in found if each.shelf.class_name.endswith(class_suffix)), None)
    if chosen is None:
        raise UnknownArchitectureError(
            f"the library has no formula for model_type {model_type!r}"
            + (f" and class {class_suffix}" if class_suffix else ""),
            expected=", ".join(each.shelf.class_name for each in found) or "one of those that `verify families` lists",
        )
    return chosen


def covering(model_type: str, class_name: str, values: Mapping[str, Any]) -> Derived | None:
    """The formula of a class, where it is of the installed transformers and holds at a configuration."""
    import transformers

    try:
        found = find(model_type, class_name).derived
        found.region(values)
    except (UnknownArchitectureError, FormatError, DeriveError):
        return None
    return found if (found.class_name, found.transformers) == (class_name, transformers.__version__) else None


def read(path: Path) -> Entry:
    """The formula of a file.

    Raises:
        FormatError: It cannot be read.
    """
    try:
        shelf = msgspec.json.decode(path.read_bytes(), type=Shelf)
        derived = formula_of(shelf)
    except (OSError, msgspec.MsgspecError, LookupError, RecursionError, UnicodeDecodeError, VerifyError) as error:
        raise FormatError(f"{path.name} is no formula of the library: {error}", hint="make census") from error
    return Entry(shelf, derived, {path: _tuples(value) for path, value in shelf.values.items()})


def formula_of(shelf: Shelf) -> Derived:
    """The formula of a file.

    Raises:
        VerifyError: An expression in it cannot be read.
    """
    regions = tuple(_region(shelf, part) for part in shelf.regions)
    confirmation = Confirmation(shelf.configurations, shelf.varied)
    found = Derived(shelf.model_type, shelf.class_name, shelf.transformers, regions, confirmation)
    return from_json(found.to_json())


def source(derived: Derived) -> str:
    """What a derived formula is, and what it is not."""
    return (
        f"derived from transformers {derived.transformers} {derived.class_name}, confirmed on "
        f"{max(derived.confirmation.configurations, ENOUGH)} configurations; "
        "this is what the code says, not an independent formula"
    )


def values(entry: Entry, config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config.json, as the class reads it.

    Args:
        entry: The formula.
        config: The parsed config.json.

    Raises:
        ConfigError: A part of it is of another type, or what the class computes is not known.
    """
    stated = _stated(entry, config, "")
    found = {path: value for path, value in entry.values.items() if path not in stated} | stated
    late = {
        path: text
        for path, text in entry.shelf.computed.items()
        if stated.get(path) is None and _section_stated(path, config)
    }
    for path in late:
        found.pop(path, None)
    for path, text in late.items():
        if text is None:
            raise ConfigError(
                f"config.json does not state {path}, and how {entry.shelf.class_name} computes it is not known here",
                expected="it in config.json",
                hint="add it, or use `verify derive`, which reads the code",
            )
        try:
            found[path] = Expression(text)(found)
        except DeriveError as error:
            raise ConfigError(f"config.json does not state {path}: {error}") from error
    return found


def at(stated: Mapping[str, Any], config: Config) -> Formula:
    """The formula of a config.json.

    Args:
        stated: The parsed config.json.
        config: The same; what the formula reads is marked as read.

    Raises:
        UnknownArchitectureError: The library has none for its type and class.
        ConfigError: What the formula reads is not known.
        DeriveError: The formula does not hold there.
    """
    name = config.text("model_type")
    if not known(name):
        raise UnknownArchitectureError(
            f"model_type {name!r} has no formula",
            expected="one of those that `verify families` lists",
            hint=f"`verify derive {name}` derives one from the code of transformers, where that has the type",
        )
    entry = find(name, config.architecture)
    aliases, sections = entry.shelf.aliases, entry.shelf.sections
    config.set_aside(*(path.partition(".")[0] for path in (*entry.values, *aliases, *sections, _LABELS)))
    return formula(entry, values(entry, stated), _stated(entry, stated, ""))


def formula(entry: Entry, at: Mapping[str, Any], stated: Mapping[str, Any] = MappingProxyType({})) -> Formula:
    """The formula at a configuration.

    Args:
        entry: The formula.
        at: The values.
        stated: Those of them that config.json states.

    Raises:
        DeriveError: It holds for another one, or has no value there.
    """
    known = entry.shelf
    origins = {path: _COMPUTED if path in known.computed else _DEFAULT for path in entry.values if path not in stated}
    if not stated:
        origins = dict.fromkeys(entry.values, _DEFAULT)
    tensors = terms.pieces(entry.derived.region(at), at, origins).values()
    whole, _ = terms.formula(
        tensors, name=f"derived:{known.model_type}", source=source(entry.derived), prefix=known.prefix
    )
    return whole


def _stated(entry: Entry, config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What a config.json states, by path."""
    aliases, sections = entry.shelf.aliases, entry.shelf.sections
    found: dict[str, Any] = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        if path in sections and isinstance(value, Mapping):
            kind = value.get("model_type", sections[path])
            if kind != sections[path]:
                raise ConfigError(
                    f"{path}.model_type is {kind!r}", expected=repr(sections[path]), hint="use `verify derive`"
                )
            found |= _stated(entry, value, f"{path}.")
        elif key == per_layer.FIELDS and value:
            raise ConfigError(
                f"{path} gives layers their own values", expected="one value for all layers", hint="use `verify derive`"
            )
        elif key == _LABELS and isinstance(value, Mapping):
            found[f"{prefix}num_labels"] = len(value)
        elif isinstance(value, list | tuple):
            found[aliases.get(path, path)] = _tuples(value)
        elif not isinstance(value, Mapping):
            found[aliases.get(path, path)] = value
    return found


def _section_stated(path: str, config: Mapping[str, Any]) -> bool:
    """Whether a config.json has the section that a path is in: a part that it leaves out is the default part."""
    section: Any = config
    for name in path.split(".")[:-1]:
        section = section.get(name) if isinstance(section, Mapping) else None
    return isinstance(section, Mapping)


@cache
def _files(folder: Path) -> dict[str, frozenset[str]]:
    """The kinds of each type that there is a file for."""
    found: dict[str, set[str]] = {}
    for path in folder.glob("*.json"):
        name, _, kind = path.stem.rpartition(".")
        found.setdefault(name, set()).add(kind)
    return {name: frozenset(kinds) for name, kinds in found.items()}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _region(shelf: Shelf, part: Part) -> Region:
    repeats = [
        Predicate(Expression(stop), None if where is None else Expression(where), count)
        for stop, where, count in shelf.repeats
    ]
    own = [shelf.terms[at] for at in part.terms]
    made = tuple(
        DerivedTerm(
            pattern,
            _KINDS[kind],  # type: ignore[arg-type] # one of the two
            tuple(map(Expression, axes)),
            tuple(repeats[at] for at in places),
        )
        for pattern, kind, axes, places in own
    )
    conditions = tuple(
        Condition(
            sign,
            Expression(left),
            Expression(right),
            outcome,
            indexed=stop is not None,
            stop=Expression(stop) if stop else None,
        )
        for sign, left, right, outcome, stop in (shelf.conditions[at] for at in part.conditions)
    )
    there = {**shelf.values, **part.values}
    used = (path for each in conditions for path in _read(each))
    read = {*Region(made, conditions, {}).symbols, *used, *shelf.typed}
    return Region(made, conditions, {path: value for path, value in there.items() if path in read})


def _read(condition: Condition) -> frozenset[str]:
    return condition.left.paths | condition.right.paths | (condition.stop.paths if condition.stop else frozenset())
