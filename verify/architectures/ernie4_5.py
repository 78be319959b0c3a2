"""ERNIE 4.5 without experts: a Llama with one flag for all biases.

Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`,
`attention.o : hidden x (heads x head)`, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, each with
a bias where the config says so, `norm.input`, `norm.post_attention : hidden`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
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
from verify.symbols import Size

SOURCE = (
    "Baidu 2025, 'ERNIE 4.5 Technical Report', https://yiyan.baidu.com/blog/publication, section 2; "
    "transformers models/ernie4_5/modeling_ernie4_5.py"
)
ALIASES = ()

NAMES = NameTable(backbone=modules(LLAMA), head=DECODER_HEADS, prefixes=("model.",))

_DEFAULT = "the default of Ernie4_5Config"


def formula(config: Config) -> Formula:
    """The parameters of an ERNIE 4.5 without experts.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size", default=3072, definition=_DEFAULT)
    bias = config.flag("use_bias", default=False)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="ernie4_5",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *attention(hidden, heads, groups, _head_dim(config, hidden, heads), layers, qkv_bias=bias, out_bias=bias),
            *gated_mlp(hidden, inner, layers, bias=bias),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _head_dim(config: Config, hidden: Size, heads: Size) -> Size:
    """`head_dim`; where the key is missing Ernie4_5Config has 128, where it is null the heads share the width."""
    if config.states("head_dim"):
        return head_size(config, hidden, heads)
    return size(config, "head_dim", default=128, definition=_DEFAULT)
