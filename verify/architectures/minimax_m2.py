"""MiniMax-M2: grouped-query attention with queries and keys normalised over all heads, experts in every layer.

Legend: `inner` is the width of one expert. Per layer: `attention.q : (heads x head) x hidden`, `attention.k`,
`attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`, `norm.q : heads x head`,
`norm.k : kv_heads x head`, `router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : inner x
hidden`, `experts.down : hidden x inner`, the buffer `router.correction : experts`, `norm.input`,
`norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head :
vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    buffer,
    decoder_head,
    embedding,
    kv_heads,
    norm,
    size,
)
from verify.architectures._moe import FUSED_EXPERTS, MIXTRAL_EXPERTS, ROUTER, routed, routing
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS, QK_NORMS
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers
from verify.names import NameTable, buffers, modules

SOURCE = (
    "MiniMax 2025, https://huggingface.co/MiniMaxAI/MiniMax-M2, section 'Model Details' and modeling_minimax_m2.py; "
    "transformers models/minimax_m2/modeling_minimax_m2.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules({**EMBEDDING, **ATTENTION, **QK_NORMS, **NORMS, **MIXTRAL_EXPERTS, **ROUTER}),
        **buffers(
            {
                "layers.{}.block_sparse_moe.e_score_correction_bias": "router.correction",
                "layers.{}.mlp.e_score_correction_bias": "router.correction",
            }
        ),
        **FUSED_EXPERTS,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULT = "the default of MiniMaxM2Config"


def formula(config: Config) -> Formula:
    """The parameters of a MiniMax-M2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = size(config, "head_dim", default=128, definition=_DEFAULT)
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size", default=1536, definition=_DEFAULT)
    routes = routing(config, "num_local_experts", "num_experts", experts=256, active=8)
    # The published file and transformers build one layer for all and no layers that predict further tokens.
    config.set_aside("max_position_embeddings", "rotary_dim", "attn_type_list", "use_qk_norm", "qk_norm_type")
    config.set_aside("use_routing_bias", "use_mtp", "num_mtp_modules", "mtp_transformer_layers")
    if config.integer("shared_intermediate_size", default=0, minimum=0):
        raise ConfigError("shared_intermediate_size is not 0", expected="0", hint="no published model shows the layout")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers),
        *norm("q", heads * head_dim, layers),
        *norm("k", groups * head_dim, layers),
        *routed(routes, hidden, inner, layers),
        buffer("router.correction", routes.experts, layers=layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="minimax_m2", source=SOURCE, terms=terms, extras=extras)
