"""The text tower of CLIP alone, as diffusion models use it.

Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x
inner`, `norm.input`, `norm.post_attention : hidden`, each with a bias of its output. Outside: `embedding.tokens :
vocab x hidden`, `position.embedding : positions x hidden`, `norm.final : hidden`, and with a projection
`head.projection : shared x hidden`.
"""

from verify.architectures._blocks import linear, size
from verify.architectures._clip import TEXT_DEFAULTS, text_names, text_tower
from verify.architectures._encoder import choose
from verify.architectures._vision import DEFAULT
from verify.config import Config
from verify.formula import Formula
from verify.names import NameTable, modules

SOURCE = "Radford et al. 2021, arXiv:2103.00020, section 2.4; transformers models/clip/modeling_clip.py, CLIPTextModel"
ALIASES = ()

NAMES = NameTable(
    backbone=text_names(),
    head=modules({"text_projection": "head.projection"}),
    prefixes=("text_model.",),
)

#: The end of a class name: the parts beside the tower.
_CLASSES = {"TextModelWithProjection": ("projection",), "TextModel": ()}


def formula(config: Config) -> Formula:
    """The parameters of the text tower of a CLIP.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    positions = {"max_position_embeddings": TEXT_DEFAULTS["max_position_embeddings"]}
    terms, numbers = text_tower(config, positions)
    shared = size(config, "projection_dim", default=512, definition=DEFAULT)
    parts = {"projection": linear("head.projection", shared, hidden)}
    _, more, others = choose(config, _CLASSES, "TextModel", parts)
    return Formula(name="clip_text_model", source=SOURCE, terms=(*terms, *more), extras=(*others, numbers))
