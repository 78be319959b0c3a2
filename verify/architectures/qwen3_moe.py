"""Qwen3-MoE: a Qwen3 whose layers, all of them or every n-th, have experts in place of one feed-forward layer.

Legend: `inner` is the width of a dense layer, `moe` that of one expert. Per layer: `attention.q : (heads x head)
x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`,
`norm.q`, `norm.k : head`, `norm.input`, `norm.post_attention : hidden`. A sparse layer has `router.gate :
experts x hidden` and `experts` times `experts.gate`, `experts.up : moe x hidden`, `experts.down : hidden x moe`;
a dense one `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`. Outside: `embedding.tokens :
vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    head_size,
    kv_heads,
    norm,
    size,
)
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, every_step, routed, routing
from verify.architectures._names import LLAMA, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Yang et al. 2025, arXiv:2505.09388, section 2; transformers models/qwen3_moe/modeling_qwen3_moe.py"
ALIASES = ()

NAMES = NameTable(
    backbone={**modules({**LLAMA, **QK_NORMS, **ROUTER, **EXPERTS}), **FUSED_EXPERTS},
    head=DECODER_HEADS,
    # Qwen3MoeForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)

_DEFAULT = "the default of Qwen3MoeConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("attention_bias", default=False)
    inner = size(config, "intermediate_size", default=6144, definition=_DEFAULT)
    moe = size(config, "moe_intermediate_size", default=768, definition=_DEFAULT)
    routes = routing(config, "num_experts", "num_local_experts", experts=128, active=8)
    dense, sparse = every_step(config, layers)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *norm("q", head_dim, layers),
        *norm("k", head_dim, layers),
        *(gated_mlp(hidden, inner, dense) if dense.indices else ()),
        *(routed(routes, hidden, moe, sparse) if sparse.indices else ()),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="qwen3_moe", source=SOURCE, terms=terms, extras=extras)
