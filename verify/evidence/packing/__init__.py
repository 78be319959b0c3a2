"""Quantised checkpoints: the only place that tells logical tensors from packed ones and bookkeeping.

The scheme and its settings are read from `quantization_config` (or MLX's `quantization`); nothing else of the
config is looked at. One file here is one scheme, and has three names:

* `SOURCE`: where its layout is documented.
* `METHODS`: the names that `quant_method` gives it.
* `layout(section)`: its `Layout` with the settings of one checkpoint.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from verify.errors import FormatError
from verify.evidence.packing._read import KEY
from verify.evidence.packing._unpacked import Lot, Unpacked
from verify.templates import gather as gather_alike
from verify.tensor import Tensor

if TYPE_CHECKING:
    from verify.evidence.packing._weight import Layout

__all__ = ["Lot", "Scheme", "Unpacked", "methods", "owners", "scheme", "unpack"]

#: How a checkpoint is quantised, or "" where it is not.
Scheme: TypeAlias = "Layout | Literal['']"


class _Module(Protocol):
    SOURCE: str
    METHODS: tuple[str, ...]

    def layout(self, section: Mapping[str, object], /) -> "Layout": ...


def scheme(config: Mapping[str, object]) -> Scheme:
    """How a checkpoint is quantised.

    Raises:
        FormatError: The scheme is not known, so that its tensors cannot be counted, or its settings are impossible.
    """
    section = _section(config)
    if section is None:
        return ""
    method = _method(section, config)
    if not isinstance(method, str) or method not in methods():
        raise FormatError(
            f"{KEY}.quant_method is {method!r}",
            expected=", ".join(sorted(methods())),
            hint="this scheme cannot be unpacked",
        )
    return methods()[method].layout(section)


def unpack(tensors: Iterable[Tensor], method: Scheme) -> Unpacked:
    """Separate logical tensors from bookkeeping.

    Args:
        tensors: The stored tensors.
        method: How they are quantised, from `scheme`.

    Raises:
        FormatError: The tensors of a weight contradict each other or the config.
    """
    stored = gather_alike(tensors)
    elements = sum(len(alike.tensors) * alike.tensors[0].elements for alike in stored)
    if method:
        from verify.evidence.packing._weight import gather  # most checkpoints are not packed

        return gather(stored, method, elements)
    return Unpacked(tuple(map(Lot.plain, stored)), elements=elements)


def owners(names: Collection[str], method: Scheme) -> dict[str, tuple[str, str]]:
    """What stored tensors stand for, where only their names are known.

    Args:
        names: The names of all stored tensors.
        method: How they are quantised, from `scheme`.

    Returns:
        For each tensor that belongs to a quantised weight, by its name, the name of the weight and the part that it
        is; "" for the part that holds the values. All others are what they are called.
    """
    if not method:
        return {}
    from verify.evidence.packing._weight import find_owners

    found = find_owners(names, method)
    return {name: (owner, "" if part in method.values else part) for name, (owner, part) in found.items()}


@cache
def methods() -> Mapping[str, _Module]:
    """Each name of a scheme with its module."""
    return dict(_methods())


def _methods() -> Iterator[tuple[str, _Module]]:
    from pkgutil import iter_modules

    for found in iter_modules(__path__):
        if not found.name.startswith("_"):
            module = cast("_Module", import_module(f"{__name__}.{found.name}"))
            for method in module.METHODS:
                yield method, module


def _section(config: Mapping[str, object]) -> Mapping[str, object] | None:
    """The block that describes the quantisation, or None.

    Models of several parts may keep it in `text_config` (moonshotai/Kimi-K2.5). MLX calls it `quantization`,
    and writes a copy as `quantization_config` without a `quant_method`.

    Raises:
        FormatError: It is no object.
    """
    text = config.get("text_config")
    places = [(KEY, config), (KEY, text if isinstance(text, Mapping) else {}), ("quantization", config)]
    for key, values in places:
        section = values.get(key)
        if section is not None and section != {}:
            if not isinstance(section, Mapping):
                raise FormatError(f"{key} is {section!r}", expected="an object")
            return section
    return None


def _method(section: Mapping[str, object], config: Mapping[str, object]) -> object:
    """The name of the scheme; what lacks it is told by keys that only one scheme writes."""
    if "quant_method" in section:
        return section["quant_method"]
    if section.get("load_in_4bit") or section.get("load_in_8bit"):
        return "bitsandbytes"
    producer = section.get("producer")
    if isinstance(producer, Mapping) and producer.get("name") == "modelopt":
        return "modelopt"
    return "mlx" if "quantization" in config or {"bits", "group_size"} <= section.keys() else None
