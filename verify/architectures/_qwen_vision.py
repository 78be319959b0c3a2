"""The vision tower of Qwen3.5: patches of several frames, learned positions, and a merger of neighbours.

Legend: `hidden` and `inner` are the widths of the tower, `patch` and `frames` the edges of a patch in space and
time, `merge` the edge of the square of patches that become one token, `out` the width of the text model.
Outside the layers: `embedding.patches : hidden x channels x frames x patch x patch`, `position.embedding :
positions x hidden`, `norm.merger : hidden`, `other.merger_up : (merge^2 hidden) x (merge^2 hidden)`,
`other.merger_down : out x (merge^2 hidden)`. Per layer: `attention.qkv : (3 hidden) x hidden`, `attention.o :
hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention :
hidden`. All but the positions have a bias.

Source: Bai et al. 2025, arXiv:2511.21631, section 2; transformers models/qwen3_5/modeling_qwen3_5.py,
`Qwen3_5VisionModel`.
"""

from verify.architectures._blocks import embedding, linear, mlp, norm
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Layers, Term
from verify.names import modules, slot
from verify.symbols import Size

STACK = "vision"

VISION_NAMES = modules(
    {
        "visual.patch_embed.proj": "embedding.patches",
        "visual.pos_embed": "position.embedding",
        "visual.blocks.{}.norm1": "norm.input",
        "visual.blocks.{}.norm2": "norm.post_attention",
        "visual.blocks.{}.attn.qkv": "attention.qkv",
        "visual.blocks.{}.attn.proj": "attention.o",
        "visual.blocks.{}.mlp.linear_fc1": "mlp.up",
        "visual.blocks.{}.mlp.linear_fc2": "mlp.down",
        "visual.merger.norm": "norm.merger",
        "visual.merger.linear_fc1": "other.merger_up",
        "visual.merger.linear_fc2": "other.merger_down",
    },
    stack=STACK,
)

_DEFAULT = "the default of Qwen3_5VisionConfig"


def vision_tower(config: Config, text: Size) -> tuple[Term, ...]:
    """The terms of the tower.

    Args:
        config: The section `vision_config`.
        text: The width of the text model.

    Raises:
        ConfigError: The heads do not divide the width, or the tower's output does not fit the text model.
    """
    hidden = _size(config, "hidden_size", 1152)
    inner = _size(config, "intermediate_size", 4304)
    layers = Layers.every(_size(config, "depth", 27))
    merged = _size(config, "spatial_merge_size", 2)
    merged = merged * merged * hidden
    patch = _size(config, "patch_size", 16)
    axes = (hidden, _size(config, "in_channels", 3), _size(config, "temporal_patch_size", 2), patch, patch)
    heads = config.integer("num_heads", default=16)
    if hidden.value % heads:
        raise ConfigError(
            f"vision_config.num_heads {heads} does not divide vision_config.hidden_size {hidden.value}",
            expected="a divisor",
            hint="correct config.json",
        )
    out = config.integer("out_hidden_size", default=3584)
    if out != text.value:
        raise ConfigError(
            f"vision_config.out_hidden_size is {out} and text_config.hidden_size is {text.value}",
            expected="one value",
            hint="correct config.json",
        )
    # Left from Qwen3-VL, whose tower also feeds deeper layers of the text model.
    config.set_aside("deepstack_visual_indexes")
    return (
        Term(slot("embedding.patches", stack=STACK), axes),
        Term(slot("embedding.patches.bias", stack=STACK), (hidden,)),
        embedding("position.embedding", _size(config, "num_position_embeddings", 2304), hidden, stack=STACK),
        *linear("attention.qkv", 3 * hidden, hidden, layers, bias=True, stack=STACK),
        *linear("attention.o", hidden, hidden, layers, bias=True, stack=STACK),
        *mlp(hidden, inner, layers, bias=True, stack=STACK),
        *norm("input", hidden, layers, bias=True, stack=STACK),
        *norm("post_attention", hidden, layers, bias=True, stack=STACK),
        *norm("merger", hidden, bias=True, stack=STACK),
        *linear("other.merger_up", merged, merged, bias=True, stack=STACK),
        *linear("other.merger_down", text, merged, bias=True, stack=STACK),
    )


def _size(config: Config, key: str, default: int) -> Size:
    """A size of the tower, as a symbol that no size of the text model can be taken for."""
    return Size.symbol(f"vision_{key}", config.integer(key, default=default), "" if key in config else _DEFAULT)
