"""What Qwen2-VL and Qwen2.5-VL share: the text model, and a tower without positions that merges its patches.

Legend: `width` is that of the tower, `patch` and `frames` the edges of a patch in space and time, `merge` the edge of
the square of patches that become one token, `hidden` the width of the text model. In the stack `vision`, outside the
layers: `embedding.patches : width x channels x frames x patch x patch`, `norm.merger : width`, `other.merger_up :
(merge^2 width) x (merge^2 width)`, `other.merger_down : hidden x (merge^2 width)`, the last two with a bias. Per
layer: `attention.qkv : (3 width) x width`, `attention.o : width x width` with biases, `norm.input`,
`norm.post_attention : width`. The feed-forward layers and the biases of the norms are the families' own.
"""

from collections.abc import Mapping

from verify.architectures._blocks import linear, norm
from verify.architectures._composite import VISION, TextModel, compose, names, text_model, vision_size
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

_VISION_NAMES = {
    "visual.patch_embed.proj": "embedding.patches",
    "visual.blocks.{}.norm1": "norm.input",
    "visual.blocks.{}.norm2": "norm.post_attention",
    "visual.blocks.{}.attn.qkv": "attention.qkv",
    "visual.blocks.{}.attn.proj": "attention.o",
    "visual.merger.ln_q": "norm.merger",
    "visual.merger.mlp.0": "other.merger_up",
    "visual.merger.mlp.2": "other.merger_down",
}

_DEFAULT = "the default of the class's vision config"

#: What the outer config repeats of the text model when it has a section for it as well, which is what counts.
_REPEATED = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("vocab_size", "layer_types", "head_dim"),
)


def vision_names(feed_forward: Mapping[str, str]) -> NameTable:
    """The tensor names with these modules of the tower's feed-forward layers.

    Files have the text model behind `model.` and the tower behind `visual.`; the class has `language_model.` and
    `visual.`, both behind `model.` under a head.
    """
    return names(("qwen2",), modules({**_VISION_NAMES, **feed_forward}, stack=VISION), before=("", "language_model."))


def text_part(config: Config) -> TextModel:
    """The text model, a Qwen2, described by `text_config` or, in older files, by the config itself."""
    # Its heads are as wide as the model together, whatever `head_dim` says.
    if "text_config" not in config:
        return text_model(config, "qwen2", ignored=("head_dim",))
    config.set_aside(*_REPEATED)
    return text_model(config.section("text_config"), "qwen2", ignored=("head_dim",))


def tied(config: Config, text: TextModel) -> bool:
    """Whether the output layer is the embedding: as the config says, or its section."""
    return config.flag("tie_word_embeddings", default=False) or text.tied


def tower(config: Config, width: Size, layers: Layers, out: int, text: TextModel, *, bias: bool) -> tuple[Term, ...]:
    """The tower without its feed-forward layers.

    Args:
        config: The section `vision_config`.
        width: The width of the tower.
        layers: Its layers.
        out: The width of what it gives to the text model, as the section states it.
        text: The text model.
        bias: Whether its norms have a bias.

    Raises:
        ConfigError: What it gives does not fit the text model.
    """
    if out != text.hidden.value:
        raise ConfigError(
            f"the vision tower gives vectors of {out} and the text model has hidden_size {text.hidden.value}",
            expected="one size",
            hint="correct vision_config or the text model in config.json",
        )
    patch = vision_size(config, "patch_size", 14, _DEFAULT)
    axes = (
        width,
        vision_size(config, "in_channels", 3, _DEFAULT),
        vision_size(config, "temporal_patch_size", 2, _DEFAULT),
        patch,
        patch,
    )
    merge = vision_size(config, "spatial_merge_size", 2, _DEFAULT)
    merged = merge * merge * width
    # `in_chans` and `spatial_patch_size` stand in published files, and no class reads them.
    config.set_aside("in_chans", "spatial_patch_size")
    return (
        Term(slot("embedding.patches", stack=VISION), axes),
        *linear("attention.qkv", 3 * width, width, layers, bias=True, stack=VISION),
        *linear("attention.o", width, width, layers, bias=True, stack=VISION),
        *norm("input", width, layers, bias=bias, stack=VISION),
        *norm("post_attention", width, layers, bias=bias, stack=VISION),
        *norm("merger", width, bias=bias, stack=VISION),
        *linear("other.merger_up", merged, merged, bias=True, stack=VISION),
        *linear("other.merger_down", text.hidden, merged, bias=True, stack=VISION),
    )


def whole(name: str, source: str, config: Config, text: TextModel, vision: tuple[Term, ...]) -> Formula:
    """The formula of text model and tower together.

    Raises:
        ConfigError: The class has a head that no formula knows.
    """
    return compose(name, source, config, text=text, others=vision, tied=tied(config, text))
