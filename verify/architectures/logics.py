"""Logics-Thinking: a LLaVA of a Qwen3 and two towers side by side, ConvNeXt-XXLarge of CLIP and SigLIP 2.

Legend: `hidden` is the width of the text model, that of `qwen3`; `wide` that of a stage of the ConvNeXt, of which
there are four, `before` that of the stage before, and `seen` the widths of both towers together. In the stacks
`convnext0` to `convnext3`, for each block: `other.depthwise : wide x 1 x 7 x 7`, `mlp.up : (4 wide) x wide`,
`mlp.down : wide x (4 wide)`, `norm.input : wide`, all with a bias, and `other.scale : wide`; before the blocks
`norm.downsample : before` and `other.downsample : wide x before x 2 x 2`, in the first stage a stem `wide x 3 x 4 x 4`
and `norm.downsample : wide`. In `convnext`: `norm.final : wide`, `other.projection : 1024 x wide`. In `siglip` the
tower of `_siglip` without its last layer and head. Then `other.projector_1 : hidden x seen`, `other.projector_2 :
hidden x hidden`, with biases, and `other.image_newline : hidden`.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from verify.architectures import _siglip
from verify.architectures._blocks import linear, norm
from verify.architectures._clip import tower_size
from verify.architectures._composite import compose, names, text_model
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Formula, Term
from verify.names import Entry, modules, slot
from verify.symbols import Size

SOURCE = (
    "Liu et al. 2023, arXiv:2310.03744, section 3; Liu et al. 2022, arXiv:2201.03545, section 2; Zhai et al. 2023, "
    "arXiv:2303.15343; modeling_logics.py of alibaba/Logics-Thinking; timm/models/convnext.py, `convnext_xxlarge`"
)
ALIASES = ()

_SIGLIP = "siglip"

#: The towers that `mm_vision_tower` may name; the second is described by `siglip_config`.
_TOWERS = "convnext-1024,siglip2-384"

#: Width and number of blocks of each stage of ConvNeXt-XXLarge, and the width of CLIP's common space.
_STAGES = ((384, 3), (768, 4), (1536, 30), (3072, 3))
_SHARED = 1024

#: The last layer of the SigLIP and its head are taken away, as LLaVA takes what the layer before gives
#: (`siglip_encoder.py` of LLaVA-NeXT).
_LAYERS = 27


def _convnext_names(start: str) -> Iterator[tuple[str, Entry]]:
    """The names inside the ConvNeXt, stage by stage, block by block, because each stage has a width of its own."""
    for stage, (_, blocks) in enumerate(_STAGES):
        stack, before = f"convnext{stage}", f"{start}stages.{stage}."
        table = {f"{start}stem.0": "other.downsample", f"{start}stem.1": "norm.downsample"}
        if stage:
            table = {f"{before}downsample.0": "norm.downsample", f"{before}downsample.1": "other.downsample"}
        for block in range(blocks):
            inside = f"{before}blocks.{block}."
            table |= {
                f"{inside}conv_dw": "other.depthwise",
                f"{inside}norm": "norm.input",
                f"{inside}mlp.fc1": "mlp.up",
                f"{inside}mlp.fc2": "mlp.down",
            }
            # What timm calls `gamma`, which older versions of transformers rename to `weight` as they load it.
            yield f"{inside}weight", slot("other.scale", stack=stack)
            yield f"{inside}gamma", slot("other.scale", stack=stack)
        yield from modules(table, stack=stack).items()
    outside = {f"{start}head.norm": "norm.final", f"{start}head.fc": "other.projection"}
    yield from modules(outside, stack="convnext").items()


def _siglip_names(start: str) -> Iterator[tuple[str, Entry]]:
    """The names inside the SigLIP, with the numbers of its layers written out: a name's first number is the tower."""
    for name, entry in _siglip.tower_names(start, _SIGLIP).items():
        for layer in range(_LAYERS) if "{}" in name else (0,):
            yield name.replace("{}", str(layer)), entry


NAMES = names(
    ("qwen3",),
    {
        **dict(_convnext_names("vision_tower.vision_towers.0.vision_tower.")),
        **dict(_siglip_names("vision_tower.vision_towers.1.vision_tower.vision_model.")),
        **modules({"mm_projector.0": "other.projector_1", "mm_projector.2": "other.projector_2"}),
        "image_newline": slot("other.image_newline"),
    },
    before=("",),
)

