"""Mistral 3 with images: a Mistral, the vision tower of Pixtral, and a projector that merges neighbouring patches.

Legend: `hidden` is the width of the text model, `vision` that of the tower, `merge` the edge of the square of patches
that become one token. The text model is that of its own family, the tower that of `_pixtral` in the stack `vision`.
Between them: `norm.projector : vision`, `other.merger : vision x (merge^2 vision)`, `other.projector_1 : hidden x
(depths vision)`, `other.projector_2 : hidden x hidden`, the last two with a bias where the config says so.
"""

from verify.architectures._blocks import linear, norm, size
from verify.architectures._composite import compose
from verify.architectures._llava import composite_names, projector, text_part, tower
from verify.config import Config
from verify.formula import Formula
from verify.names import modules

SOURCE = (
    "Agrawal et al. 2024, arXiv:2410.07073, section 2; Mistral AI 2025, 'Mistral Small 3.1', "
    "https://mistral.ai/news/mistral-small-3-1; transformers models/mistral3/modeling_mistral3.py"
)
ALIASES = ()

NAMES = composite_names(
    modules(
        {
            "multi_modal_projector.norm": "norm.projector",
            "multi_modal_projector.patch_merger.merging_layer": "other.merger",
        }
    )
)


def formula(config: Config) -> Formula:
    """The parameters of a Mistral 3.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text = text_part(config, "mistral")
    seen, extras, width = tower(config, "pixtral")
    merge = size(config, "spatial_merge_size", default=2, definition="the default of Mistral3Config")
    return compose(
        "mistral3",
        SOURCE,
        config,
        text=text,
        others=(
            *seen,
            *norm("projector", width),
            *linear("other.merger", width, merge * merge * width),
            *projector(config, text.hidden, width, bias_by_default=False),
        ),
        # The class ties where the config is silent, unlike that of the text model.
        tied=config.flag("tie_word_embeddings", default=True),
        extras=extras,
    )
