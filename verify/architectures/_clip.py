"""The two towers of CLIP, a transformer over text and one over patches of an image.

Legend: `hidden` and `inner` are the widths of a tower, `patch` the edge of a patch. Per layer: `attention.q`, `.k`,
`.v`, `.o : hidden x hidden`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`, each with a bias of its output.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4; transformers models/clip/modeling_clip.py.
"""

from collections.abc import Mapping

from verify.architectures._blocks import attention, buffer, embedding, mlp, norm, whole_heads
from verify.architectures._vision import DEFAULT, edges, patches, projection
from verify.config import Config
from verify.formula import Extra, Layers, Term
from verify.names import Entry, buffers, modules, slot
from verify.roles import Cause
from verify.symbols import Size

#: What a section of a CLIP's config leaves out when it has the number of the class (`configuration_clip.py`).
TEXT_DEFAULTS = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
}
VISION_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
}

#: Keys of every section of older configs, which transformers no longer reads.
_OLD = ("add_cross_attention", "cross_attention_hidden_size", "pruned_heads", "tie_encoder_decoder", "projection_dim",
        "tie_word_embeddings")  # fmt: skip

_LAYER = {
    "self_attn.q_proj": "attention.q",
    "self_attn.k_proj": "attention.k",
    "self_attn.v_proj": "attention.v",
    "self_attn.out_proj": "attention.o",
    "mlp.fc1": "mlp.up",
    "mlp.fc2": "mlp.down",
    "layer_norm1": "norm.input",
    "layer_norm2": "norm.post_attention",
}


def layer_names(prefix: str, stack: str) -> dict[str, Entry]:
    """The names of the layers of a tower."""
    return modules({f"{prefix}encoder.layers.{{}}.{module}": text for module, text in _LAYER.items()}, stack=stack)


def text_names(prefix: str = "", stack: str = "") -> dict[str, Entry]:
    """The names inside the tower over text."""
    return {
        **modules(
            {
                f"{prefix}embeddings.token_embedding": "embedding.tokens",
                f"{prefix}embeddings.position_embedding": "position.embedding",
                f"{prefix}final_layer_norm": "norm.final",
            },
            stack=stack,
        ),
        **layer_names(prefix, stack),
        **buffers({f"{prefix}embeddings.position_ids": "position.ids"}, stack=stack),
    }


def vision_names(prefix: str = "", stack: str = "") -> dict[str, Entry]:
    """The names inside the tower over images; `pre_layrnorm` is what the files say."""
    return {
        **modules(
            {
                f"{prefix}embeddings.patch_embedding": "embedding.patches",
                f"{prefix}embeddings.position_embedding": "position.embedding",
                f"{prefix}pre_layrnorm": "norm.embeddings",
                f"{prefix}post_layernorm": "norm.final",
            },
            stack=stack,
        ),
        f"{prefix}embeddings.class_embedding": slot("embedding.class", stack=stack),
        **layer_names(prefix, stack),
        **buffers({f"{prefix}embeddings.position_ids": "position.ids"}, stack=stack),
    }


def tower_size(config: Config, name: str, defaults: Mapping[str, int], stack: str) -> Size:
    """A hyper-parameter of one tower, as a symbol that says of which."""
    value = config.integer(name, default=defaults.get(name))
    return Size.symbol(f"{stack}_{name}" if stack else name, value, "" if name in config else DEFAULT)


def tower_layers(config: Config, defaults: Mapping[str, int], stack: str) -> tuple[Term, ...]:
    """The layers of a tower.

    Raises:
        ConfigError: The heads do not divide the width.
    """
    hidden = tower_size(config, "hidden_size", defaults, stack)
    whole_heads(hidden, tower_size(config, "num_attention_heads", defaults, stack))
    layers = Layers.every(tower_size(config, "num_hidden_layers", defaults, stack))
    config.set_aside(*_OLD)
    # All heads together are as wide as the tower, so that one head of the full width has the same shapes.
    one = Size.of(1)
    inner = tower_size(config, "intermediate_size", defaults, stack)
    return (
        *attention(hidden, one, one, hidden, layers, qkv_bias=True, out_bias=True, stack=stack),
        *mlp(hidden, inner, layers, bias=True, stack=stack),
        *norm("input", hidden, layers, bias=True, stack=stack),
        *norm("post_attention", hidden, layers, bias=True, stack=stack),
    )


def text_tower(config: Config, defaults: Mapping[str, int], stack: str = "") -> tuple[tuple[Term, ...], Extra]:
    """The tower over text: its terms, and the position numbers that older files hold."""
    hidden = tower_size(config, "hidden_size", defaults, stack)
    positions = tower_size(config, "max_position_embeddings", defaults, stack)
    terms = (
        embedding("embedding.tokens", tower_size(config, "vocab_size", defaults, stack), hidden, stack=stack),
        embedding("position.embedding", positions, hidden, stack=stack),
        *tower_layers(config, defaults, stack),
        *norm("final", hidden, bias=True, stack=stack),
    )
    return terms, _numbers(positions, stack)


def vision_tower(config: Config, defaults: Mapping[str, int], stack: str = "") -> tuple[tuple[Term, ...], Extra]:
    """The tower over images: its terms, and the position numbers that older files hold."""
    hidden = tower_size(config, "hidden_size", defaults, stack)
    channels = tower_size(config, "num_channels", VISION_DEFAULTS, stack)
    patch = edges(config, "patch_size", VISION_DEFAULTS["patch_size"], stack=stack)
    image = edges(config, "image_size", VISION_DEFAULTS["image_size"], stack=stack)
    positions = patches(image, patch) + 1
    terms = (
        Term(slot("embedding.class", stack=stack), (hidden,)),
        *projection(hidden, channels, patch, bias=False, stack=stack),
        embedding("position.embedding", positions, hidden, stack=stack),
        *norm("embeddings", hidden, bias=True, stack=stack),
        *tower_layers(config, defaults, stack),
        *norm("final", hidden, bias=True, stack=stack),
    )
    return terms, _numbers(positions, stack)


def _numbers(positions: Size, stack: str) -> Extra:
    """The numbers 0 … positions - 1 of a tower, a buffer that older versions of transformers saved."""
    terms = (buffer("position.ids", Size.of(1), positions, stack=stack),)
    return Extra(Cause.STORED_BUFFER, terms, "position numbers, saved by transformers before 4.31")
