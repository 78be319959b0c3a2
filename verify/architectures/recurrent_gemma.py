"""RecurrentGemma: two layers of a gated linear recurrence to one of local attention.

Legend: `lru` is the width of the recurrence, `block` its part for one head, `kernel` the width of its convolution,
`inner` half of what the config states. A recurrence has `attention.linear_x`, `attention.linear_y : lru x hidden`,
`attention.conv : lru x 1 x kernel`, `attention.recurrent : lru`, `attention.input_gate`,
`attention.recurrent_gate : heads x block x block`, `attention.linear_out : hidden x lru`; attention `attention.q :
(heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x
head)`. Every layer has `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, `norm.input`,
`norm.post_attention : hidden`. All but the norms and the queries, keys and values have a bias. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    linear,
    norm,
    size,
    whole_heads,
)
from verify.architectures._mamba import convolution
from verify.architectures._moe import chosen_layers
from verify.architectures._names import EMBEDDING
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = (
    "De et al. 2024, arXiv:2402.19427, section 2; Botev et al. 2024, arXiv:2404.07839, section 2; "
    "transformers models/recurrent_gemma/modeling_recurrent_gemma.py"
)
ALIASES = ()

_UNIT = "layers.{}.temporal_block.rg_lru"

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                "layers.{}.temporal_pre_norm": "norm.input",
                "layers.{}.channel_pre_norm": "norm.post_attention",
                "layers.{}.temporal_block.q_proj": "attention.q",
                "layers.{}.temporal_block.k_proj": "attention.k",
                "layers.{}.temporal_block.v_proj": "attention.v",
                "layers.{}.temporal_block.o_proj": "attention.o",
                "layers.{}.temporal_block.linear_x": "attention.linear_x",
                "layers.{}.temporal_block.linear_y": "attention.linear_y",
                "layers.{}.temporal_block.linear_out": "attention.linear_out",
                "layers.{}.temporal_block.conv_1d": "attention.conv",
                "layers.{}.mlp_block.gate_proj": "mlp.gate",
                "layers.{}.mlp_block.up_proj": "mlp.up",
                "layers.{}.mlp_block.down_proj": "mlp.down",
                "final_norm": "norm.final",
            }
        ),
        f"{_UNIT}.recurrent_param": slot("attention.recurrent"),
        f"{_UNIT}.input_gate_weight": slot("attention.input_gate"),
        f"{_UNIT}.input_gate_bias": slot("attention.input_gate.bias"),
        f"{_UNIT}.recurrent_gate_weight": slot("attention.recurrent_gate"),
        f"{_UNIT}.recurrent_gate_bias": slot("attention.recurrent_gate.bias"),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

#: The window of the attention, factors, how to initialise it, and a copy of `block_types`.
_ASIDE = (
    "attention_window_size", "logits_soft_cap", "w_init_variance_scale", "final_w_init_variance_scale",
    "embeddings_scale_by_sqrt_dim", "_block_types",
)  # fmt: skip


def formula(config: Config) -> Formula:
    """The parameters of a RecurrentGemma.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    stated = config.integer("intermediate_size", minimum=2)
    inner = Size.symbol("intermediate_size", stated) // 2
    config.set_aside(*_ASIDE)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="recurrent_gemma",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *_mixers(config, hidden, layers),
            *gated_mlp(hidden, inner, layers, bias=True),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _mixers(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention and recurrences, in a pattern that is repeated until the layers are full."""
    pattern = config.items("block_types", default=("recurrent", "recurrent", "attention"))
    if not pattern or any(word not in ("recurrent", "attention") for word in pattern):
        raise ConfigError(
            f"block_types is {list(pattern)}",
            expected="a list of 'recurrent' and 'attention'",
            hint="correct config.json",
        )
    chosen = {index for index in layers.indices if pattern[index % len(pattern)] == "attention"}
    text = "block_types[i % len(block_types)] is"
    full, others = chosen_layers(layers, chosen, f"{text} attention", f"{text} recurrent")
    heads = size(config, "num_attention_heads")
    head_dim = size(
        config, "head_dim", default=whole_heads(hidden, heads), definition="hidden_size // num_attention_heads"
    )
    if head_dim.value * heads.value != hidden.value:
        # transformers derives it and lets a config override it, the recurrence knows no other.
        raise ConfigError(
            f"head_dim is {head_dim.value}", expected=f"{hidden.value // heads.value}", hint="leave it out"
        )
    bias = config.flag("attention_bias", default=False)
    queries = attention(hidden, heads, kv_heads(config, heads), head_dim, full, qkv_bias=bias, out_bias=True)
    recurrence = _recurrence(config, hidden, heads, others)
    return (*(queries if full.indices else ()), *(recurrence if others.indices else ()))


def _recurrence(config: Config, hidden: Size, heads: Size, layers: Layers) -> tuple[Term, ...]:
    """A real-gated linear recurrent unit behind a convolution (De et al. 2024, sections 2.3 and 2.4)."""
    lru = size(config, "lru_width", default=hidden)
    kernel = size(config, "conv1d_width", default=4, definition="the default of RecurrentGemmaConfig")
    if lru.value % heads.value:
        raise ConfigError(
            f"lru_width {lru.value} is not divisible by num_attention_heads {heads.value}",
            expected="a divisor",
            hint="correct config.json",
        )
    block = lru // heads
    gates = tuple(
        term
        for name in ("input_gate", "recurrent_gate")
        for term in (
            Term(slot(f"attention.{name}"), (heads, block, block), layers),
            Term(slot(f"attention.{name}.bias"), (heads, block), layers),
        )
    )
    return (
        *linear("attention.linear_x", lru, hidden, layers, bias=True),
        *linear("attention.linear_y", lru, hidden, layers, bias=True),
        *convolution(lru, kernel, layers, bias=True),
        Term(slot("attention.recurrent"), (lru,), layers),
        *gates,
        *linear("attention.linear_out", hidden, lru, layers, bias=True),
    )
