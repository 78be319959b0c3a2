"""LLaVA: a text model that sees patches through a vision tower and a projector of two layers.

Legend: `hidden` is the width of the text model, `vision` that of the tower, `depths` the number of layers of the tower
that the projector sees. The text model is that of its own family, the tower that of `_clip`, `_siglip` or `_pixtral`
in the stack `vision`. Between them: `other.projector_1 : hidden x (depths vision)`, `other.projector_2 : hidden x
hidden`, each with a bias unless the config says otherwise.
"""

from verify.architectures._composite import compose
from verify.architectures._llava import composite_names, projector, text_part, tower
from verify.config import Config
from verify.formula import Formula

SOURCE = "Liu et al. 2023, arXiv:2310.03744, section 3; transformers models/llava/modeling_llava.py"
ALIASES = ()

NAMES = composite_names({})


def formula(config: Config) -> Formula:
    """The parameters of a LLaVA.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text = text_part(config, "llama")
    seen, extras, width = tower(config, "clip_vision_model")
    return compose(
        "llava",
        SOURCE,
        config,
        text=text,
        others=(*seen, *projector(config, text.hidden, width, bias_by_default=True)),
        tied=config.flag("tie_word_embeddings", default=False) or text.tied,
        extras=extras,
    )
