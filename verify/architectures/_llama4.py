"""The language model of Llama 4, alone and under images.

Legend: `inner` is the width of one expert and of the shared one, `dense` that of a layer without experts. The
experts' matrices are stored `in x out`, those of a layer in two tensors.
"""

from verify.architectures._blocks import attention, embedding, gated_mlp, head_size, kv_heads, linear, norm, size
from verify.architectures._moe import chosen_layers, layer_indices, routing
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Layers, Term
from verify.names import Entry, modules, slot
from verify.roles import Fused
from verify.symbols import Size

TEXT_NAMES: dict[str, Entry] = {
    **modules(
        {
            **EMBEDDING,
            **ATTENTION,
            **NORMS,
            "layers.{}.feed_forward.gate_proj": "mlp.gate",
            "layers.{}.feed_forward.up_proj": "mlp.up",
            "layers.{}.feed_forward.down_proj": "mlp.down",
            "layers.{}.feed_forward.router": "router.gate",
            "layers.{}.feed_forward.shared_expert.gate_proj": "experts.shared.gate",
            "layers.{}.feed_forward.shared_expert.up_proj": "experts.shared.up",
            "layers.{}.feed_forward.shared_expert.down_proj": "experts.shared.down",
        }
    ),
    "layers.{}.feed_forward.experts.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up")), axis=1),
    "layers.{}.feed_forward.experts.down_proj": Fused((slot("experts.down"),)),
}

_DEFAULT = "the default of Llama4TextConfig"


def backbone(config: Config, hidden: Size, vocab: Size) -> tuple[Term, ...]:
    """The terms of the language model without its output layer.

    Args:
        config: The config, or its section `text_config`.
        hidden: The width of the residual stream.
        vocab: Rows of the embedding.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("attention_bias", default=False)
    dense_width = size(config, "intermediate_size_mlp", default=16384, definition=_DEFAULT)
    sparse, dense = _sparse_and_dense(config, layers)
    # Positions, chunks and scales of attention: numbers in the computation, the norm of queries and keys included,
    # which has no weight.
    config.set_aside(
        *("max_position_embeddings", "attention_chunk_size", "layer_types", "no_rope_layers", "use_qk_norm"),
        *("no_rope_layer_interval", "attn_temperature_tuning", "floor_scale", "attn_scale", "for_llm_compressor"),
    )
    return (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, _head_dim(config, hidden, heads), layers, qkv_bias=bias, out_bias=bias),
        *(gated_mlp(hidden, dense_width, dense) if dense.indices else ()),
        *_experts(config, hidden, sparse),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
    )


def _head_dim(config: Config, hidden: Size, heads: Size) -> Size:
    """`head_dim`; where the key is missing Llama4TextConfig has 128, where it is null the heads share the width."""
    if config.states("head_dim"):
        return head_size(config, hidden, heads)
    return size(config, "head_dim", default=128, definition=_DEFAULT)


def _sparse_and_dense(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """As `moe_layers` lists them, else every `interleave_moe_layer_step`-th layer has experts."""
    step = config.integer("interleave_moe_layer_step", default=1)
    if "moe_layers" in config:
        sparse, text = set(layer_indices(config, "moe_layers")), "i in moe_layers"
    else:
        sparse = {index for index in layers.indices if (index + 1) % step == 0}
        text = "(i + 1) % interleave_moe_layer_step == 0"
        config.set_aside("moe_layers")
    return chosen_layers(layers, sparse, text, f"not ({text})")


def _experts(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Routed experts, and one of the same width that every token uses."""
    inner = size(config, "intermediate_size", default=8192, definition=_DEFAULT)
    routes = routing(config, "num_local_experts", "num_experts", experts=16, active=1)
    if not layers.indices:
        return ()
    shapes = {"experts.gate": (hidden, inner), "experts.up": (hidden, inner), "experts.down": (inner, hidden)}
    return (
        *linear("router.gate", routes.experts, hidden, layers),
        *(Term(slot(name), axes, layers, routes.experts, routes.active) for name, axes in shapes.items()),
        *gated_mlp(hidden, inner, layers, name="experts.shared"),
    )
