"""GLM-4-0414: a GLM with a norm before and after each block.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, each with a bias of its output unless the config says otherwise, `attention.o : hidden x (heads x
head)`, `mlp.gate_up : (2 inner) x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_self_attention`, `norm.post_attention`, `norm.post_mlp : hidden`. Outside: `embedding.tokens :
vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._names import ATTENTION, EMBEDDING, FUSED_GATED_MLP, NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Team GLM 2024, arXiv:2406.12793, section 2; transformers models/glm4/modeling_glm4.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            **ATTENTION,
            **FUSED_GATED_MLP,
            **NORMS,
            # After attention and before the addition; `post_attention_layernorm` stands before the MLP.
            "layers.{}.post_self_attn_layernorm": "norm.post_self_attention",
            "layers.{}.post_mlp_layernorm": "norm.post_mlp",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a GLM-4-0414.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = size(config, "head_dim", default=128, definition="the default of Glm4Config")
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size")
    bias = config.flag("attention_bias", default=True)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias),
        *linear("mlp.gate_up", 2 * inner, hidden, layers),
        *linear("mlp.down", hidden, inner, layers),
        *norm("input", hidden, layers),
        *norm("post_self_attention", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("post_mlp", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="glm4", source=SOURCE, terms=terms, extras=extras)
