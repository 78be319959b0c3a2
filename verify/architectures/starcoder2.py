"""StarCoder 2: LayerNorm before each block, rotary positions, grouped queries, a plain MLP, biases.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`,
each with a bias of its output unless the config says otherwise, `norm.input`, `norm.post_attention :
hidden` with a bias. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden` with a bias,
`head.lm_head : vocab x hidden` only when it is not tied.
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

SOURCE = "Lozhkov et al. 2024, arXiv:2402.19173, section 5.1; transformers models/starcoder2/modeling_starcoder2.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(
        {
            **EMBEDDING,
            **ATTENTION,
            "layers.{}.mlp.c_fc": "mlp.up",
            "layers.{}.mlp.c_proj": "mlp.down",
            **NORMS,
        }
    ),
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a StarCoder 2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    bias = config.flag("use_bias", default=True)
    # The published configs name the kinds of MLP and norm, of which the modelling code has one each.
    config.set_aside("max_position_embeddings", "mlp_type", "norm_type", "residual_dropout", "embedding_dropout")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *mlp(hidden, size(config, "intermediate_size"), layers, bias=bias),
        *norm("input", hidden, layers, bias=True),
        *norm("post_attention", hidden, layers, bias=True),
        *norm("final", hidden, bias=True),
        *head_terms,
    )
    return Formula(name="starcoder2", source=SOURCE, terms=terms, extras=extras)
