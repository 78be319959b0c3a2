"""The vision tower of Pixtral: a transformer like Llama's over patches, with rotary positions in two dimensions.

Legend: `hidden` and `inner` are the widths of the tower. Outside the layers: `embedding.patches : hidden x channels x
patch x patch`, `norm.embeddings : hidden`. Per layer: `attention.q`, `.k`, `.v`, `.o : hidden x hidden`, `mlp.gate`,
`mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`.

Source: Agrawal et al. 2024, arXiv:2410.07073, section 2; transformers models/pixtral/modeling_pixtral.py.
"""

from verify.architectures._blocks import attention, gated_mlp, norm, whole_heads
from verify.architectures._clip import tower_size
from verify.architectures._vision import edges, projection
from verify.config import Config
from verify.formula import ONE, Layers, Term
from verify.names import Entry, modules

#: What a config leaves out when it has the number of the class (`PixtralVisionConfig`).
DEFAULTS = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_channels": 3,
    "patch_size": 16,
}

_LAYER = {
    "attention.q_proj": "attention.q",
    "attention.k_proj": "attention.k",
    "attention.v_proj": "attention.v",
    "attention.o_proj": "attention.o",
    "feed_forward.gate_proj": "mlp.gate",
    "feed_forward.up_proj": "mlp.up",
    "feed_forward.down_proj": "mlp.down",
    "attention_norm": "norm.input",
    "ffn_norm": "norm.post_attention",
}


def tower_names(prefix: str, stack: str) -> dict[str, Entry]:
    """The names inside the tower."""
    layers = {f"{prefix}transformer.layers.{{}}.{module}": text for module, text in _LAYER.items()}
    outside = {f"{prefix}patch_conv": "embedding.patches", f"{prefix}ln_pre": "norm.embeddings"}
    return modules({**layers, **outside}, stack=stack)


def tower(config: Config, stack: str) -> tuple[Term, ...]:
    """The terms of the tower.

    Args:
        config: The config of the tower.
        stack: The stack that its slots are in, which also stands before its hyper-parameters.

    Raises:
        ConfigError: A field is impossible or does not fit the others.
    """
    hidden = tower_size(config, "hidden_size", DEFAULTS, stack)
    inner = tower_size(config, "intermediate_size", DEFAULTS, stack)
    layers = Layers.every(tower_size(config, "num_hidden_layers", DEFAULTS, stack))
    whole_heads(hidden, tower_size(config, "num_attention_heads", DEFAULTS, stack))
    patch = edges(config, "patch_size", DEFAULTS["patch_size"], stack=stack)
    # Positions are computed, and the class takes the size of a head from the number of them.
    config.set_aside("image_size", "head_dim")
    return (
        *projection(hidden, tower_size(config, "num_channels", DEFAULTS, stack), patch, bias=False, stack=stack),
        *norm("embeddings", hidden, stack=stack),
        # All heads together are as wide as the tower, so that one head of the full width has the same shapes.
        *attention(hidden, ONE, ONE, hidden, layers, stack=stack),
        *gated_mlp(hidden, inner, layers, stack=stack),
        *norm("input", hidden, layers, stack=stack),
        *norm("post_attention", hidden, layers, stack=stack),
    )
