"""Qwen2.5-VL: a Qwen2 and a vision tower of RMSNorms and gated feed-forward layers.

Legend: `width` and `inner` are the widths of the tower and of its feed-forward layers. The text model is that of
`qwen2`; the tower is that of `_qwen2_vl`, with norms without a bias and, per layer, `mlp.gate`, `mlp.up : inner x
width`, `mlp.down : width x inner`, all with a bias.
"""

from verify.architectures._blocks import gated_mlp
from verify.architectures._composite import VISION, vision_size, whole_vision_heads
from verify.architectures._qwen2_vl import text_part, tower, vision_names, whole
from verify.config import Config
from verify.formula import Formula, Layers

SOURCE = "Bai et al. 2025, arXiv:2502.13923, section 2; transformers models/qwen2_5_vl/modeling_qwen2_5_vl.py"
ALIASES = ()

NAMES = vision_names(
    {
        "visual.blocks.{}.mlp.gate_proj": "mlp.gate",
        "visual.blocks.{}.mlp.up_proj": "mlp.up",
        "visual.blocks.{}.mlp.down_proj": "mlp.down",
    }
)

_DEFAULT = "the default of Qwen2_5_VLVisionConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Qwen2.5-VL.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text, vision = text_part(config), config.section("vision_config")
    width = vision_size(vision, "hidden_size", 3584, _DEFAULT)
    inner = vision_size(vision, "intermediate_size", 3420, _DEFAULT)
    layers = Layers.every(vision_size(vision, "depth", 32, _DEFAULT))
    whole_vision_heads(vision, width, "num_heads", 16)
    # Which layers see everything, and how the others see it, in windows of space and time.
    vision.set_aside("tokens_per_second", "window_size", "fullatt_block_indexes")
    terms = (
        *tower(vision, width, layers, vision.integer("out_hidden_size", default=3584), text, bias=False),
        *gated_mlp(width, inner, layers, bias=True, stack=VISION),
    )
    return whole("qwen2_5_vl", SOURCE, config, text, terms)
