"""Writes the files of the library: a confirmed formula, with what is needed to read a config.json without its class.

What a class does where a config.json is silent is found out by asking it: values are left out of random
configurations. One that then is not the default is computed from others; how is read off symbolic values.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from verify.derive import library
from verify.derive.building import points
from verify.derive.building.configurations import CLASS, assign, build, copied, flatten, keywords, resolved, sections
from verify.derive.building.instances import module
from verify.derive.building.variation import differs, movable, spread, vary
from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import INDICES, Expression
from verify.derive.tracing import per_layer
from verify.errors import ConfigError, VerifyError
from verify.evidence.meta import silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from verify.derive.building.classes import Target
    from verify.derive.building.configurations import Keywords
    from verify.derive.formulas.formula import Condition, Derived, Region
    from verify.derive.library import Entry, Part, Shelf

#: Random configurations with values left out.
_SILENT = 40
#: Of them, those that are written as a config.json and read back.
_WRITTEN = 4
#: Bytes of a file; a longer formula is left out.
LONGEST = 30_000


def publish(target: Target, derived: Derived, folder: Path = library.FOLDER) -> bool:
    """Write the file of a formula, or remove it where it is not confirmed.

    Args:
        target: The class.
        derived: Its formula at the defaults of the class.
        folder: Where the files are.

    Returns:
        Whether there is a file now.

    Raises:
        DeriveError: The formula, or what would be read of its file, gives something else than the class builds at its
            defaults; nothing is written.
        FormatError: What would be written could not be read.
    """
    path = folder / f"{target.model_type}.{target.kind}.json"
    if not derived.confirmation.confirmed:
        path.unlink(missing_ok=True)
        return False
    point = points.built(target, keywords(target.config_class))
    _require_built(derived, point)
    text = msgspec.json.encode(_shelf(target, derived, point), order="deterministic")
    if len(text) > LONGEST:  # a shorter one may be there
        return False
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        beside.write_bytes(text.replace(b'],"', b'],\n"').replace(b'},"', b'},\n"') + b"\n")
        _require_read(library.read(beside), point)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return True


def _require_built(derived: Derived, point: points.Point) -> None:
    """A formula gives every tensor of a configuration.

    Raises:
        DeriveError: It does not.
    """
    region = derived.region(point.values)
    if not points.predicts(region, point):
        raise DeriveError(points.difference(region, point))


def _require_read(entry: Entry, point: points.Point) -> None:
    """A file that was read again gives what the class builds at its defaults, both as tensors and as a formula.

    Raises:
        DeriveError: It does not.
    """
    _require_built(entry.derived, replace(point, values=entry.values))
    counted, stated = library.formula(entry, entry.values).count(), entry.shelf.parameters
    if counted != stated:
        raise DeriveError(f"what is written for {entry.shelf.class_name} has {counted:,} parameters and not {stated:,}")


def _shelf(target: Target, derived: Derived, point: points.Point) -> Shelf:
    """What is in the file of a formula."""
    given = keywords(target.config_class)
    values = point.values
    region = derived.region(values)
    read = {path for each in derived.regions for path in _read(each)}
    kept = {path: values[path] for path in sorted(read & values.keys())}
    computed = _computed(target, given, kept) | {path: None for path in per_layer.unknown(kept) if path in kept}
    made = library.Shelf(
        derived.model_type,
        derived.class_name,
        target.kind,
        derived.transformers,
        derived.confirmation.configurations,
        tuple(sorted({path.partition("[")[0] for path in derived.confirmation.varied})),
        str(target.model_class.base_model_prefix or ""),
        region.count(values),
        region.count(values, "buffer"),
        kept,
        computed,
        _aliases(target, given, kept),
        _sections(target, given),
        *_pooled(derived, kept),
        tuple(sorted({path for each in derived.regions for path in each.values} & kept.keys() - _used(derived))),
    )
    return made if not _misread(target, given, made) else replace(made, computed=dict.fromkeys(kept))


def stale(entry: Entry) -> str:
    """What the installed transformers has otherwise than a formula of the library says; "" where they agree.

    The formula is derived again, and both are held against each other and against the class, at the defaults and at
    random configurations.

    Raises:
        VerifyError: The class is gone, or cannot be built.
    """
    from verify.derive.building import classes
    from verify.derive.confirming import confirm

    target = classes.find(entry.shelf.model_type, entry.shelf.class_name)
    with silence():
        given = keywords(target.config_class)
        start = points.beginning(target, given) or points.built(target, given)
        for at in (given, start.keywords, *_random(target, start.keywords, _WRITTEN)):
            point = points.built(target, at)
            region = next((each for each in entry.derived.regions if not each.flipped(point.values)), None)
            if region and not points.predicts(region, point):
                return points.difference(region, point)
        again, _ = confirm.traced(target, start.keywords)
        return _otherwise(entry.derived, again, start)


def _otherwise(known: Derived, again: Region, point: points.Point) -> str:
    """What a formula that was derived again has otherwise."""
    try:
        now = replace(point, shapes=again.shapes(point.values))
        return "" if now.shapes == known.region(point.values).shapes(point.values) else points.difference(again, now)
    except DeriveError as error:
        return str(error)


def _read(region: Region) -> set[str]:
    """The paths that terms and conditions read, and those whose type decides; a list for its entries."""
    found = set(region.symbols).union(region.values, *map(_of, region.conditions))
    return {path.partition("[")[0] for path in found} - set(INDICES)


def _used(derived: Derived) -> set[str]:
    """The paths that terms and conditions read."""
    return {path for each in derived.regions for path in (*each.symbols, *(p for c in each.conditions for p in _of(c)))}


def _of(condition: Condition) -> frozenset[str]:
    return condition.left.paths | condition.right.paths | (condition.stop.paths if condition.stop else frozenset())


def _computed(target: Target, given: Keywords, kept: Mapping[str, Any]) -> dict[str, str | None]:
    """What the class computes where a config.json is silent, by path."""
    trials = list(_silent(target, given, kept))
    moved = {path for left_out, flat in trials for path in left_out if flat.get(path) != kept[path]}
    rules = _symbolic(target, given, moved) if moved else {}
    found: dict[str, str | None] = {}
    for path in sorted(moved):
        text = rules.get(path)
        right = text is not None and all(_gives(text, flat, path) for left_out, flat in trials if path in left_out)
        found[path] = text if right else None
    return found


def _gives(text: str, flat: Mapping[str, Any], path: str) -> bool:
    try:
        return bool(Expression(text)(flat) == flat.get(path))
    except DeriveError:
        return False


def _silent(target: Target, given: Keywords, kept: Mapping[str, Any]) -> Iterator[tuple[set[str], dict[str, Any]]]:
    """Configurations that are silent on what they do not change: on what, and what the class then has.

    Each value is changed alone, which shows what follows from it, and many are changed at random.
    """
    for changed in (*_alone(given), *_varied(given, _SILENT, Random(0))):  # noqa: S311 - no secret
        before = flatten(changed)
        silent = {path for path in kept if not differs(kept[path], before.get(path))}
        try:
            made = _without(changed, silent)
            flat = flatten(resolved(build(target.config_class, made), made))
        except VerifyError:
            continue
        yield silent, flat


def _alone(given: Keywords) -> Iterator[Keywords]:
    """Configurations with one number or switch changed, each to several values: classes reject some."""
    for path, value in flatten(given).items():
        if isinstance(value, bool):
            others: tuple[Any, ...] = (not value,)
        elif isinstance(value, int) and "[" not in path:
            others = (2 * value, value // 2, 3 * value, value + 1)
        else:
            continue
        for other in others:
            changed = copied(given)
            assign(changed, path, other)
            yield changed


def _varied(given: Keywords, number: int, random: Random) -> Iterator[Keywords]:
    paths = movable(given)
    for _ in range(number):
        chosen = [path for path in paths if random.random() < random.choice((0.1, 0.5, 0.9))]
        yield vary(given, random, chosen, together=random.choice((0, 0, 2, 3))).keywords


def _random(target: Target, given: Keywords, number: int) -> Iterator[Keywords]:
    """Random configurations that the class takes."""
    random = Random(1)  # noqa: S311 - no secret
    for varied in _varied(given, 10 * number, random):
        try:
            module(target, build(target.config_class, varied))
        except VerifyError:
            continue
        yield varied
        number -= 1
        if not number:
            return


def _without(values: Keywords, paths: Iterable[str]) -> Keywords:
    """Keywords that are silent on some paths."""
    found: Keywords = copied(values)
    gone = set(paths)
    for prefix, section in sections(found):
        for name in [name for name in section if f"{prefix}{name}" in gone and not isinstance(section[name], dict)]:
            del section[name]
    return found


def _symbolic(target: Target, given: Keywords, moved: set[str]) -> dict[str, str]:
    """How the class computes values that are left out, as expressions over the others."""
    from verify.derive.formulas.printing import text
    from verify.derive.tracing.recorder import Recorder
    from verify.derive.tracing.shims import symbolic
    from verify.derive.tracing.symbols import SymbolicInt
    from verify.derive.tracing.trace import symbolic_keywords

    recorder = Recorder()
    try:
        with symbolic(recorder):
            config = build(target.config_class, symbolic_keywords(_without(given, moved), recorder))
    except VerifyError:
        return {}
    found = {}
    for path in moved:
        value = config
        for name in path.split("."):
            value = getattr(value, name, None)
        if isinstance(value, SymbolicInt):
            found[path] = text(value.expr)
        elif value is None or isinstance(value, int | float | str):
            found[path] = repr(value)
    return found


def _aliases(target: Target, given: Keywords, kept: Mapping[str, Any]) -> dict[str, str]:
    """Other names of what is read (`attribute_map`), by path."""
    config = build(target.config_class, given)
    found = {}
    for prefix, _ in sections(given):
        section = config
        for name in prefix.split(".")[:-1]:
            section = getattr(section, name)
        for alias, name in (getattr(type(section), "attribute_map", None) or {}).items():
            if f"{prefix}{name}" in kept and f"{prefix}{alias}" not in kept:
                found[f"{prefix}{alias}"] = f"{prefix}{name}"
    return found


def _sections(target: Target, given: Keywords) -> dict[str, str]:
    config = build(target.config_class, given)
    found = {}
    for prefix, section in sections(given):
        if prefix and CLASS in section:
            part = config
            for name in prefix.split(".")[:-1]:
                part = getattr(part, name)
            found[prefix[:-1]] = part.model_type
    return found


def _pooled(derived: Derived, kept: Mapping[str, Any]) -> tuple[Any, Any, Any, tuple[Part, ...]]:
    """Sets of modules, terms, conditions and regions, each thing once."""
    repeats: dict[tuple[str, str | None, str], int] = {}
    terms: dict[Any, int] = {}
    conditions: dict[Any, int] = {}
    parts = []
    for region in derived.regions:
        own_terms = []
        for term in region.terms:
            places = tuple(
                repeats.setdefault((part.stop.text, part.where.text if part.where else None, part.count), len(repeats))
                for part in term.repeats
            )
            key = (term.pattern, term.kind[0], tuple(axis.text for axis in term.axes), places)
            own_terms.append(terms.setdefault(key, len(terms)))
        own_conditions = [
            conditions.setdefault(
                (each.operator, each.left.text, each.right.text, each.outcome, each.stop.text if each.stop else None),
                len(conditions),
            )
            for each in region.conditions
        ]
        values = {
            path: region.values[path]
            for path in sorted(_read(region) & region.values.keys())
            if path not in kept or (kept[path] is None) != (region.values[path] is None)
        }
        parts.append(library.Part(tuple(own_terms), tuple(own_conditions), values))
    return tuple(repeats), tuple(terms), tuple(conditions), tuple(parts)


def _misread(target: Target, given: Keywords, made: Shelf) -> bool:
    """Whether a config.json as transformers writes it is read otherwise than by the class."""
    entry = library.Entry(made, library.formula_of(made), made.values)
    for varied in (given, *_random(target, spread(given), _WRITTEN)):
        config = build(target.config_class, varied)
        values = flatten(resolved(config, varied))
        written = msgspec.json.decode(config.to_json_string(use_diff=True))
        try:
            found = library.values(entry, written)
        except ConfigError:
            continue
        if any(found.get(path) != values.get(path) for path in made.values):
            return True
    return False


def widen(model_type: str, kind: str, folder: Path = library.FOLDER, *, seconds: float = 20.0) -> bool:
    """Add to a formula of the library what it is where booleans are otherwise than by default.

    Args:
        model_type: The key of transformers.
        kind: One of `verify.derive.building.classes.KINDS`.
        folder: Where the files are.
        seconds: The longest that each confirmation may take.

    Returns:
        Whether the file has more than before; it stays as it is where not everything could be confirmed.

    Raises:
        VerifyError: There is no such file, or the class cannot be built.
    """
    from verify.derive.building import classes
    from verify.derive.confirming import booleans

    entry = library.read(folder / f"{model_type}.{kind}.json")
    target = replace(classes.find(model_type, entry.shelf.class_name), kind=kind)
    with silence():
        found = booleans.table(target, keywords(target.config_class), entry.derived, seconds=seconds)
        changes = tuple(change for change in found.changes if change.derived.confirmation.confirmed)
        wider = booleans.merged(entry.derived, replace(found, changes=changes))
        return not found.unknown and publish(target, wider, folder)
