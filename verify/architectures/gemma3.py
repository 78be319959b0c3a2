"""Gemma 3 with images: the text model of `gemma3_text`, the vision tower of SigLIP, and a matrix between them.

Legend: `hidden` is the width of the text model, `vision` that of the tower. The tower is that of `_siglip` in the
stack `vision`. Between them: `norm.projector : vision`, `other.projector : vision x hidden`.
"""

from verify.architectures import _siglip
from verify.architectures._blocks import norm
from verify.architectures._clip import tower_size
from verify.architectures._composite import CLASSES, VISION, compose, names, text_model
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Term
from verify.names import modules, slot

SOURCE = "Gemma Team 2025, arXiv:2503.19786, section 2; transformers models/gemma3/modeling_gemma3.py"
ALIASES = ()

_PROJECTOR = slot("other.projector")

# Files of older versions of transformers have `vision_model.` inside the tower, and `model.` inside the text model.
NAMES = names(
    ("gemma3_text",),
    {
        **_siglip.tower_names("vision_tower.", VISION),
        **_siglip.tower_names("vision_tower.vision_model.", VISION),
        **modules({"multi_modal_projector.mm_soft_emb_norm": "norm.projector"}),
        "multi_modal_projector.mm_input_projection_weight": _PROJECTOR,
    },
    before=("language_model.", "language_model.model."),
)

#: What Gemma3TextConfig says where a section is silent: that of the published 4B model names only what differs.
_DEFAULTS = {
    "vocab_size": 262208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}


def formula(config: Config) -> Formula:
    """The parameters of a Gemma 3.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text = text_model(config.section("text_config"), "gemma3_text", defaults=_DEFAULTS)
    vision = config.section("vision_config")
    kind = vision.text("model_type", default="siglip_vision_model")
    if kind != "siglip_vision_model":
        raise ConfigError(f"vision_config.model_type is {kind!r}", expected="'siglip_vision_model'")
    width = tower_size(vision, "hidden_size", _siglip.DEFAULTS, VISION)
    config.set_aside("mm_tokens_per_image")
    return compose(
        "gemma3",
        SOURCE,
        config,
        text=text,
        others=(
            *_siglip.tower(vision, VISION),
            *norm("projector", width),
            Term(_PROJECTOR, (width, text.hidden)),
        ),
        tied=config.flag("tie_word_embeddings", default=True),
        classes=(*CLASSES, "ForSequenceClassification"),
    )
