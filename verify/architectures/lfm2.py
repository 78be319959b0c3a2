"""LFM2: short gated convolutions in most layers, grouped-query attention in the others.

Legend: `kernel` is the width of a convolution, `inner` what `_inner` makes of the stated width. A convolution has
`attention.in_proj : (3 hidden) x hidden`, `attention.conv : hidden x 1 x kernel`, `attention.out_proj : hidden x
hidden`; attention `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`, `norm.q`, `norm.k : head`. Every layer has `mlp.gate`, `mlp.up :
inner x hidden`, `mlp.down : hidden x inner`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, gated_mlp, norm, size
from verify.architectures._lfm2 import ASIDE, LAYERS, is_tied, mixers
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = "Liquid AI 2025, arXiv:2511.23404, section 2; transformers models/lfm2/modeling_lfm2.py"
ALIASES = ()

NAMES = NameTable(
    backbone=modules(LAYERS),
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULT = "the default of Lfm2Config"


def formula(config: Config) -> Formula:
    """The parameters of an LFM2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    # Left from Liquid's own configuration: the same things in other words, or how to initialise it.
    config.set_aside(*ASIDE)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=is_tied(config))
    return Formula(
        name="lfm2",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *mixers(config, hidden, layers),
            *gated_mlp(hidden, _inner(config), layers),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _inner(config: Config) -> Size:
    """The width of the feed-forward layer: two thirds of what is stated, scaled, and rounded up to a multiple.

    Raises:
        ConfigError: The scale is no positive number.
    """
    # Liquid's own key comes before the usual one.
    config.set_aside("intermediate_size")
    stated = size(config, "block_ff_dim" if "block_ff_dim" in config else "intermediate_size")
    multiple = size(config, "block_multiple_of", default=256, definition=_DEFAULT)
    without = config.states("block_ffn_dim_multiplier") and "block_ffn_dim_multiplier" not in config
    scale = config.number("block_ffn_dim_multiplier", default=1.0)
    if not config.flag("block_auto_adjust_ff_dim", default=True):
        return stated
    # The class computes int(2 * size / 3) and int(scale * size) in floating point.
    inner = 2 * stated // 3
    if not without:
        if not 0 < scale * inner.value < float("inf"):
            raise ConfigError(f"block_ffn_dim_multiplier is {scale}", expected="a positive number")
        if scale != 1:
            scaled = int(scale * inner.value)
            inner = Size.symbol(f"int(block_ffn_dim_multiplier*{inner.factor()})", scaled)
        inner = multiple * ((inner + (multiple - 1)) // multiple)
    if inner.value < 1:
        raise ConfigError(
            f"{stated.text()} {stated.value} leaves a feed-forward layer of no width",
            expected="a larger size",
            hint="correct config.json",
        )
    return inner
