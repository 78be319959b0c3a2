"""OLMo 2 and 3: norms after each block instead of before it, and over all queries and all keys.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `norm.q : heads x head`, `norm.k : kv_heads x head`, in
one axis, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.post_attention`,
`norm.post_feedforward : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
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
from verify.architectures._names import ATTENTION, EMBEDDING, GATED_MLP, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "OLMo Team 2025, arXiv:2501.00656, section 2.1; transformers models/olmo2/modeling_olmo2.py"
#: OLMo 3 makes some layers attend to a window, which changes no parameter.
ALIASES = ("olmo3",)

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            **ATTENTION,
            **QK_NORMS,
            **GATED_MLP,
            "layers.{}.post_attention_layernorm": "norm.post_attention",
            "layers.{}.post_feedforward_layernorm": "norm.post_feedforward",
            "norm": "norm.final",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of an OLMo 2 or OLMo 3.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads)
    bias = config.flag("attention_bias", default=False)
    config.set_aside("max_position_embeddings", "layer_types")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *norm("q", heads * head_dim, layers),
        *norm("k", groups * head_dim, layers),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("post_attention", hidden, layers),
        *norm("post_feedforward", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="olmo2", source=SOURCE, terms=terms, extras=extras)
