"""Mistral: a Llama without biases, whose key/value heads have a number of their own.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied. The sliding window shapes
nothing.
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
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Jiang et al. 2023, arXiv:2310.06825, section 2; transformers models/mistral/modeling_mistral.py"
ALIASES = ("ministral",)

# MistralForQuestionAnswering calls its backbone `transformer`.
NAMES = NameTable(backbone=modules(LLAMA), head=DECODER_HEADS, prefixes=("model.", "transformer."))


def formula(config: Config) -> Formula:
    """The parameters of a Mistral.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    config.set_aside("max_position_embeddings", "layer_types")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        # MistralConfig gives a missing number 8, a null as many as query heads: no file relies on the former.
        *attention(hidden, heads, kv_heads(config, heads, required=True), head_dim, layers),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="mistral", source=SOURCE, terms=terms, extras=extras)
