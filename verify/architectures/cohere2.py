"""Cohere 2 (Command R7B, Command A): a Cohere whose layers mostly attend to a window.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, `norm.input : hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final :
hidden`, `head.lm_head : vocab x hidden` only when it is not tied. The norms are LayerNorms without bias.
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
from verify.architectures._names import ATTENTION, EMBEDDING, GATED_MLP
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Cohere 2025, arXiv:2504.00698, section 2.1; transformers models/cohere2/modeling_cohere2.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            **ATTENTION,
            **GATED_MLP,
            "layers.{}.input_layernorm": "norm.input",
            "norm": "norm.final",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)

#: What the configs of Command R7B say besides, which the modelling code does not ask for.
_UNUSED = (
    "layer_switch",
    "order_of_interleaved_layers",
    "position_embedding_type",
    "sliding_window_pattern",
    "use_embedding_sharing",
    "use_gated_activation",
    "use_parallel_block",
    "use_parallel_embedding",
)


def formula(config: Config) -> Formula:
    """The parameters of a Cohere model of the second series.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    bias = config.flag("attention_bias", default=False)
    config.set_aside("max_position_embeddings", "layer_types", "logit_scale", *_UNUSED)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, kv_heads(config, heads), head_dim, layers, qkv_bias=bias, out_bias=bias),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="cohere2", source=SOURCE, terms=terms, extras=extras)
