"""Qwen2-VL: a Qwen2 and a vision tower of LayerNorms and plain feed-forward layers.

Legend: `width` and `ratio` are the width of the tower and how much wider its feed-forward layers are. The text model
is that of `qwen2`; the tower is that of `_qwen2_vl`, with biases of its norms and, per layer, `mlp.up : (ratio width)
x width`, `mlp.down : width x (ratio width)`, both with a bias.
"""

from verify.architectures._blocks import mlp
from verify.architectures._composite import VISION, vision_size, whole_vision_heads
from verify.architectures._qwen2_vl import text_part, tower, vision_names, whole
from verify.config import Config
from verify.formula import Formula, Layers

SOURCE = "Wang et al. 2024, arXiv:2409.12191, section 2; transformers models/qwen2_vl/modeling_qwen2_vl.py"
ALIASES = ()

NAMES = vision_names({"visual.blocks.{}.mlp.fc1": "mlp.up", "visual.blocks.{}.mlp.fc2": "mlp.down"})

_DEFAULT = "the default of Qwen2VLVisionConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Qwen2-VL.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text, vision = text_part(config), config.section("vision_config")
    width = vision_size(vision, "embed_dim", 1280, _DEFAULT)
    inner = vision_size(vision, "mlp_ratio", 4, _DEFAULT) * width
    layers = Layers.every(vision_size(vision, "depth", 32, _DEFAULT))
    whole_vision_heads(vision, width, "num_heads", 16)
    # The section calls the width of the text model `hidden_size`.
    out = vision.integer("hidden_size", default=3584)
    terms = (
        *tower(vision, width, layers, out, text, bias=True),
        *mlp(width, inner, layers, bias=True, stack=VISION),
    )
    return whole("qwen2_vl", SOURCE, config, text, terms)
