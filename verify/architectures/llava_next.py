"""LLaVA-NeXT: a LLaVA with a learned vector at the end of each row of patches.

The parts are those of `llava`, and `other.image_newline : hidden`.
"""

from verify.architectures._composite import compose
from verify.architectures._llava import composite_names, projector, text_part, tower
from verify.config import Config
from verify.formula import Formula, Term
from verify.names import slot

SOURCE = (
    "Liu et al. 2023, arXiv:2310.03744, section 3; Liu et al. 2024, 'LLaVA-NeXT', "
    "https://llava-vl.github.io/blog/2024-01-30-llava-next; transformers models/llava_next/modeling_llava_next.py"
)
ALIASES = ("llava_next_video", "llava_onevision")

_NEWLINE = slot("other.image_newline")

NAMES = composite_names({"image_newline": _NEWLINE})


#: How patches of images and frames are arranged and averaged, which has no weights.
_POOLING = (
    *("image_grid_pinpoints", "use_image_newline_parameter", "vision_aspect_ratio", "spatial_pool_mode"),
    *("spatial_pool_stride", "video_token_index", "video_seq_length"),
)


def formula(config: Config) -> Formula:
    """The parameters of a LLaVA-NeXT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    kind = config.text("model_type", default="llava_next")
    one = kind == "llava_onevision"
    text = text_part(config, "qwen2" if one else "llama")
    seen, extras, width = tower(config, "siglip_vision_model" if one else "clip_vision_model")
    config.set_aside(*_POOLING)
    tied = config.flag("tie_word_embeddings", default=False)
    return compose(
        "llava_next",
        SOURCE,
        config,
        text=text,
        others=(*seen, *projector(config, text.hidden, width, bias_by_default=True), Term(_NEWLINE, (text.hidden,))),
        # The configs of the aliases ask the section of the text model as well, LLaVA-NeXT's own does not.
        tied=tied or (kind != "llava_next" and text.tied),
        extras=extras,
    )
