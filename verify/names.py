"""Which stored tensor belongs to which slot, by exact name.

A tensor's name is split on dots; its numbers become `{}` and the result is looked up in a table:
`model.layers.17.mlp.up_proj.weight` is `layers.{}.mlp.up_proj.weight` of layer 17 behind the prefix
`model.`. No pattern is matched and no substring searched: a name that is not in the table is
unclassified, and shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from verify.roles import Fused, Kind, Role, Slot
from verify.templates import OPEN, is_index

Entry: TypeAlias = Slot | Fused


def slot(text: str, *, kind: Kind = Kind.PARAMETER, stack: str = "") -> Slot:
    """Read a slot written `role.part`, such as `attention.q` or `mlp.up.bias`."""
    role, _, part = text.partition(".")
    return Slot(Role(role), part, kind, stack)


def modules(table: Mapping[str, str], *, stack: str = "") -> dict[str, Entry]:
    """Entries for modules with a weight and perhaps a bias: `{"lm_head": "head.lm_head"}`."""
    entries: dict[str, Entry] = {}
    for module, text in table.items():
        entries[f"{module}.weight"] = slot(text, stack=stack)
        entries[f"{module}.bias"] = slot(f"{text}.bias", stack=stack)
    return entries


def buffers(table: Mapping[str, str], *, stack: str = "") -> dict[str, Entry]:
    """Entries for buffers, by full name."""
    return {name: slot(text, kind=Kind.BUFFER, stack=stack) for name, text in table.items()}


class Place(NamedTuple):
    """Where a tensor belongs.

    Attributes:
        entry: Its slot, or the slots it holds.
        layer: The index of its layer, or None outside the layers.
        prefixed: Whether its name carries a prefix, as under a head.
        copy: Which of several in the layer, such as the index of an expert, or None where there is one.
    """

    entry: Entry
    layer: int | None
    prefixed: bool = False
    copy: int | None = None


class Found(NamedTuple):
    """What a template stands for.

    Attributes:
        entry: The slot of the tensors, or the slots they hold.
        open: How many of their indices are open: of layers first, then of experts.
        prefixed: Whether it carries a prefix.
    """

    entry: Entry
    open: int
    prefixed: bool


@dataclass(frozen=True, slots=True)
class NameTable:
    """The tensor names of one family.

    Attributes:
        backbone: Names inside the bare model.
        head: Names outside it.
        prefixes: What stands before the backbone's names under a head, such as `model.`.
        layouts: Other ways in which files lay out tensors of the same names: entries to use instead.
    """

    backbone: Mapping[str, Entry]
    head: Mapping[str, Entry] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    layouts: tuple[Mapping[str, Entry], ...] = ()
    _known: dict[str, Found] = field(default_factory=dict, init=False, repr=False, compare=False)

    def variants(self) -> tuple["NameTable", ...]:
        """The table itself, then one for each other layout."""
        others = (replace(self, backbone={**self.backbone, **entries}, layouts=()) for entries in self.layouts)
        return (self, *others)

    def find(self, name: str) -> Place | None:
        """The place of a tensor, or None when the name is in no table."""
        if OPEN in name:
            return None
        parts = name.split(".")
        numbers = [place for place, part in enumerate(parts) if is_index(part)]
        for template in _templates(parts, numbers):
            found = self.entry(template)
            if found:
                layer = int(parts[numbers[0]]) if found.open else None
                copy = int(parts[numbers[1]]) if found.open > 1 else None
                return Place(found.entry, layer, found.prefixed, copy)
        return None

    def entry(self, template: str) -> Found | None:
        """What a name with `{}` for some of its indices stands for, or None when it is in no table."""
        known = self._known
        if template not in known:
            keys = (key for key in self._without_prefix(template) if key in self.head or key in self.backbone)
            key = next(keys, None)
            # Names that are made up must not fill the memory: only what is in the table is kept.
            if key is None:
                return None
            entry = self.head.get(key) or self.backbone[key]
            known[template] = Found(entry, key.count(OPEN), key != template)
        return known[template]

    def _without_prefix(self, template: str) -> Iterator[str]:
        yield template
        for prefix in self.prefixes:
            if template.startswith(prefix):
                yield template[len(prefix) :]


def _templates(parts: list[str], numbers: list[int]) -> Iterator[str]:
    """The name with all its numbers open, then only the first, then none."""
    open_ = parts.copy()
    for number in numbers:
        open_[number] = OPEN
    yield ".".join(open_)
    if len(numbers) > 1:
        first = numbers[0]
        yield ".".join([*parts[:first], OPEN, *parts[first + 1 :]])
    if numbers:
        yield ".".join(parts)
