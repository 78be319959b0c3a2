"""Configurations as plain nested keywords: taken apart, built again, varied at random.

Keywords of a configuration are what its class takes: `{"hidden_size": 4096, "layer_types": [...], "text_config":
{"__config__": "LlamaConfig", ...}}`. Everything is resolved: a field that is None by default and that the class
fills in (`head_dim`) has the value it got. The path of a value is dotted, with the index of an entry of a list in
brackets: `text_config.layer_types[3]`.

Source of the fields: the dataclass fields of `transformers.PreTrainedConfig` and its subclasses
(`transformers/configuration_utils.py`, 5.23).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.derive.building.defaults import DEFAULTS
from verify.derive.tracing import per_layer
from verify.errors import ConfigError, VerifyError
from verify.evidence.meta import silence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The key of a sub-configuration that names its class.
CLASS = "__config__"

#: Fields of every configuration that say nothing about shapes, run code or choose kernels.
_GENERIC = frozenset(
    {
        "transformers_version", "architectures", "output_hidden_states", "output_attentions", "return_dict", "dtype",
        "torch_dtype", "chunk_size_feed_forward", "id2label", "label2id", "problem_type", "use_cache", "auto_map",
        "quantization_config", "attn_implementation", "experts_implementation", "name_or_path", "model_type",
        "per_layer_config", "use_kernels", "use_backbone", "use_timm_backbone",
    }
)  # fmt: skip

Keywords = dict[str, Any]


def keywords(config_class: Any, config: Any = None) -> Keywords:
    """Take a configuration apart into the keywords that build it again.

    Args:
        config_class: A configuration class of transformers.
        config: An object of that class, or a parsed config.json; None takes the defaults of the class.

    Raises:
        ConfigError: The class rejects the config, or has no defaults.
    """
    if config is None:
        config = DEFAULTS.get(config_class.model_type, {})
    if isinstance(config, dict):
        plain = _without(config)
        return _with_labels(_made(config_class, plain), plain)
    return _with_labels(config, {})


def build(config_class: Any, values: Mapping[str, Any]) -> Any:
    """The configuration object of some keywords.

    Values are passed on as they are, so symbolic ones stay symbolic.

    Raises:
        ConfigError: The class rejects them.
    """
    try:
        return _built(config_class, values)
    except VerifyError:
        raise
    except Exception as error:  # each class raises what it likes
        raise _rejected(config_class, error) from error


def resolved(config: Any, values: Mapping[str, Any]) -> Keywords:
    """The keywords of a configuration object that was built from some.

    They differ where the class has its own will: Gemma 4 makes its last layer one of full attention.

    Args:
        config: The object.
        values: The keywords that it was built from.
    """
    return _with_labels(config, values)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The plain values of keywords by their paths; a list stands under its own path too, as a tuple.

    A sub-configuration stands under its own path as the name of its class.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            if CLASS in value:
                flat[path] = value[CLASS]
                flat.update(flatten(value, f"{path}."))
        elif isinstance(value, list | tuple):
            flat.update(_entries(value, path))
        elif name != CLASS:
            flat[path] = value
    return flat


def assign(values: Keywords, path: str, value: Any) -> None:
    """Set the value of a path in place.

    Args:
        values: The keywords; what the path passes through must be there.
        path: `hidden_size`, `text_config.depths[2]` or `layer_types` (a whole list).
        value: The new value; a tuple becomes a list.
    """
    *sections, last = path.split(".")
    section = values
    for name in sections:
        section = section[name]
    name, *indices = last.replace("]", "").split("[")
    value = list(value) if isinstance(value, tuple) else value
    if not indices:
        section[name] = value
        return
    section[name] = _replaced(section[name], [int(index) for index in indices], value)


def copied(value: Any) -> Any:
    """A copy of keywords; the values in them are the same objects, so that symbolic ones stay what they are."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    return value


def sections(values: Keywords, prefix: str = "") -> Iterator[tuple[str, Keywords]]:
    """The configuration itself and each of its sub-configurations, with the prefix of its paths."""
    yield prefix, values
    for name, value in values.items():
        if isinstance(value, dict) and CLASS in value:
            yield from sections(value, f"{prefix}{name}.")


def _replaced(items: list[Any] | tuple[Any, ...], indices: list[int], value: Any) -> Any:
    """A list of the same kind with another entry."""
    at, *deeper = indices
    entry = _replaced(items[at], deeper, value) if deeper else value
    return type(items)(entry if place == at else item for place, item in enumerate(items))


