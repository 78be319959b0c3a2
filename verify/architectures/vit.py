"""ViT: a transformer over patches of an image, a LayerNorm before each block, biases everywhere.

Legend: `patch` is the edge of a patch, `patches` the number of them in an image, `head` the size of one head. Per
layer: `attention.q`, `.k`, `.v : (heads head) x hidden`, `attention.o : hidden x (heads head)`, `mlp.up : inner x
hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`, each with a bias of its output.
Outside: `embedding.patches : hidden x channels x patch x patch` with a bias, `embedding.class : 1 x 1 x hidden`,
`position.embedding : 1 x (patches + 1) x hidden`, `norm.final : hidden` with a bias, and the head of the class.
"""

from verify.architectures._blocks import attention, head_size, labels, linear, mlp, norm, size
from verify.architectures._encoder import choose
from verify.architectures._vision import DEFAULT, edges, patches, projection
from verify.config import Config
from verify.formula import Extra, Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = "Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1; transformers models/vit/modeling_vit.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "embeddings.patch_embeddings.projection": "embedding.patches",
                "encoder.layer.{}.attention.attention.query": "attention.q",
                "encoder.layer.{}.attention.attention.key": "attention.k",
                "encoder.layer.{}.attention.attention.value": "attention.v",
                "encoder.layer.{}.attention.output.dense": "attention.o",
                "encoder.layer.{}.intermediate.dense": "mlp.up",
                "encoder.layer.{}.output.dense": "mlp.down",
                "encoder.layer.{}.layernorm_before": "norm.input",
                "encoder.layer.{}.layernorm_after": "norm.post_attention",
                # The same in the modules of transformers 5.
                "layers.{}.attention.q_proj": "attention.q",
                "layers.{}.attention.k_proj": "attention.k",
                "layers.{}.attention.v_proj": "attention.v",
                "layers.{}.attention.o_proj": "attention.o",
                "layers.{}.mlp.fc1": "mlp.up",
                "layers.{}.mlp.fc2": "mlp.down",
                "layers.{}.layernorm_before": "norm.input",
                "layers.{}.layernorm_after": "norm.post_attention",
                "layernorm": "norm.final",
                "pooler.dense": "other.pooler",
            }
        ),
        "embeddings.cls_token": slot("embedding.class"),
        "embeddings.mask_token": slot("embedding.mask"),
        "embeddings.position_embeddings": slot("position.embedding"),
    },
    head=modules({"classifier": "head.classifier", "decoder.0": "head.pixels"}),
    prefixes=("vit.",),
)

#: What follows `ViT` in a class name: the parts that stand on its encoder.
_CLASSES = {
    "ForImageClassification": ("classifier",),
    "ForMaskedImageModeling": ("mask", "pixels"),
    "Model": ("pooler",),
}


def formula(config: Config) -> Formula:
    """The parameters of a ViT.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    channels = size(config, "num_channels", default=3, definition=DEFAULT)
    patch = edges(config, "patch_size", 16)
    positions = patches(edges(config, "image_size", 224), patch) + 1
    qkv_bias = config.flag("qkv_bias", default=True)
    head_terms, extras = _heads(config, hidden, channels)
    config.set_aside("pooler_act", "tie_word_embeddings")
    one = Size.of(1)
    return Formula(
        name="vit",
        source=SOURCE,
        terms=(
            *projection(hidden, channels, patch),
            Term(slot("embedding.class"), (one, one, hidden)),
            Term(slot("position.embedding"), (one, positions, hidden)),
            *attention(hidden, heads, heads, head_dim, layers, qkv_bias=qkv_bias, out_bias=True),
            *mlp(hidden, size(config, "intermediate_size"), layers, bias=True),
            *norm("input", hidden, layers, bias=True),
            *norm("post_attention", hidden, layers, bias=True),
            *norm("final", hidden, bias=True),
            *head_terms,
        ),
        extras=extras,
    )


def _heads(config: Config, hidden: Size, channels: Size) -> tuple[tuple[Term, ...], tuple[Extra, ...]]:
    """The parts of the class that the config names, and those of other classes that a file may hold."""
    one = Size.of(1)
    stride = size(config, "encoder_stride", default=16, definition=DEFAULT)
    pixels = stride * stride * channels
    parts = {
        "pooler": linear("other.pooler", size(config, "pooler_output_size", default=hidden), hidden, bias=True),
        "mask": (Term(slot("embedding.mask"), (one, one, hidden)),),
        "pixels": (
            Term(slot("head.pixels"), (pixels, hidden, one, one)),
            Term(slot("head.pixels.bias"), (pixels,)),
        ),
        "classifier": linear("head.classifier", labels(config), hidden, bias=True),
    }
    _, terms, extras = choose(config, _CLASSES, "ForImageClassification", parts)
    return terms, extras
