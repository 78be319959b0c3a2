"""What the file of an adapter holds, as terms.

Source: peft 0.21.2 `peft/utils/save_and_load.py`, `get_peft_model_state_dict`, and what it calls.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from verify.adapters import naming
from verify.adapters.kinds import Kind
from verify.adapters.modules import (
    Module,
    Place,
    by_slot,
    entries,
    is_turned,
    modules,
    named,
    parts,
    places,
    present,
    stored,
)
from verify.adapters.targets import EMBEDDINGS, Targets
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Extra, Formula, Layers, Term
from verify.names import Entry, NameTable
from verify.roles import Cause, Fused, Role, Slot
from verify.symbols import Size

_BIAS = ".bias"


class Wanted(msgspec.Struct, frozen=True):
    """What an adapter is made of.

    Attributes:
        kind: Its kind.
        config: The adapter_config.json.
        values: The same, parsed.
        targets: What it is put on.
        base: The formula of the base model.
        names: The name table of the base model's family.
        rank: The usual rank; 1 where the kind has none.
    """

    kind: Kind
    config: Config
    values: Mapping[str, object]
    targets: Targets
    base: Formula
    names: NameTable
    rank: Size = ONE


class Adapted(msgspec.Struct, frozen=True):
    """A module that has an adapter, in the layers where it has one of the same rank."""

    module: Module
    rank: Size
    layers: Layers | None
    copies: Size


def formula(wanted: Wanted) -> tuple[Formula, Mapping[str, Slot]]:
    """What the file holds, and the modules whose parameters have an adapter, by their names as stored.

    Raises:
        ConfigError: Nothing is adapted, or something that no formula describes.
    """
    found = tuple(each for module in modules(wanted.base, wanted.names) for each in _adapted(wanted, module))
    stacked = tuple(_stacked(wanted))
    if not found and not stacked:
        raise ConfigError(
            f"the adapter targets {_shown(wanted)}, and {wanted.base.name} has no such module",
            expected=f"modules such as {', '.join(_examples(wanted))}",
            hint="check the base model, and give it with --base where it is another",
        )
    terms = (
        *(term for each in (*found, *stacked) for term in _terms(wanted, each)),
        *_saved(wanted),
        *_biases(wanted, found),
        *_embeddings(wanted, found),
        *_tokens(wanted),
    )
    whole = Formula(
        f"{wanted.kind.name} on {wanted.base.name}", wanted.kind.source, terms, tuple(_extras(wanted, terms))
    )
    return whole, _nested(stacked)


def _adapted(wanted: Wanted, module: Module) -> Iterator[Adapted]:
    """A module with an adapter, once for each rank; PEFT has none for norms and for stacks of experts."""
    if module.matrix:
        yield from _by_rank(wanted, module, [each for each in module.places() if wanted.targets.has(module, each)])


def _by_rank(wanted: Wanted, module: Module, chosen: Iterable[Place]) -> Iterator[Adapted]:
    ranks: dict[int | None, Counter[int | None]] = {}
    for place in chosen:
        ranks.setdefault(wanted.targets.rank(place), Counter())[place.layer] += 1
    if ranks and not (module.linear or module.table):
        raise ConfigError(f"an adapter on {module.slot} has no formula", expected="linear layers or embeddings")
    for rank, counts in ranks.items():
        if set(counts.values()) != {module.copies.value}:
            raise ConfigError(f"an adapter on some of the experts, {module.slot}, has no formula", expected="all")
        size = wanted.rank if rank is None else Size.of(rank)
        yield Adapted(module, size, _layers(module.layers, counts), module.copies)


def _layers(layers: Layers | None, chosen: Iterable[int | None]) -> Layers | None:
    """Those of the layers that are chosen."""
    if layers is None:
        return None
    indices = sorted(index for index in chosen if index is not None)
    return layers if tuple(indices) == layers.indices else Layers.some(indices, f"i in {_ranges(indices)}")


def _terms(wanted: Wanted, each: Adapted) -> Iterator[Term]:
    for part, axes in wanted.kind.parts(each.module, each.rank, wanted.config).items():
        yield Term(naming.within(each.module.slot, part), axes, each.layers, each.copies)


def _stacked(wanted: Wanted) -> Iterator[Adapted]:
    """Parameters that have an adapter: the experts of a layer that are one tensor, and routers.

    Of `experts : E x out x in` the matrices are `A : (r E) x in` and `B : out x (r E)` (peft 0.21.2
    `peft/tuners/lora/layer.py`, `ParamWrapper`).

    Raises:
        ConfigError: Another parameter is targeted.
    """
    if not wanted.targets.parameters:
        return
    terms = by_slot(wanted.base)
    templates: dict[Entry, list[str]] = {}
    for template, entry in entries(wanted.names).items():
        if terms.keys() >= set(parts(entry)):
            templates.setdefault(entry, []).extend(named(template, wanted.names))
    for entry, names in templates.items():
        side = [terms[slot][0] for slot in parts(entry)]
        module = _parameter(tuple(names), side, entry, turned=is_turned(side[0], terms))
        chosen = [each for each in module.places() if wanted.targets.parameters.any(each.names)]
        for each in _by_rank(wanted, module, chosen):
            yield replace(each, rank=each.rank * side[0].copies) if isinstance(entry, Fused) else each


def _parameter(templates: tuple[str, ...], side: list[Term], entry: Entry, *, turned: bool) -> Module:
    """A parameter as if it were a module; linear where it is known which of its axes is summed over."""
    first = side[0]
    fused = isinstance(entry, Fused) and entry.stacked and entry.axis == 0 and not entry.turned
    known = (fused or first.slot.role is Role.ROUTER) and all(len(term.axes) == 2 for term in side)  # noqa: PLR2004
    out, into = (first.axes[-1], first.axes[0]) if turned else (first.axes[0], first.axes[-1])
    out = sum((term.axes[0] for term in side[1:]), out)
    return Module(templates, parts(entry), into, out, table=False, linear=known, layers=first.layers)


def _nested(stacked: Iterable[Adapted]) -> dict[str, Slot]:
    """The names under which parameters have their adapters, and what they compute.

    Each parameter of a module wraps those before it, so that the name of an earlier one has `base_layer.` for each
    that follows.
    """
    inside: dict[str, dict[Slot, None]] = {}
    for each in stacked:
        for template in each.module.templates:
            inside.setdefault(template.rpartition(".")[0], {})[each.module.slot] = None
    return {
        parent + ".base_layer" * (len(slots) - 1 - place): slot
        for parent, slots in inside.items()
        for place, slot in enumerate(slots)
    }


def _saved(wanted: Wanted) -> Iterator[Term]:
    """What `modules_to_save` names, whole."""
    for term, templates in stored(wanted.base, wanted.names):
        chosen = [each.layer for each in _each(term, templates) if any(map(wanted.targets.saves, each.names))]
        if chosen:
            yield replace(term, layers=_layers(term.layers, dict.fromkeys(chosen)))


def _each(term: Term, templates: tuple[str, ...]) -> Iterator[Place]:
    """The places of a tensor; of the experts of a layer, the first."""
    return places(templates, term.layers, ONE) if templates else iter(())


def _biases(wanted: Wanted, found: Iterable[Adapted]) -> Iterator[Term]:
    """What `bias` asks for.

    Raises:
        ConfigError: It asks for something else than PEFT knows.
    """
    asked = wanted.config.text("bias", default="none") if wanted.kind.name == "LoRA" else "none"
    biases = [(term, names) for term, names in stored(wanted.base, wanted.names) if names and names[0].endswith(_BIAS)]
    if asked == "all":
        saved = {term.slot: term for term in _saved(wanted)}
        for term, _ in biases:
            if term.slot not in saved:
                yield term
            else:
                yield from (replace(term, slot=naming.within(term.slot, each)) for each in naming.COPIES)
    elif asked == "lora_only":
        for each in found:
            owned = {f"{slot.part}{_BIAS}" for slot in each.module.slots}
            for term, _ in biases:
                if term.slot.part in owned and (term.slot.role, term.slot.stack) == (
                    each.module.slot.role,
                    each.module.slot.stack,
                ):
                    yield replace(term, layers=each.layers)
    elif asked != "none":
        raise ConfigError(f"adapter_config.json: bias is {asked!r}", expected="none, all or lora_only")


def _embeddings(wanted: Wanted, found: Iterable[Adapted]) -> Iterator[Term]:
    """The weights of the embedding and of the output layer, which PEFT saves where it targets them by name."""
    if not _targets_embeddings(wanted) or wanted.values.get("trainable_token_indices") is not None:
        return
    own = {each.module.slot for each in found}
    for term in present(wanted.base):
        part = term.slot.part.removesuffix(_BIAS)
        if _is_embedding(wanted, term.slot) and replace(term.slot, part=part) in own:
            yield term


def _targets_embeddings(wanted: Wanted) -> bool:
    targeted = wanted.targets.modules
    if not targeted.pattern:
        return bool(targeted.ends & set(EMBEDDINGS))
    named_so = (each for module in modules(wanted.base, wanted.names) for each in module.places())
    ends = tuple(name for each in named_so for name in each.names if name.rpartition(".")[2] in EMBEDDINGS)
    return not wanted.targets.all_linear and targeted.any(ends)


def _extras(wanted: Wanted, terms: tuple[Term, ...]) -> Iterator[Extra]:
    """What adapter_config.json does not tell."""
    held = {term.slot for term in terms}
    note = "saved with the adapter, as save_embedding_layers asks for; the base model has it too"
    for term in present(wanted.base):
        if _is_embedding(wanted, term.slot) and not term.slot.part.endswith(_BIAS) and term.slot not in held:
            yield Extra(Cause.BASE_STORED, (term,), note)
    experts = tuple(term for term in terms if term.copies != ONE)
    if experts:
        note = "transformers 5 holds the experts of a layer in one tensor, which target_modules does not reach"
        yield Extra(Cause.EXPERTS_PLAIN, experts, note, absent=True)


def _is_embedding(wanted: Wanted, slot: Slot) -> bool:
    """Whether it is the model's input embedding, or its output layer or the bias of that."""
    tables = [term.slot for term in present(wanted.base) if term.slot.part == "tokens"]
    first = min(tables, key=lambda table: bool(table.stack), default=None)
    return slot == first or str(slot).removesuffix(_BIAS) == "head.lm_head"


