"""The vision tower of SigLIP: that of CLIP without a class token and a first norm, perhaps with a head that pools.

Legend: `hidden` and `inner` are the widths of the tower, `patches` the number of patches of an image. The layers are
those of `_clip`. Outside: `embedding.patches : hidden x channels x patch x patch` with a bias, `position.embedding :
patches x hidden`, `norm.final : hidden` with a bias. The head: `other.probe : 1 x 1 x hidden`, `attention.pool_qkv :
(3 hidden) x hidden`, `attention.pool_o : hidden x hidden`, `norm.pool : hidden`, `mlp.pool_up : inner x hidden`,
`mlp.pool_down : hidden x inner`, all but the probe with a bias.

Source: Zhai et al. 2023, arXiv:2303.15343, section 3; Zhai et al. 2021, arXiv:2106.04560, section 3.2 (the head);
transformers models/siglip/modeling_siglip.py, `SiglipVisionModel`.
"""

from verify.architectures._blocks import embedding, linear, norm
from verify.architectures._clip import layer_names, tower_layers, tower_size
from verify.architectures._vision import edges, patches, projection
from verify.config import Config
from verify.formula import ONE, Term
from verify.names import Entry, buffers, modules, slot

#: What a config leaves out when it has the number of the class (`SiglipVisionConfig`).
DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 16,
}

_MODULES = {
    "embeddings.patch_embedding": "embedding.patches",
    "embeddings.position_embedding": "position.embedding",
    "post_layernorm": "norm.final",
    "head.attention.out_proj": "attention.pool_o",
    "head.layernorm": "norm.pool",
    "head.mlp.fc1": "mlp.pool_up",
    "head.mlp.fc2": "mlp.pool_down",
}


def tower_names(prefix: str, stack: str) -> dict[str, Entry]:
    """The names inside the tower."""
    return {
        **modules({f"{prefix}{module}": text for module, text in _MODULES.items()}, stack=stack),
        f"{prefix}head.probe": slot("other.probe", stack=stack),
        f"{prefix}head.attention.in_proj_weight": slot("attention.pool_qkv", stack=stack),
        f"{prefix}head.attention.in_proj_bias": slot("attention.pool_qkv.bias", stack=stack),
        **layer_names(prefix, stack),
        **buffers({f"{prefix}embeddings.position_ids": "position.ids"}, stack=stack),
    }


def tower(config: Config, stack: str, *, pools: bool = True) -> tuple[Term, ...]:
    """The terms of the tower.

    Args:
        config: The config of the tower.
        stack: The stack that its slots are in, which also stands before its hyper-parameters.
        pools: Whether it may have a head at all; the config says whether it has.

    Raises:
        ConfigError: A field is impossible or does not fit the others.
    """
    hidden = tower_size(config, "hidden_size", DEFAULTS, stack)
    patch = edges(config, "patch_size", DEFAULTS["patch_size"], stack=stack)
    image = edges(config, "image_size", DEFAULTS["image_size"], stack=stack)
    return (
        *projection(hidden, tower_size(config, "num_channels", DEFAULTS, stack), patch, stack=stack),
        embedding("position.embedding", patches(image, patch), hidden, stack=stack),
        *tower_layers(config, DEFAULTS, stack),
        *norm("final", hidden, bias=True, stack=stack),
        *(_head(config, stack) if config.flag("vision_use_head", default=True) and pools else ()),
    )


def _head(config: Config, stack: str) -> tuple[Term, ...]:
    """Attention of a learned vector to all patches, and a feed-forward layer."""
    hidden = tower_size(config, "hidden_size", DEFAULTS, stack)
    inner = tower_size(config, "intermediate_size", DEFAULTS, stack)
    return (
        Term(slot("other.probe", stack=stack), (ONE, ONE, hidden)),
        *linear("attention.pool_qkv", 3 * hidden, hidden, bias=True, stack=stack),
        *linear("attention.pool_o", hidden, hidden, bias=True, stack=stack),
        *norm("pool", hidden, bias=True, stack=stack),
        *linear("mlp.pool_up", inner, hidden, bias=True, stack=stack),
        *linear("mlp.pool_down", hidden, inner, bias=True, stack=stack),
    )
