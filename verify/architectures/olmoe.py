"""OLMoE: a Llama whose queries and keys are normalised over all heads, with experts in every layer.

Legend: `inner` is the width of one expert. Per layer: `attention.q : (heads x head) x hidden`, `attention.k`,
`attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`, `norm.q : heads x head`,
`norm.k : kv_heads x head`, `router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : inner x
hidden`, `experts.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens :
vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    kv_heads,
    norm,
    size,
    whole_heads,
)
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, routed, routing
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Muennighoff et al. 2024, arXiv:2409.02060, section 2; transformers models/olmoe/modeling_olmoe.py"
ALIASES = ()

NAMES = NameTable(
    backbone={**modules({**EMBEDDING, **ATTENTION, **QK_NORMS, **NORMS, **ROUTER, **EXPERTS}), **FUSED_EXPERTS},
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of an OLMoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    # OlmoeConfig has no size of a head, and the norm of the queries is as wide as the model.
    definition = "hidden_size // num_attention_heads"
    head_dim = size(config, "head_dim", default=whole_heads(hidden, heads), definition=definition)
    groups = kv_heads(config, heads)
    inner = size(config, "intermediate_size", default=2048, definition="the default of OlmoeConfig")
    bias = config.flag("attention_bias", default=False)
    routes = routing(config, "num_experts", "num_local_experts", experts=64, active=8)
    config.set_aside("max_position_embeddings", "clip_qkv")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *norm("q", hidden, layers),
        *norm("k", groups * head_dim, layers),
        *routed(routes, hidden, inner, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="olmoe", source=SOURCE, terms=terms, extras=extras)
