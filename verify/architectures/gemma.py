"""Gemma: a Llama with heads of a size of their own and an output layer that is the embedding.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` only when it is not tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    norm,
    size,
)
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Gemma Team 2024, arXiv:2403.08295, section 2; transformers models/gemma/modeling_gemma.py"
ALIASES = ()

NAMES = NameTable(backbone=modules(LLAMA), head=DECODER_HEADS, prefixes=("model.",))


def formula(config: Config) -> Formula:
    """The parameters of a Gemma.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = size(config, "head_dim", default=256, definition="the default of GemmaConfig")
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("attention_bias", default=False)
    config.set_aside("max_position_embeddings", "use_bidirectional_attention")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="gemma", source=SOURCE, terms=terms, extras=extras)
