"""MiniCPM-V 2: a MiniCPM that sees patches through a ViT of SigLIP and learned queries to its output.

Legend: `hidden` is the width of the text model, `width` and `inner` those of the ViT, `patches` the number of patches
of an image, `queries` how many vectors stand for an image. The text model is that of `minicpm`. In the stack `vision`,
outside the layers: `embedding.patches : width x channels x patch x patch`, `position.embedding : 1 x patches x width`,
`norm.final : width`; per layer `attention.qkv : (3 width) x width`, `attention.o : width x width`, `mlp.up : inner x
width`, `mlp.down : width x inner`, `norm.input`, `norm.post_attention : width`, all but the positions with a bias. In
the stack `resampler`: `other.query`, `position.embedding : queries x hidden`, `other.kv : hidden x width`,
`attention.qkv : (3 hidden) x hidden` and `attention.o : hidden x hidden` with a bias, `norm.q`, `norm.kv`,
`norm.output : hidden` with a bias, `other.projector : hidden x hidden`.
"""

from math import isqrt

from verify.architectures._blocks import embedding, linear, mlp, norm
from verify.architectures._composite import VISION, compose, names, text_model
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Formula, Layers, Term
from verify.names import modules, slot
from verify.symbols import Size

SOURCE = (
    "Yao et al. 2024, arXiv:2408.01800, section 3; modeling_minicpmv.py and resampler.py of openbmb/MiniCPM-V-2; "
    "timm/models/vision_transformer.py"
)
ALIASES = ()

_RESAMPLER = "resampler"

NAMES = names(
    ("minicpm",),
    {
        **modules(
            {
                "vpm.patch_embed.proj": "embedding.patches",
                "vpm.blocks.{}.norm1": "norm.input",
                "vpm.blocks.{}.norm2": "norm.post_attention",
                "vpm.blocks.{}.attn.qkv": "attention.qkv",
                "vpm.blocks.{}.attn.proj": "attention.o",
                "vpm.blocks.{}.mlp.fc1": "mlp.up",
                "vpm.blocks.{}.mlp.fc2": "mlp.down",
                "vpm.norm": "norm.final",
            },
            stack=VISION,
        ),
        "vpm.pos_embed": slot("position.embedding", stack=VISION),
        **modules(
            {
                "resampler.kv_proj": "other.kv",
                "resampler.attn.out_proj": "attention.o",
                "resampler.ln_q": "norm.q",
                "resampler.ln_kv": "norm.kv",
                "resampler.ln_post": "norm.output",
            },
            stack=_RESAMPLER,
        ),
        "resampler.query": slot("other.query", stack=_RESAMPLER),
        "resampler.pos_embed": slot("position.embedding", stack=_RESAMPLER),
        "resampler.attn.in_proj_weight": slot("attention.qkv", stack=_RESAMPLER),
        "resampler.attn.in_proj_bias": slot("attention.qkv.bias", stack=_RESAMPLER),
        "resampler.proj": slot("other.projector", stack=_RESAMPLER),
        **modules({"llm.lm_head": "head.lm_head"}),
    },
    before=("llm.model.",),
    prefixes=(),
)

#: What timm builds by this name: width, inner width, layers, edge of a patch, patches along an edge of the image.
_TOWERS = {"vit_so400m_patch14_siglip_384.webli": (1152, 4304, 27, 14, 384 // 14)}


def formula(config: Config) -> Formula:
    """The parameters of a MiniCPM-V 2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    if "vision_config" in config:
        raise ConfigError(
            "vision_config is set",
            expected="vision_encoder, the name of a model of timm",
            hint="later MiniCPM-Vs share the model_type and have no formula yet",
        )
    text = text_model(config, "minicpm")
    # How images are cut up, and a size that the tower, which takes images of any size, does not ask for.
    config.set_aside("image_size", "patch_size", "max_slice_nums", "mm_use_im_start_end", "scale_resolution")
    config.set_aside("slice_mode")
    width, tower = _tower(config)
    return compose(
        "minicpmv",
        SOURCE,
        config,
        text=text,
        others=(*tower, *_resampler(config, width, text.hidden)),
        tied=text.tied,
        classes=("MiniCPMV",),
    )


def _tower(config: Config) -> tuple[Size, tuple[Term, ...]]:
    """The ViT that the config names: its width, and its terms."""
    name = config.text("vision_encoder")
    if name not in _TOWERS:
        raise ConfigError(
            f"vision_encoder is {name!r}", expected=f"one of {', '.join(_TOWERS)}", hint="no other one was published"
        )
    sizes = zip(("width", "inner", "depth", "patch", "grid"), _TOWERS[name], strict=True)
    width, inner, depth, patch, grid = (Size.symbol(f"vision_{key}", value, name) for key, value in sizes)
    layers = Layers.every(depth - 1 if config.flag("drop_vision_last_layer", default=True) else depth)
    return width, (
        Term(slot("embedding.patches", stack=VISION), (width, Size.of(3), patch, patch)),
        Term(slot("embedding.patches.bias", stack=VISION), (width,)),
        Term(slot("position.embedding", stack=VISION), (ONE, grid * grid, width)),
        *linear("attention.qkv", 3 * width, width, layers, bias=True, stack=VISION),
        *linear("attention.o", width, width, layers, bias=True, stack=VISION),
        *mlp(width, inner, layers, bias=True, stack=VISION),
        *norm("input", width, layers, bias=True, stack=VISION),
        *norm("post_attention", width, layers, bias=True, stack=VISION),
        *norm("final", width, bias=True, stack=VISION),
    )


def _resampler(config: Config, width: Size, hidden: Size) -> tuple[Term, ...]:
    """One layer of attention of learned queries, as many as fill a square, to the output of the ViT."""
    number = config.integer("query_num", default=64)
    edge = Size.symbol("isqrt(query_num)", isqrt(number))
    queries = edge * edge
    return (
        Term(slot("other.query", stack=_RESAMPLER), (queries, hidden)),
        embedding("position.embedding", queries, hidden, stack=_RESAMPLER),
        # Where both are as wide, the code puts the identity.
        *(linear("other.kv", hidden, width, stack=_RESAMPLER) if width.value != hidden.value else ()),
        *linear("attention.qkv", 3 * hidden, hidden, bias=True, stack=_RESAMPLER),
        *linear("attention.o", hidden, hidden, bias=True, stack=_RESAMPLER),
        *norm("q", hidden, bias=True, stack=_RESAMPLER),
        *norm("kv", hidden, bias=True, stack=_RESAMPLER),
        *norm("output", hidden, bias=True, stack=_RESAMPLER),
        Term(slot("other.projector", stack=_RESAMPLER), (hidden, hidden)),
    )
