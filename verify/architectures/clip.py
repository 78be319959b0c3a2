"""CLIP: a transformer over text and one over patches of an image, projected into one space.

Legend: `patch` is the edge of a patch, `patches` the number of them in an image, `shared` the width of the common
space. Per layer of each tower: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`,
`mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`, each with a bias of its output. Text:
`embedding.tokens : vocab x hidden`, `position.embedding : positions x hidden`, `norm.final : hidden`. Vision:
`embedding.class : hidden`, `embedding.patches : hidden x channels x patch x patch`, `position.embedding : (patches
+ 1) x hidden`, `norm.embeddings`, `norm.final : hidden`. `head.projection : shared x hidden` of each tower, and the
single number `other.logit_scale`; or a classifier on the tower over images alone.
"""

from verify.architectures._blocks import labels, linear
from verify.architectures._clip import (
    TEXT_DEFAULTS,
    VISION_DEFAULTS,
    text_names,
    text_tower,
    tower_size,
    vision_names,
    vision_tower,
)
from verify.architectures._encoder import choose
from verify.architectures._vision import DEFAULT
from verify.config import Config
from verify.formula import Formula, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = "Radford et al. 2021, arXiv:2103.00020, section 2.4; transformers models/clip/modeling_clip.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **text_names("text_model.", "text"),
        **vision_names("vision_model.", "vision"),
        "logit_scale": slot("other.logit_scale"),
    },
    head={
        **modules({"text_projection": "head.projection"}, stack="text"),
        **modules({"visual_projection": "head.projection"}, stack="vision"),
        **modules({"classifier": "head.classifier"}),
    },
)

#: The end of a class name: the parts of the class.
_CLASSES = {
    "ForImageClassification": ("vision", "classifier"),
    "CLIPModel": ("text", "vision", "projections", "scale"),
}


def formula(config: Config) -> Formula:
    """The parameters of a CLIP.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text, vision = _section(config, "text_config"), _section(config, "vision_config")
    text_terms, text_numbers = text_tower(text, TEXT_DEFAULTS, "text")
    vision_terms, vision_numbers = vision_tower(vision, VISION_DEFAULTS, "vision")
    into = {
        "text": tower_size(text, "hidden_size", TEXT_DEFAULTS, "text"),
        "vision": tower_size(vision, "hidden_size", VISION_DEFAULTS, "vision"),
    }
    shared = Size.symbol("projection_dim", config.integer("projection_dim", default=512), DEFAULT)
    parts = {
        "text": text_terms,
        "vision": vision_terms,
        "projections": tuple(
            term for stack, hidden in into.items() for term in linear("head.projection", shared, hidden, stack=stack)
        ),
        "scale": (Term(slot("other.logit_scale"), ()),),
        "classifier": linear("head.classifier", labels(config), into["vision"], bias=True),
    }
    config.set_aside("logit_scale_init_value", "tie_word_embeddings")
    chosen, terms, others = choose(config, _CLASSES, "CLIPModel", parts)
    numbers = {"text": text_numbers, "vision": vision_numbers}
    return Formula(
        name="clip",
        source=SOURCE,
        terms=terms,
        extras=(*others, *(extra for part, extra in numbers.items() if part in chosen)),
    )


def _section(config: Config, name: str) -> Config:
    """The section of a tower; `text_config_dict`, say, outweighs `text_config` (`configuration_clip.py`)."""
    if f"{name}_dict" in config:
        config.set_aside(name)
        return config.section(f"{name}_dict")
    return config.section(name)
