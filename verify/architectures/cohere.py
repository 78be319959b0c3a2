"""Cohere (Command R): attention and feed-forward layer side by side behind one norm.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down :
hidden x inner`, `norm.input : hidden`; where the config asks for it `norm.q : heads x head` and `norm.k :
kv_heads x head`, a weight for each head. Outside: `embedding.tokens : vocab x hidden`, `norm.final :
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
from verify.architectures._names import ATTENTION, EMBEDDING, GATED_MLP, QK_NORMS
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules, slot

SOURCE = (
    "Wang and Komatsuzaki 2021, 'GPT-J-6B' (parallel blocks); Cohere 2024, model card of c4ai-command-r-v01, section "
    "'Model Details'; transformers models/cohere/modeling_cohere.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            **ATTENTION,
            **QK_NORMS,
            **GATED_MLP,
            "layers.{}.input_layernorm": "norm.input",
            "norm": "norm.final",
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Cohere model of the first series (Command R, Aya 23).

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
    qk_norms = (
        Term(slot("norm.q"), (heads, head_dim), layers),
        Term(slot("norm.k"), (groups, head_dim), layers),
    )
    config.set_aside("max_position_embeddings", "model_max_length", "logit_scale")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *(qk_norms if config.flag("use_qk_norm", default=False) else ()),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="cohere", source=SOURCE, terms=terms, extras=extras)
