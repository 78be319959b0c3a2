"""What transformers writes to disk, and what it makes of what it reads, on the meta device.

Transformers 5 stores models under other names and in other pieces than its modules have: the experts of a layer are
one parameter and hundreds of stored tensors, projections are renamed, split and turned. How is private to it. The
steps here are those of transformers 5.23, with shapes in place of tensors:

* `layout`: `PreTrainedModel.save_pretrained` (`_keys_to_ignore_on_save`, `remove_tied_weights_from_state_dict`) and
  `core_model_loading.revert_weight_conversion`.
* `implementation`: `core_model_loading.convert_and_load_state_dict_in_model`, then `tie_weights` and
  `_adjust_missing_and_unexpected_keys` of `PreTrainedModel`.

The rules themselves are in `rules`, the operations on tensors in `convert`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from verify.derive.on_disk import rules as private
from verify.derive.on_disk.convert import Conversion, Group, Shape, collect
from verify.derive.on_disk.names import in_order, rename_all
from verify.errors import FormatError, VerifyError
from verify.evidence.meta import silence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

_LONGEST_REASON = 160


@dataclass(frozen=True, slots=True)
class Route:
    """Stored tensors that become parameters or buffers together.

    Attributes:
        stored: Names of the stored tensors, in the order in which they are taken.
        made: What becomes of them: name in the module and shape.
        operations: What transformers does with them (`MergeModulelist`, `Concatenate` …); none where it takes the
            tensor as it is.
    """

    stored: tuple[str, ...]
    made: Mapping[str, Shape]
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unused:
    """A stored tensor that becomes nothing.

    Attributes:
        stored: Its name.
        sought: The name under which the module was searched for it.
        rule: The pattern of names by which the class ignores it, or "" where it is not expected.
        instead: The stored tensor that takes its place, where there is one.
    """

    stored: str
    sought: str
    rule: str = ""
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Stored tensors that cannot be made into a parameter.

    Attributes:
        stored: Their names.
        parameter: The first name they were meant for.
        reason: What transformers says, in one line.
    """

    stored: tuple[str, ...]
    parameter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tie:
    """A parameter that is another.

    Attributes:
        parameter: The one that takes the other's place.
        source: The other.
        both: Whether the checkpoint has both; transformers then ties them only where they are equal.
    """

    parameter: str
    source: str
    both: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `from_pretrained` would make of a checkpoint.

    Attributes:
        where: Version of transformers and class.
        state: Shape of every parameter and persistent buffer by its name in the module.
        copies: Those of them that are another one, under one more name.
        routes: Stored tensors that are used.
        unused: Stored tensors that are not.
        failed: Stored tensors that cannot be used.
        mismatched: Parameters whose stored shape is not theirs: found, expected.
        missing: Parameters that nothing stored becomes.
        optional: Those of them that the class does without.
        ties: Parameters that are tied to another.
    """

    where: str
    state: Mapping[str, Shape]
    copies: frozenset[str]
    routes: tuple[Route, ...]
    unused: tuple[Unused, ...]
    failed: tuple[Failure, ...]
    mismatched: Mapping[str, tuple[Shape, Shape]]
    missing: tuple[str, ...]
    optional: frozenset[str]
    ties: tuple[Tie, ...]


def layout(model: Any) -> dict[str, Shape]:
    """The name and shape of each tensor that `save_pretrained` would write.

    Args:
        model: A `PreTrainedModel`, on the meta device or not.

    Raises:
        UnavailableError: The installed transformers is not the one whose rules are known.
        FormatError: Transformers cannot say it.
    """
    private.require()
    try:
        with silence():
            return _layout(model)
    except VerifyError:
        raise
    except Exception as error:  # what is private promises nothing
        raise _refused(model, error) from error


def implementation(model: Any, stored: Mapping[str, Shape], flat: Collection[str] = ()) -> Loaded:
    """What `from_pretrained` would make of stored tensors.

    Args:
        model: A `PreTrainedModel`, on the meta device or not.
        stored: Shape of each stored tensor by its name, unpacked where it is quantised.
        flat: Those of which only the number of elements is known; they get the axes that `layout` gives them, where
            it gives them as many elements.

    Raises:
        UnavailableError: The installed transformers is not the one whose rules are known.
        FormatError: The names are such that no checkpoint of a model has them, or transformers cannot say it.
    """
    version = private.require()
    try:
        with silence():
            return _loaded(model, stored, flat, version)
    except VerifyError:
        raise
    except Exception as error:  # what is private promises nothing
        raise _refused(model, error) from error


def _loaded(model: Any, stored: Mapping[str, Shape], flat: Collection[str], version: str) -> Loaded:
    from transformers.core_model_loading import dot_natural_key

    written = _layout(model) if flat else {}
    known = {name: written[name] for name in flat if prod(written.get(name, (-1,))) == prod(stored[name])}
    shapes = {**stored, **known}
    state = _shapes(model.state_dict())
    rules = private.loading(model)
    placed = list(_targets(in_order(shapes, dot_natural_key), rules, model.base_model_prefix, state))
    groups = collect((each for each in placed if each[1] in state), rules.converters)
    routes, failed, shadowed = _used(groups, Conversion(model, state), shapes, state)
    made = {name: shape for route in routes for name, shape in route.made.items()}
    missing = set(state) - set(made)
    ties = tuple(_tie(model.all_tied_weights_keys or {}, missing))
    absent, ignored = _finder(model._keys_to_ignore_on_load_missing), _finder(_ignored(model))  # noqa: SLF001
    left = (Unused(name, target, ignored(target)) for name, target, _ in placed if target not in state)
    return Loaded(
        where=f"transformers {version}, {type(model).__name__}",
        state=state,
        copies=_copies(model, state),
        routes=tuple(routes),
        unused=(*left, *shadowed),
        failed=tuple(failed),
        mismatched={name: (shape, state[name]) for name, shape in made.items() if shape != state[name]},
        missing=tuple(name for name in state if name in missing),
        optional=frozenset(name for name in missing if absent(name)),
        ties=ties,
    )


def _layout(model: Any) -> dict[str, Shape]:
    from transformers.core_model_loading import dot_natural_key
    from transformers.modeling_utils import remove_tied_weights_from_state_dict

    tensors = dict(model.state_dict())
    for name in model._keys_to_ignore_on_save or ():  # noqa: SLF001 - as save_pretrained does
        tensors.pop(name, None)
    state = _shapes(remove_tied_weights_from_state_dict(tensors, model))
    rules = private.saving(model)
    names = in_order(state, dot_natural_key)
    taken, renamed = (rename_all(names, rule, rules.numbers) for rule in (rules.convert, rules.rename))
    placed = ((name, *(taken[name] if taken[name][1] else renamed[name])) for name in names)
    conversion = Conversion(model, state)
    written: dict[str, Shape] = {}
    converted: dict[str, Shape] = {}
    for first, group in collect(placed, rules.converters).items():
        made = conversion.made(first, group, state)
        # What a converter makes is renamed after it, as its patterns are of names before that.
        (converted if group.converter else written).update(made)
    again = rename_all(tuple(converted), rules.rename, rules.numbers)
    return written | {again[name][0]: shape for name, shape in converted.items()}


def _used(
    groups: Mapping[str, Group], conversion: Conversion, shapes: Mapping[str, Shape], state: Mapping[str, Shape]
) -> tuple[list[Route], list[Failure], list[Unused]]:
    """What becomes of the stored tensors that the module has a place for."""
    routes, failed, shadowed = [], [], []
    for first, group in groups.items():
        names = group.names
        if group.converter is None:
            shadowed += [Unused(name, first, instead=names[0]) for name in names[1:]]
            names = names[:1]
        try:
            made = conversion.made(first, group, shapes)
        except Exception as error:  # noqa: BLE001 - transformers catches all, too, and goes on
            failed.append(Failure(names, first, _reason(error)))
            continue
        if strange := [name for name in made if name not in state]:
            failed.append(Failure(names, first, f"the class has no {strange[0]}"))
        else:
            routes.append(Route(names, made, group.operations))
    return routes, failed, shadowed


def _targets(
    names: Sequence[str], rules: private.Rules, prefix: str, state: Mapping[str, Shape]
) -> Iterator[tuple[str, str, str | None]]:
    """Each stored name with the name of its parameter and the source pattern that takes it."""
    renamed = rename_all(names, lambda name: rules.convert(rules.rename(name)[0]), rules.numbers)
    for name in names:
        plain, pattern = renamed[name]
        target = _prefixed(plain, prefix, state)
        if target not in state and name in state:
            target, pattern = _prefixed(name, prefix, state), None
        yield name, target, pattern


def _prefixed(name: str, prefix: str, state: Mapping[str, Shape]) -> str:
    """The name less the prefix of the bare model, or with it, where the module has that (`rename_source_key`)."""
    rest = name[len(prefix) + 1 :]
    if name.startswith(prefix) and rest in state and name[len(prefix)] != "\n":
        return rest
    return f"{prefix}.{name}" if f"{prefix}.{name}" in state else name


def _tie(tied: Mapping[str, str], missing: set[str]) -> Iterator[Tie]:
    """Tie parameters, and take those that get a value by it out of `missing` (`tie_weights`)."""
    pairs = list(tied.items())
    for place, (target, source) in enumerate(pairs):
        parameter, other = target, source
        if target not in missing and source not in missing:
            yield Tie(target, source, both=True)
            continue
        if target not in missing:
            parameter, other = source, target
        elif source in missing:
            other = next((name for name, of in pairs[place + 1 :] if of == source and name not in missing), "")
        if other:
            missing.discard(parameter)
            yield Tie(parameter, other)


def _ignored(model: Any) -> list[str]:
    """Patterns of stored names that the class ignores (`_adjust_missing_and_unexpected_keys`)."""
    buffers = [name for name, _ in model.named_buffers()]
    patterns = sorted(model._keys_to_ignore_on_load_unexpected or ())  # noqa: SLF001
    if any(name.endswith("rotary_emb.inv_freq") for name in buffers):
        patterns.append(r"rotary_emb\.inv_freq")
    if any(name.endswith("position_ids") for name in buffers):
        patterns.append(r"(^|\.)position_ids$")
    return patterns


def _finder(patterns: Iterable[str] | None) -> Callable[[str], str]:
    """The first of the patterns that is found in a name; "" where none is."""
    compiled = [(pattern, re.compile(pattern)) for pattern in patterns or ()]
    return lambda name: next((pattern for pattern, found in compiled if found.search(name)), "")


def _copies(model: Any, state: Mapping[str, Shape]) -> frozenset[str]:
    """Names in the module under which there is a tensor that has another name too."""
    tied = model.all_tied_weights_keys or {}
    seen: dict[int, str] = {}
    # Those that are declared as copies come last, so that the first of each tensor is the original.
    for name in sorted(state, key=lambda name: name in tied):
        seen.setdefault(id(model.get_parameter_or_buffer(name)), name)
    return frozenset(state) - frozenset(seen.values())


def _shapes(tensors: Mapping[str, Any]) -> dict[str, Shape]:
    """Shapes of what is a tensor; the extra state of a module may be anything."""
    return {name: tuple(each.shape) for name, each in tensors.items() if hasattr(each, "shape")}


def _refused(model: Any, error: Exception) -> FormatError:
    return FormatError(f"transformers cannot say how {type(model).__name__} is stored: {_reason(error)}")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."