def _tokens(wanted: Wanted) -> Iterator[Term]:
    """The rows of embeddings that `trainable_token_indices` names: `tokens x width`.

    Raises:
        ConfigError: It holds something else than lists of indices.
    """
    asked = wanted.values.get("trainable_token_indices")
    wanted.config.set_aside("trainable_token_indices")
    if asked is None:
        return
    lists: Mapping[str, object] = asked if isinstance(asked, dict) else {"": asked}
    for name, indices in lists.items():
        if not isinstance(indices, list):
            raise ConfigError("adapter_config.json: trainable_token_indices", expected="lists of indices")
        count = Size.symbol("len(trainable_token_indices)", len(indices))
        for module in modules(wanted.base, wanted.names):
            by_name = name and any(template.endswith(name) for template in module.templates)
            if by_name or (not name and module.table and _is_embedding(wanted, module.slot)):
                width = module.out if module.table else module.into
                yield Term(naming.within(module.slot, naming.TOKENS), (count, width))


def _shown(wanted: Wanted) -> str:
    targeted = wanted.targets.modules
    names = targeted.pattern or ", ".join(sorted(targeted.ends)[:4])
    return repr(names if len(names) <= 80 else f"{names[:77]}...")  # noqa: PLR2004 - characters of a line


def _examples(wanted: Wanted) -> tuple[str, ...]:
    linear = (each for each in modules(wanted.base, wanted.names) if each.linear and each.slot.role is Role.ATTENTION)
    return tuple(dict.fromkeys(each.templates[0].rpartition(".")[2] for each in linear))[:4]


def _ranges(indices: list[int]) -> str:
    """`0-3, 5` for 0, 1, 2, 3, 5."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
