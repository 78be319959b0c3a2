"""Phi-3.5-MoE: a Mixtral with LayerNorms that have biases, and biases of attention and output layer to choose.

Legend: `inner` is the width of one expert. Per layer: `attention.q : (heads x head) x hidden`, `attention.k`,
`attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`, `router.gate : experts x
hidden`, `experts` times `experts.gate`, `experts.up : inner x hidden`, `experts.down : hidden x inner`,
`norm.input`, `norm.post_attention : hidden`, each with a bias. Outside: `embedding.tokens : vocab x hidden`,
`norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    head_size,
    kv_heads,
    norm,
    size,
)
from verify.architectures._moe import FUSED_EXPERTS, MIXTRAL_EXPERTS, routed, routing
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Abdin et al. 2024, arXiv:2404.14219, section 2; transformers models/phimoe/modeling_phimoe.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules({**EMBEDDING, **ATTENTION, **NORMS, **MIXTRAL_EXPERTS, "layers.{}.mlp.router": "router.gate"}),
        **FUSED_EXPERTS,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Phi-3.5-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size", default=6400, definition="the default of PhimoeConfig")
    bias = config.flag("attention_bias", default=False)
    routes = routing(config, "num_local_experts", "num_experts", experts=16, active=2)
    config.set_aside("max_position_embeddings", "original_max_position_embeddings", "input_jitter_noise")
    head_terms, extras = decoder_head(
        config, vocab, hidden, tied_by_default=False, bias=config.flag("lm_head_bias", default=False)
    )
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *routed(routes, hidden, inner, layers),
        *norm("input", hidden, layers, bias=True),
        *norm("post_attention", hidden, layers, bias=True),
        *norm("final", hidden, bias=True),
        *head_terms,
    )
    return Formula(name="phimoe", source=SOURCE, terms=terms, extras=extras)
