"""What LLaVA and its kin share: a text model and a vision tower of other families, and a projector of two layers.

Legend: `hidden` is the width of the text model, `vision` that of the tower, `depths` the number of layers of the tower
that the projector sees side by side. `other.projector_1 : hidden x (depths vision)`, `other.projector_2 : hidden x
hidden`, both with or without a bias. The tower is in the stack `vision`.
"""

from collections.abc import Mapping

from verify.architectures import _clip, _pixtral, _siglip
from verify.architectures._blocks import linear
from verify.architectures._composite import VISION, TextModel, names, text_model
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Term
from verify.names import Entry, NameTable, modules
from verify.symbols import Size

_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
          "num_key_value_heads", "head_dim")  # fmt: skip

#: The `model_type`s that a text model may be of: the family, and the sizes that its section leaves out when they are
#: those of the class (`configuration_*.py` of each in transformers). A Llama has as many heads of keys as of queries.
_TEXTS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "llama": ("llama", (32000, 4096, 11008, 32, 32)),
    "mistral": ("mistral", (32000, 4096, 14336, 32, 32, 8)),
    "ministral3": ("mistral", (131072, 4096, 14336, 34, 32, 8, 128)),
    "qwen2": ("qwen2", (151936, 4096, 22016, 32, 32, 32)),
    "qwen3": ("qwen3", (151936, 4096, 22016, 32, 32, 32)),
    "gemma": ("gemma", (256000, 3072, 24576, 28, 16, 16)),
    "gemma2": ("gemma2", (256000, 2304, 9216, 26, 8, 4)),
}

_TOWERS = ("clip_vision_model", "siglip_vision_model", "pixtral")

#: `vision_feature_layer` counts layers from the end, and no tower has as many.
_MOST_LAYERS = 10_000


def composite_names(others: Mapping[str, Entry]) -> NameTable:
    """The tensor names with these of what is neither tower nor text model.

    transformers 5 has `language_model.` and `vision_tower.` inside the bare model; files of every version have
    `language_model.model.`, and those of older ones `vision_tower.vision_model.`.
    """
    # CLIP's class has no `vision_model` of its own any more.
    towers = {
        name: entry
        for start in ("vision_tower.", "vision_tower.vision_model.")
        for name, entry in {
            **_clip.vision_names(start, VISION),
            **_siglip.tower_names(start, VISION),
            **_pixtral.tower_names(start, VISION),
        }.items()
    }
    projector = modules(
        {
            "multi_modal_projector.linear_1": "other.projector_1",
            "multi_modal_projector.linear_2": "other.projector_2",
        }
    )
    families = dict.fromkeys(family for family, _ in _TEXTS.values())
    return names(families, {**towers, **projector, **others}, before=("language_model.", "language_model.model."))


def text_part(config: Config, default: str) -> TextModel:
    """The text model, of the family that its section names, else of the default one.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    section = config.section("text_config")
    kind = section.text("model_type", default=default)
    if kind not in _TEXTS:
        raise ConfigError(
            f"text_config.model_type is {kind!r}",
            expected=f"one of {', '.join(_TEXTS)}",
            hint="no formula joins another text model to this one",
        )
    family, sizes = _TEXTS[kind]
    return text_model(section, family, defaults=dict(zip(_SIZES, sizes, strict=False)))


def tower(config: Config, default: str) -> tuple[tuple[Term, ...], tuple[Extra, ...], Size]:
    """The vision tower of the family that its section names, else of the default one: terms, extras, width.

    Raises:
        ConfigError: A field is impossible or does not fit the others.
    """
    section = config.section("vision_config")
    family = section.text("model_type", default=default)
    # Left from configs that described CLIP's two towers at once.
    section.set_aside("projection_dim", "vocab_size")
    if family == "clip_vision_model":
        terms, numbers = _clip.vision_tower(section, _clip.VISION_DEFAULTS, VISION)
        return terms, (numbers,), _clip.tower_size(section, "hidden_size", _clip.VISION_DEFAULTS, VISION)
    if family == "siglip_vision_model":
        return _siglip.tower(section, VISION), (), _clip.tower_size(section, "hidden_size", _siglip.DEFAULTS, VISION)
    if family == "pixtral":
        return _pixtral.tower(section, VISION), (), _clip.tower_size(section, "hidden_size", _pixtral.DEFAULTS, VISION)
    raise ConfigError(
        f"vision_config.model_type is {family!r}",
        expected=f"one of {', '.join(_TOWERS)}",
        hint="no formula joins another vision tower to this one",
    )


def projector(config: Config, hidden: Size, width: Size, *, bias_by_default: bool) -> tuple[Term, ...]:
    """The two layers between tower and text model.

    Args:
        config: The whole config.
        hidden: The width of the text model.
        width: The width of the tower.
        bias_by_default: Whether they have a bias when the config does not say.
    """
    bias = config.flag("multimodal_projector_bias", default=bias_by_default)
    config.set_aside("projector_hidden_act", "image_seq_length", "vision_feature_select_strategy")
    return (
        *linear("other.projector_1", hidden, width * _depths(config), bias=bias),
        *linear("other.projector_2", hidden, hidden, bias=bias),
    )


def _depths(config: Config) -> Size:
    """How many layers of the tower the projector sees: `vision_feature_layer` is one of them, or a list."""
    key = "vision_feature_layer"
    try:
        layers = config.items(key, default=(-1,))
    except ConfigError:
        config.integer(key, minimum=-_MOST_LAYERS)
        return Size.of(1)
    if not layers:
        raise ConfigError(f"{key} is an empty list", expected="at least one layer", hint="correct config.json")
    return Size.of(1) if len(layers) == 1 else Size.symbol(f"len({key})", len(layers))
