"""State-space layers that mamba, mamba2 and the hybrids share.

Legend: `inner` is the width of the layer, `state` that of its state, `kernel` that of its convolution, `rank` the
rank of the step sizes, `heads` and `groups` the numbers of heads and of groups of a Mamba-2.

* Mamba (Gu and Dao 2023, arXiv:2312.00752, section 3.4): `attention.in_proj : (2 inner) x hidden`,
  `attention.conv : inner x 1 x kernel`, `attention.x_proj : (rank + 2 state) x inner`, `attention.dt_proj : inner
  x rank` with a bias, `attention.A_log : inner x state`, `attention.D : inner`, `attention.out_proj : hidden x
  inner`.
* Mamba-2 (Dao and Gu 2024, arXiv:2405.21060, section 7): `attention.in_proj : (2 inner + 2 groups state + heads) x
  hidden`, `attention.conv : (inner + 2 groups state) x 1 x kernel`, `attention.dt_bias`, `attention.A_log`,
  `attention.D : heads`, `norm.mixer : inner`, `attention.out_proj : hidden x inner`.
"""

from dataclasses import dataclass

from verify.architectures._blocks import linear, norm, size
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Layers, Term
from verify.names import Entry, modules, slot
from verify.symbols import Size


def mixer_names(module: str) -> dict[str, Entry]:
    """The names of the parts of a state-space layer that is called `module`."""
    parts = {part: f"attention.{part}" for part in ("in_proj", "x_proj", "dt_proj", "out_proj")}
    return {
        **modules({f"{module}.{part}": name for part, name in parts.items()}),
        **modules({f"{module}.conv1d": "attention.conv", f"{module}.norm": "norm.mixer"}),
        **{f"{module}.{part}": slot(f"attention.{part}") for part in ("A_log", "D", "dt_bias")},
    }


@dataclass(frozen=True, slots=True)
class Mamba:
    """The sizes of a Mamba layer, and which of its parts have a bias."""

    inner: Size
    state: Size
    rank: Size
    kernel: Size
    bias: bool
    conv_bias: bool

    def terms(self, hidden: Size, layers: Layers) -> tuple[Term, ...]:
        """Its terms."""
        return (
            *linear("attention.in_proj", 2 * self.inner, hidden, layers, bias=self.bias),
            *convolution(self.inner, self.kernel, layers, bias=self.conv_bias),
            *linear("attention.x_proj", self.rank + 2 * self.state, self.inner, layers),
            *linear("attention.dt_proj", self.inner, self.rank, layers, bias=True),
            Term(slot("attention.A_log"), (self.inner, self.state), layers),
            Term(slot("attention.D"), (self.inner,), layers),
            *linear("attention.out_proj", hidden, self.inner, layers, bias=self.bias),
        )


@dataclass(frozen=True, slots=True)
class Mamba2:
    """The sizes of a Mamba-2 layer, and which of its parts have a bias."""

    heads: Size
    head_dim: Size
    state: Size
    groups: Size
    kernel: Size
    bias: bool
    conv_bias: bool

    def terms(self, hidden: Size, layers: Layers) -> tuple[Term, ...]:
        """Its terms.

        Raises:
            ConfigError: The groups do not divide the heads.
        """
        if self.heads.value % self.groups.value:
            raise ConfigError(
                f"the state-space layers have {self.groups.value} groups and {self.heads.value} heads",
                expected="groups that divide the heads",
                hint="correct config.json",
            )
        inner = self.heads * self.head_dim
        mixed = inner + 2 * self.groups * self.state
        return (
            *linear("attention.in_proj", inner + mixed + self.heads, hidden, layers, bias=self.bias),
            *convolution(mixed, self.kernel, layers, bias=self.conv_bias),
            *(Term(slot(f"attention.{part}"), (self.heads,), layers) for part in ("dt_bias", "A_log", "D")),
            *norm("mixer", inner, layers),
            *linear("attention.out_proj", hidden, inner, layers, bias=self.bias),
        )


def convolution(channels: Size, kernel: Size, layers: Layers, *, bias: bool) -> tuple[Term, ...]:
    """A convolution along the sequence with one filter per channel (`torch.nn.Conv1d` with `groups=channels`)."""
    weight = Term(slot("attention.conv"), (channels, ONE, kernel), layers)
    return (weight, Term(slot("attention.conv.bias"), (channels,), layers)) if bias else (weight,)


def step_rank(config: Config, name: str, hidden: Size) -> Size:
    """The rank of the step sizes: a number, or `auto` for `ceil(hidden_size / 16)`.

    Raises:
        ConfigError: It is neither.
    """
    return _auto(config, name, hidden // 16 if hidden.value % 16 == 0 else (hidden + 15) // 16)


def mamba2_head_size(config: Config, name: str, inner: Size, heads: Size) -> Size:
    """The size of a head: a number, or `auto` for that of heads which are `inner` wide together.

    Raises:
        ConfigError: It is neither, or the heads are not `inner` wide together.
    """
    found = _auto(config, name, inner // heads)
    if found.value * heads.value != inner.value:
        raise ConfigError(
            f"{heads.value} state-space heads of {name} {found.value} are {found.value * heads.value} wide",
            expected=f"{inner.value}, the hidden size times the expansion",
            hint="correct config.json",
        )
    return found


def _auto(config: Config, name: str, derived: Size) -> Size:
    try:
        word = config.text(name, default="auto")
    except ConfigError:
        # No text, so it must be a number, or the message is about that.
        return size(config, name)
    if word != "auto":
        raise ConfigError(f"{name} is {word!r}", expected="a whole number or 'auto'", hint="correct config.json")
    return derived


def expanded(config: Config, name: str, hidden: Size) -> Size:
    """`int(expand * hidden_size)`; the factor need not be whole.

    Raises:
        ConfigError: The factor is no number, or leaves nothing.
    """
    factor = config.number(name, default=2)
    if isinstance(factor, int):
        return Size.symbol(name, config.integer(name, default=2)) * hidden
    # NaN is no more than 0 either.
    if not 0 < factor * hidden.value < float("inf") or int(factor * hidden.value) < 1:
        raise ConfigError(f"{name} is {factor}", expected="a positive number", hint="correct config.json")
    return Size.symbol(f"int({name}*{hidden.text()})", int(factor * hidden.value))
