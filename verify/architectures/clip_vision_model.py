"""The vision tower of CLIP alone, as models that see use it.

Legend: `patch` is the edge of a patch, `patches` the number of them in an image. Per layer: `attention.q`, `.k`,
`.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`, each with a bias of its output. Outside: `embedding.class : hidden`,
`embedding.patches : hidden x channels x patch x patch`, `position.embedding : (patches + 1) x hidden`,
`norm.embeddings`, `norm.final : hidden`, and with a projection `head.projection : shared x hidden`.
"""

from verify.architectures._blocks import linear, size
from verify.architectures._clip import vision_names, vision_tower
from verify.architectures._encoder import choose
from verify.architectures._vision import DEFAULT
from verify.config import Config
from verify.formula import Formula
from verify.names import NameTable, modules

SOURCE = (
    "Radford et al. 2021, arXiv:2103.00020, section 2.4; transformers models/clip/modeling_clip.py, CLIPVisionModel"
)
ALIASES = ()

NAMES = NameTable(
    backbone=vision_names(),
    head=modules({"visual_projection": "head.projection"}),
    prefixes=("vision_model.",),
)

#: The end of a class name: the parts beside the tower.
_CLASSES = {"VisionModelWithProjection": ("projection",), "VisionModel": ()}


def formula(config: Config) -> Formula:
    """The parameters of the vision tower of a CLIP.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    terms, numbers = vision_tower(config, {})
    shared = size(config, "projection_dim", default=512, definition=DEFAULT)
    parts = {"projection": linear("head.projection", shared, hidden)}
    _, more, others = choose(config, _CLASSES, "VisionModel", parts)
    return Formula(name="clip_vision_model", source=SOURCE, terms=(*terms, *more), extras=(*others, numbers))
