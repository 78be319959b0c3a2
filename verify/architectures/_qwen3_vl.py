"""What the dense and the sparse Qwen3-VL share: all but the text model.

Legend: `width` is that of the tower, `merge` the edge of the square of patches that become one token, `hidden` the
width of the text model. Beside the tower of `_qwen_vision` stand mergers whose output goes to deeper layers of the
text model, one for each of `deepstack_visual_indexes`: `norm.deepstack : merge^2 width`, `other.deepstack_up :
(merge^2 width) x (merge^2 width)`, `other.deepstack_down : hidden x (merge^2 width)`, all with a bias.
"""

from verify.architectures._blocks import linear, norm
from verify.architectures._composite import VISION, TextModel, compose, names, vision_size
from verify.architectures._qwen_vision import VISION_NAMES, vision_tower
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules
from verify.symbols import Size

_DEEPSTACK = modules(
    {
        "visual.deepstack_merger_list.{}.norm": "norm.deepstack",
        "visual.deepstack_merger_list.{}.linear_fc1": "other.deepstack_up",
        "visual.deepstack_merger_list.{}.linear_fc2": "other.deepstack_down",
    },
    stack=VISION,
)

#: `deepstack_visual_indexes` where the config does not say (transformers `Qwen3VLVisionConfig`).
_INDEXES = (8, 16, 24)

_DEFAULT = "the default of Qwen3VLVisionConfig"


def vision_names(text: str) -> NameTable:
    """The tensor names with a text model of this family."""
    return names((text,), {**VISION_NAMES, **_DEEPSTACK}, before=("language_model.",))


def whole(name: str, source: str, config: Config, text: TextModel) -> Formula:
    """The formula with this text model.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    vision = config.section("vision_config")
    return compose(
        name,
        source,
        config,
        text=text,
        others=(*vision_tower(vision, text.hidden), *_deepstack(vision, text.hidden)),
        # Unlike in Qwen2-VL, what the section of the text model says about it decides nothing.
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _deepstack(config: Config, hidden: Size) -> tuple[Term, ...]:
    """The mergers for deeper layers; a layer of their terms is one of them."""
    indexes = config.items("deepstack_visual_indexes", default=_INDEXES)
    if not all(isinstance(index, int) and not isinstance(index, bool) for index in indexes):
        raise ConfigError(
            f"vision_config.deepstack_visual_indexes is {list(indexes)}",
            expected="a list of layers of the tower",
            hint="correct config.json",
        )
    if not indexes:
        return ()
    count = Size.symbol("len(vision_deepstack_visual_indexes)", len(indexes))
    width = vision_size(config, "hidden_size", 1152, _DEFAULT)
    merge = vision_size(config, "spatial_merge_size", 2, _DEFAULT)
    merged = merge * merge * width
    mergers = Layers(tuple(range(len(indexes))), count)
    return (
        *norm("deepstack", merged, mergers, bias=True, stack=VISION),
        *linear("other.deepstack_up", merged, merged, mergers, bias=True, stack=VISION),
        *linear("other.deepstack_down", hidden, merged, mergers, bias=True, stack=VISION),
    )
