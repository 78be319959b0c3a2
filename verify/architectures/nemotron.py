"""Nemotron (Nemotron-4, Minitron): LayerNorm with a bias, rotary positions, grouped queries, a plain MLP.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`,
`norm.input`, `norm.post_attention : hidden` with a bias. Outside: `embedding.tokens : vocab x hidden`,
`norm.final : hidden` with a bias, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    head_size,
    kv_heads,
    mlp,
    norm,
    size,
)
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Parmar et al. 2024, arXiv:2402.16819, section 2; transformers models/nemotron/modeling_nemotron.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            **ATTENTION,
            "layers.{}.mlp.up_proj": "mlp.up",
            "layers.{}.mlp.down_proj": "mlp.down",
            **NORMS,
        }
    ),
    head=DECODER_HEADS,
    # NemotronForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of a Nemotron.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    bias = config.flag("attention_bias", default=False)
    mlp_bias = config.flag("mlp_bias", default=False)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, kv_heads(config, heads), head_dim, layers, qkv_bias=bias, out_bias=bias),
        *mlp(hidden, size(config, "intermediate_size"), layers, bias=mlp_bias),
        *norm("input", hidden, layers, bias=True),
        *norm("post_attention", hidden, layers, bias=True),
        *norm("final", hidden, bias=True),
        *head_terms,
    )
    return Formula(name="nemotron", source=SOURCE, terms=terms, extras=extras)