def _entries(items: list[Any] | tuple[Any, ...], path: str) -> dict[str, Any]:
    flat: dict[str, Any] = {path: _tuples(items)}
    for index, item in enumerate(items):
        if isinstance(item, list | tuple):
            flat.update(_entries(item, f"{path}[{index}]"))
        else:
            flat[f"{path}[{index}]"] = item
    return flat


def _tuples(items: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_tuples(item) if isinstance(item, list | tuple) else item for item in items)


def _made(config_class: Any, plain: Mapping[str, Any]) -> Any:
    try:
        with silence():
            return config_class.from_dict(dict(plain)) if plain else config_class()
    except Exception as error:  # each class raises what it likes
        raise _rejected(config_class, error) from error


def _without(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config.json, less what would run code or choose kernels."""
    drop = ("auto_map", "quantization_config", "attn_implementation", "_attn_implementation", "experts_implementation")
    return {
        key: _without(value) if isinstance(value, dict) else copied(value)
        for key, value in config.items()
        if key not in drop
    }


def _with_labels(config: Any, given: Mapping[str, Any]) -> Keywords:
    """The keywords of a whole configuration: `num_labels` is no field, but the length of `id2label`."""
    found = _taken_apart(config, given)
    number = getattr(config, "num_labels", None)
    return found if number is None else found | {"num_labels": number}


def _taken_apart(config: Any, given: Mapping[str, Any]) -> Keywords:
    """The keywords of a configuration object.

    Args:
        config: The object.
        given: What a config.json said: its dictionaries (`rope_parameters`) are kept, and what is no field of the
            class; where it says nothing, the class makes its own, which may rest on other fields.
    """
    from transformers import PreTrainedConfig

    found: Keywords = {}
    fields = set(getattr(type(config), "__dataclass_fields__", ())) | set(given)
    aliases = set(getattr(type(config), "attribute_map", None) or ())
    for name, value in vars(config).items():
        if name.startswith("_") or name in _GENERIC or name in aliases:
            continue
        if isinstance(value, PreTrainedConfig):
            inner = given.get(name)
            part = _taken_apart(value, _usual(config, name) | (inner if isinstance(inner, dict) else {}))
            found[name] = {CLASS: type(value).__name__} | part
        elif name in fields and (_plain(value) or (isinstance(value, dict) and name in given)):
            found[name] = copied(value)
    return found | per_layer.taken_apart(config)


def _usual(config: Any, name: str) -> dict[str, Any]:
    """What a composite class gives a part by default, which may be no field of the part's class."""
    specified = getattr(type(config), "sub_configs_defaults", None) or {}
    return dict(specified[name].init_kwargs) if name in specified else {}


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def _built(config_class: Any, values: Mapping[str, Any]) -> Any:
    arguments = {}
    for name, value in per_layer.put_together(values).items():
        if isinstance(value, dict) and CLASS in value:
            arguments[name] = _built(_class(config_class, value[CLASS]), value)
        elif name != CLASS:
            arguments[name] = copied(value)
    config = config_class(**arguments)
    if isinstance(values.get(per_layer.FIELDS), str):
        per_layer.keep(config, arguments[per_layer.FIELDS])
    return config


def _class(parent: Any, name: str) -> Any:
    """The configuration class of that name: beside its parent, or what transformers exports."""
    import importlib

    import transformers

    found = getattr(importlib.import_module(parent.__module__), name, None) or getattr(transformers, name, None)
    if found is None:
        from transformers.models.auto import configuration_auto

        names = vars(configuration_auto)["CONFIG_MAPPING_NAMES"]
        found = next((transformers.CONFIG_MAPPING[key] for key, value in names.items() if value == name), None)
    if found is None:
        raise ConfigError(f"{name} is no configuration class of transformers", expected=f"a part of {parent.__name__}")
    return found


def _rejected(config_class: Any, error: Exception) -> ConfigError:
    return rejected(config_class.__name__, config_class, error)


def rejected(what: str, config_class: Any, error: Exception) -> ConfigError:
    """The error of a class that does not take a configuration: what it says, and the keys that it speaks of."""
    reason = " ".join(str(error).split()) or type(error).__name__
    words = {word.strip("`'\"().,:;=[]") for word in reason.split()}
    spelt = "_".join(reason.lower().split())
    fields = getattr(config_class, "__dataclass_fields__", ())
    keys = [name for name in fields if name in words or ("_" in name and name in spelt)]
    hint = f"set {', '.join(keys)} in config.json" if keys else "correct config.json"
    return ConfigError(f"{what} rejects the configuration: {reason[:300]}", hint=hint)
