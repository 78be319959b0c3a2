"""Qwen2-MoE: a Qwen2 with routed experts, and one shared expert behind a gate of its own.

Legend: `inner` is the width of a dense layer, `moe` that of a routed expert, `shared` that of the shared one. Per
layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`, each
with a bias, `attention.o : hidden x (heads x head)`, `norm.input`, `norm.post_attention : hidden`. A sparse layer
has `router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : moe x hidden`, `experts.down :
hidden x moe`, the same with `shared` for `experts.shared`, and `router.shared : 1 x hidden`; a dense one
`mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`. Outside: `embedding.tokens : vocab x hidden`,
`norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    head_size,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, every_step, routed, routing
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import ONE, Formula, Layers, Term
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = "Yang et al. 2024, arXiv:2407.10671, section 2.2.2; transformers models/qwen2_moe/modeling_qwen2_moe.py"
ALIASES = ()

_SHARED = {
    "layers.{}.mlp.shared_expert.gate_proj": "experts.shared.gate",
    "layers.{}.mlp.shared_expert.up_proj": "experts.shared.up",
    "layers.{}.mlp.shared_expert.down_proj": "experts.shared.down",
    "layers.{}.mlp.shared_expert_gate": "router.shared",
}

NAMES = NameTable(
    backbone={**modules({**LLAMA, **ROUTER, **EXPERTS, **_SHARED}), **FUSED_EXPERTS},
    head=DECODER_HEADS,
    # Qwen2MoeForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)

_DEFAULT = "the default of Qwen2MoeConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Qwen2-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size", default=5632, definition=_DEFAULT)
    dense, sparse = every_step(config, layers)
    config.set_aside("max_position_embeddings", "layer_types")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=config.flag("qkv_bias", default=True)),
        *(gated_mlp(hidden, inner, dense) if dense.indices else ()),
        *_sparse(config, hidden, sparse),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="qwen2_moe", source=SOURCE, terms=terms, extras=extras)


def _sparse(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Routed experts, the shared one, and the gate that weighs it."""
    routes = routing(config, "num_experts", experts=60, active=4)
    moe = size(config, "moe_intermediate_size", default=1408, definition=_DEFAULT)
    shared = size(config, "shared_expert_intermediate_size", default=5632, definition=_DEFAULT)
    if not layers.indices:
        return ()
    return (
        *routed(routes, hidden, moe, layers),
        *gated_mlp(hidden, shared, layers, name="experts.shared"),
        *linear("router.shared", ONE, hidden, layers),
    )
