"""GLM-4.5: grouped-query attention, and from some layer on experts with shared ones beside them.

Legend: `inner` is the width of a dense layer, `moe` that of one expert, `shared` the number of shared experts. Per
layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`, with
biases where the config says so, `attention.o : hidden x (heads x head)`, `norm.q`, `norm.k : head` where the
config says so, `norm.input`, `norm.post_attention : hidden`. The first layers have `mlp.gate`, `mlp.up : inner x
hidden`, `mlp.down : hidden x inner`; the others `router.gate : experts x hidden`, `experts` times `experts.gate`,
`experts.up : moe x hidden`, `experts.down : hidden x moe`, the same with `shared moe` for `experts.shared`, and
the buffer `router.correction : experts`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` unless tied.
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
from verify.architectures._latent import CORRECTION, PREDICTORS, Defaults, experts, predictors, scales
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, SHARED_EXPERTS, first_dense
from verify.architectures._names import LLAMA, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = "GLM-4.5 Team 2025, arXiv:2508.06471, section 2.1; transformers models/glm4_moe/modeling_glm4_moe.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules({**LLAMA, **QK_NORMS, **ROUTER, **EXPERTS, **SHARED_EXPERTS, **PREDICTORS}),
        **CORRECTION,
        **FUSED_EXPERTS,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULTS = Defaults(
    "Glm4MoeConfig",
    {
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "n_routed_experts": 128,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
    },
)


def formula(config: Config) -> Formula:
    """The parameters of a GLM-4.5.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    dense, sparse = first_dense(config, layers, default=1)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *_attention(config, hidden, layers),
        *gated_mlp(hidden, _DEFAULTS.size(config, "intermediate_size"), dense),
        *experts(config, hidden, sparse, _DEFAULTS),
        *norm("final", hidden),
        *head_terms,
    )
    further = predictors(config, hidden, vocab, layers, lambda after: _sparse_layer(config, hidden, after))
    return Formula(
        name="glm4_moe", source=SOURCE, terms=terms, extras=(*extras, *further, *scales(config, terms, further))
    )


def _attention(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention with the norms of a layer."""
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("attention_bias", default=False)
    normed = config.flag("use_qk_norm", default=False)
    return (
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias),
        *((*norm("q", head_dim, layers), *norm("k", head_dim, layers)) if normed else ()),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
    )


def _sparse_layer(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    return (*_attention(config, hidden, layers), *experts(config, hidden, layers, _DEFAULTS))