#: How images and frames are cut up and what is trained: nothing that has a shape.
_UNSHAPED = """
    add_faster_video add_time_instruction faster_token_stride force_sample image_aspect_ratio image_crop_resolution
    image_grid_pinpoints image_split_resolution mm_newline_position mm_patch_merge_type mm_projector_lr
    mm_resampler_type mm_spatial_pool_mode mm_spatial_pool_stride mm_tunable_parts mm_use_im_patch_token
    mm_use_im_start_end mm_vision_select_feature mm_vision_tower_lr pos_skipping_range tokenizer_model_max_length
    tokenizer_padding_side use_mm_proj use_pos_skipping vision_tower_pretrained
"""


def formula(config: Config) -> Formula:
    """The parameters of a Logics-Thinking.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    _same(config.text("mm_vision_tower"), "mm_vision_tower", _TOWERS)
    _same(config.text("mm_projector_type", default="mlp2x_gelu"), "mm_projector_type", "mlp2x_gelu")
    _same(config.integer("mm_vision_select_layer", default=-2, minimum=-2), "mm_vision_select_layer", -2)
    text, vision = text_model(config, "qwen3"), config.section("siglip_config")
    config.set_aside(*_UNSHAPED.split())
    vision.text("model_type", default="siglip_vision_model")
    _same(vision.integer("num_hidden_layers"), "siglip_config.num_hidden_layers", _LAYERS)
    wide = Size.symbol("convnext3_width", _STAGES[-1][0], "ConvNeXt-XXLarge")
    seen = wide + tower_size(vision, "hidden_size", _siglip.DEFAULTS, _SIGLIP)
    _same(config.integer("mm_hidden_size", default=seen.value), "mm_hidden_size", seen.value)
    return compose(
        "logics",
        SOURCE,
        config,
        text=text,
        others=(
            *_convnext(),
            *_without_last_layer(vision),
            *linear("other.projector_1", text.hidden, seen, bias=True),
            *linear("other.projector_2", text.hidden, text.hidden, bias=True),
            Term(slot("other.image_newline"), (text.hidden,)),
        ),
        tied=text.tied,
    )


def _same(found: object, key: str, right: object) -> None:
    if found != right:
        raise ConfigError(f"{key} is {found!r}", expected=repr(right), hint="no published model has another")


def _convnext() -> Iterator[Term]:
    """The terms of the ConvNeXt."""
    before, edge = Size.of(3), Size.of(4)
    for stage, (width, number) in enumerate(_STAGES):
        stack = f"convnext{stage}"
        wide = Size.symbol(f"{stack}_width", width, "ConvNeXt-XXLarge")
        blocks = Size.symbol(f"{stack}_depth", number, "ConvNeXt-XXLarge")
        block = (
            Term(slot("other.depthwise", stack=stack), (wide, ONE, Size.of(7), Size.of(7))),
            Term(slot("other.depthwise.bias", stack=stack), (wide,)),
            Term(slot("other.scale", stack=stack), (wide,)),
            *norm("input", wide, bias=True, stack=stack),
            *linear("mlp.up", 4 * wide, wide, bias=True, stack=stack),
            *linear("mlp.down", wide, 4 * wide, bias=True, stack=stack),
        )
        yield from (replace(term, copies=blocks) for term in block)
        # The stem is normalised after its convolution, the other stages before it.
        yield from norm("downsample", before if stage else wide, bias=True, stack=stack)
        yield Term(slot("other.downsample", stack=stack), (wide, before, edge, edge))
        yield Term(slot("other.downsample.bias", stack=stack), (wide,))
        before, edge = wide, Size.of(2)
    yield from norm("final", before, bias=True, stack="convnext")
    yield from linear("other.projection", Size.of(_SHARED), before, bias=True, stack="convnext")


def _without_last_layer(config: Config) -> Iterator[Term]:
    """The terms of the SigLIP; its names have no room for the layers, so that they count as copies."""
    for term in _siglip.tower(config, _SIGLIP, pools=False):
        yield replace(term, layers=None, copies=term.layers.count - 1) if term.layers else term
