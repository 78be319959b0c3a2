"""OLMo: a Llama whose norms have no parameters.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`. Outside: `embedding.tokens : vocab x hidden`, `head.lm_head : vocab x hidden` unless
tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    head_size,
    kv_heads,
    size,
)
from verify.architectures._names import ATTENTION, EMBEDDING, GATED_MLP
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Groeneveld et al. 2024, arXiv:2402.00838, section 2.1; transformers models/olmo/modeling_olmo.py"
ALIASES = ()

NAMES = NameTable(backbone=modules({**EMBEDDING, **ATTENTION, **GATED_MLP}), head=DECODER_HEADS, prefixes=("model.",))


def formula(config: Config) -> Formula:
    """The parameters of an OLMo.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    bias = config.flag("attention_bias", default=False)
    config.set_aside("max_position_embeddings", "clip_qkv")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, kv_heads(config, heads), head_dim, layers, qkv_bias=bias, out_bias=bias),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *head_terms,
    )
    return Formula(name="olmo", source=SOURCE, terms=terms, extras=extras)
