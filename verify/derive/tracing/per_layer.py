"""Settings of single layers (`per_layer_config`) as lists with an entry for each layer: `per_layer_head_dim[i]`.

A class may give some of its layers other values than the rest, as Gemma 4 does for the head width of full attention.
transformers keeps them apart from the fields, as differences from these; here each such field becomes a list of its
own, so that its entries are values like all others, and `per_layer_config` is the names of these fields in one string.

Source: `transformers/integrations/heterogeneity/configuration_utils.py`, 5.23: `_HeterogeneitySpec` and
`_get_explicit_per_layer_overrides`, both private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Which fields have lists: their names, joined by commas; "" where a class could have some and has none.
FIELDS = "per_layer_config"
#: What the name of a list begins with.
PREFIX = "per_layer_"
#: Where transformers keeps the differences.
_SPEC = "_heterogeneity_spec"


class _Layers(dict[int, "dict[str, Any]"]):
    """The settings of each layer; a symbolic index gives entries at that index."""

    def get(self, layer: Any, default: Any = None) -> Any:
        """The settings of a layer."""
        found = dict.get(self, layer, default)
        if type(layer) is int or not found:
            return found
        return {name: _entry(value, layer) for name, value in found.items()}


def _entry(value: Any, layer: Any) -> Any:
    """A symbolic value of a layer, `per_layer_head_dim[3]`, as that of a symbolic one: `per_layer_head_dim[i]`."""
    from verify.derive.tracing.recorder import Recorder
    from verify.derive.tracing.symbols import expression, is_symbolic, plain

    if Recorder.current is None or not is_symbolic(value) or not is_symbolic(layer):
        return value
    path = str(value.expr).rpartition("[")[0]
    return type(value)(plain(value), Recorder.current.entry(path, expression(layer), value.expr))


def taken_apart(config: Any) -> dict[str, Any]:
    """The lists of a configuration object, and `per_layer_config`; nothing where its class knows no such settings.

    Raises:
        ConfigError: A layer leaves parts out, or has a setting that is no plain value.
    """
    if vars(config).get(_SPEC) is None:
        return {}
    from transformers.integrations.heterogeneity import configuration_utils

    layers = vars(configuration_utils)["_get_explicit_per_layer_overrides"](config)
    names = sorted({name for settings in layers.values() for name in settings})
    for settings in layers.values():
        for name, value in settings.items():
            if name == "skip" or not (value is None or isinstance(value, bool | int | float | str)):
                raise ConfigError(
                    f"per_layer_config sets {name} of a layer to {value!r}"[:200],
                    expected="numbers, words and switches",
                    hint="no formula is derived for layers that differ so",
                )
    number = config.num_hidden_layers
    lists = {f"{PREFIX}{name}": [layers[at][name] for at in range(number)] for name in names}
    return {FIELDS: ",".join(names)} | lists


def put_together(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that a class takes for what `taken_apart` gave, in place of these.

    Args:
        values: The keywords of one configuration.
    """
    if FIELDS not in values or not isinstance(values[FIELDS], str):
        return dict(values)
    names = [name for name in values[FIELDS].split(",") if name]
    layers: dict[int, dict[str, Any]] = {}
    for name in names:
        for at, value in enumerate(list.__iter__(values[f"{PREFIX}{name}"])):
            layers.setdefault(at, {})[name] = value
    dropped = {f"{PREFIX}{name}" for name in names}
    return {name: value for name, value in values.items() if name not in dropped} | {FIELDS: layers}


def keep(config: Any, layers: Mapping[int, dict[str, Any]] | None) -> None:
    """Let every layer of a configuration object have its own values, also where they are those of the whole.

    transformers drops a setting that equals that of the whole, and then its symbol would be that of another value.
    """
    if layers is not None:
        vars(config)[_SPEC].per_layer_overrides = _Layers({at: dict(settings) for at, settings in layers.items()})


def switches(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a formula of these flat values is for: which fields differ by layer, and words and switches among them."""
    found = {path: names for path, names in values.items() if _is_fields(path, names)}
    lists = {path: values[path] for path in unknown(values) if path in values}
    return found | {path: items for path, items in lists.items() if not all(map(_is_size, items))}


def unknown(values: Mapping[str, Any]) -> dict[str, None]:
    """The lists that flat values have: config.json states none of them, and only the class knows what they are."""
    return {
        f"{path.removesuffix(FIELDS)}{PREFIX}{name}": None
        for path, names in values.items()
        if _is_fields(path, names)
        for name in names.split(",")
        if name
    }


def _is_fields(path: str, value: Any) -> bool:
    return path.rpartition(".")[2] == FIELDS and isinstance(value, str)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
