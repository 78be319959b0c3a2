"""Qwen3: a Llama whose queries and keys are normalised per head.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `norm.q`, `norm.k : head`, `mlp.gate`, `mlp.up : inner
x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
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
from verify.architectures._names import LLAMA, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Yang et al. 2025, arXiv:2505.09388, section 2; transformers models/qwen3/modeling_qwen3.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules({**LLAMA, **QK_NORMS}),
    head=DECODER_HEADS,
    # Qwen3ForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    # Qwen3Config gives each head 128 where the config is silent, whatever the hidden size.
    head_dim = size(config, "head_dim", default=128, definition="the default of Qwen3Config")
    bias = config.flag("attention_bias", default=False)
    groups = kv_heads(config, heads, required=True)
    # Queries and keys always have their norms; a converter states it.
    config.set_aside("max_position_embeddings", "layer_types", "use_qk_norm")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *norm("q", head_dim, layers),
        *norm("k", head_dim, layers),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="qwen3", source=SOURCE, terms=terms, extras=extras)
