"""Terms and names that decoders in the line of GPT share: fused attention, stored masks, partial rotation."""

from verify.architectures._blocks import DECODER_HEADS, attention, buffer, linear
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Layers, Term
from verify.names import Entry, buffers, modules
from verify.roles import Cause
from verify.symbols import Size

#: The names of their heads: the output of a token classifier is a `classifier`.
GPT_HEADS: dict[str, Entry] = {**DECODER_HEADS, **modules({"classifier": "head.score"})}

#: The keys of `rope_parameters`, of which only `partial_rotary_factor` bears on a shape.
_ROPE = (
    "rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings", "attention_factor",
    "beta_fast", "beta_slow", "short_factor", "long_factor", "low_freq_factor", "high_freq_factor",
    "mscale", "mscale_all_dim", "truncate",
)  # fmt: skip


def separate_attention(
    hidden: Size, layers: Layers, *, qkv_bias: bool = False, out_bias: bool = False
) -> tuple[Term, ...]:
    """`q`, `k`, `v`, `o : hidden x hidden`: together the heads are as wide as the model."""
    one = Size.of(1)
    return attention(hidden, one, one, hidden, layers, qkv_bias=qkv_bias, out_bias=out_bias)


def fused_attention(
    hidden: Size, out: Size, layers: Layers, *, bias: bool = False, out_bias: bool | None = None
) -> tuple[Term, ...]:
    """`qkv : out x hidden`, which holds queries, keys and values, and `o : hidden x hidden`."""
    return (
        *linear("attention.qkv", out, hidden, layers, bias=bias),
        *linear("attention.o", hidden, hidden, layers, bias=bias if out_bias is None else out_bias),
    )


def inner_size(config: Config, hidden: Size, *names: str) -> Size:
    """The width of the feed-forward layer: as one of the names states it, else four times the hidden size."""
    stated = any(name in config for name in names)
    value = config.integer(*names, default=1)
    return Size.symbol("intermediate_size", value) if stated else 4 * hidden


def mask_names(module: str) -> dict[str, Entry]:
    """Entries for the causal mask of an attention module and its fill value."""
    return buffers({f"{module}.bias": "attention.mask", f"{module}.masked_bias": "attention.mask_value"})


def masks(positions: Size, layers: Layers) -> tuple[Extra, ...]:
    """Causal masks of `1 x 1 x positions x positions` and their scalar fill value, each with every layer or none."""
    one = Size.of(1)
    note = "causal masks, saved by older versions of transformers"
    terms = (
        buffer("attention.mask", one, one, positions, positions, layers=layers),
        buffer("attention.mask_value", layers=layers),
    )
    return tuple(Extra(Cause.STORED_BUFFER, (term,), note) for term in terms)


def partial_rotary_buffer(config: Config, head_dim: Size, layers: Layers, *, default: float) -> Extra:
    """`rotary_emb.inv_freq` of each layer where only a share of a head's axes is rotated.

    Source: transformers `models/gpt_neox/modeling_gpt_neox.py` of early 2023: `rotary_ndims =
    int(head_size * rotary_pct)`, and a persistent buffer with one frequency for two axes.

    Args:
        config: Where the share is read.
        head_dim: The size of one head.
        layers: The layers that have the buffer.
        default: The share where the config does not say.

    Raises:
        ConfigError: The share is no number from 0 to 1.
    """
    share = _rotary_share(config, default)
    if not 0 <= share <= 1:
        raise ConfigError(f"rotary_pct is {share}", expected="a share of at most 1", hint="correct config.json")
    rotated = Size.symbol("rotary_ndims", int(head_dim.value * share), f"int(head_dim * {share})")
    term = buffer("position.inv_freq", (rotated + rotated.value % 2) // 2, layers=layers)
    return Extra(Cause.STORED_BUFFER, (term,), "rotary frequencies, saved by older versions of transformers")


def _rotary_share(config: Config, default: float) -> float:
    stated = ("rotary_pct", "partial_rotary_factor")
    if "rope_parameters" not in config or any(key in config for key in stated):
        return config.number(*stated, default=default)
    section = config.section("rope_parameters")
    section.set_aside(*_ROPE)
    return section.number("partial_rotary_factor", default=default)
