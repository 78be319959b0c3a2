"""Gemma 3, the text model: a Gemma 2 whose queries and keys are normalised per head.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `norm.q`, `norm.k : head`, `mlp.gate`, `mlp.up : inner
x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention`, `norm.pre_feedforward`,
`norm.post_feedforward : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` only when it is not tied.
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
    whole_heads,
)
from verify.architectures._names import FEEDFORWARD_NORMS, LLAMA, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Gemma Team 2025, arXiv:2503.19786, section 2; transformers models/gemma3/modeling_gemma3.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules({**LLAMA, **QK_NORMS, **FEEDFORWARD_NORMS}), head=DECODER_HEADS, prefixes=("model.",)
)


def formula(config: Config) -> Formula:
    """The parameters of a Gemma 3 without vision.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    # Heads have a size of their own, yet Gemma3TextConfig refuses a number that does not divide the hidden size.
    whole_heads(hidden, heads)
    head_dim = size(config, "head_dim", default=256, definition="the default of Gemma3TextConfig")
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("attention_bias", default=False)
    config.set_aside(
        "max_position_embeddings", "layer_types", "use_bidirectional_attention", "sliding_window_pattern",
        "_sliding_window_pattern",
    )  # fmt: skip
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *norm("q", head_dim, layers),
        *norm("k", head_dim, layers),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("pre_feedforward", hidden, layers),
        *norm("post_feedforward", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="gemma3_text", source=SOURCE, terms=terms, extras=extras)
