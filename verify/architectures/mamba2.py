"""Mamba-2: state-space layers with heads, whose projections are one matrix.

Legend: `heads`, `head` and `groups` are those of the state-space layers, `state` the width of their state. Per
layer: `attention.in_proj : (2 heads head + 2 groups state + heads) x hidden`, `attention.conv : (heads head + 2
groups state) x 1 x kernel` and its bias, `attention.dt_bias`, `attention.A_log`, `attention.D : heads`,
`norm.mixer : heads head`, `attention.out_proj : hidden x (heads head)`, `norm.input : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, norm, size
from verify.architectures._mamba import Mamba2, expanded, mamba2_head_size, mixer_names
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = "Dao and Gu 2024, arXiv:2405.21060, section 7; transformers models/mamba2/modeling_mamba2.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                "embeddings": "embedding.tokens",
                # As the authors' own code calls it.
                "embedding": "embedding.tokens",
                "layers.{}.norm": "norm.input",
                "norm_f": "norm.final",
            }
        ),
        **mixer_names("layers.{}.mixer"),
    },
    head=DECODER_HEADS,
    prefixes=("backbone.", "model."),
)

#: Left from Mamba or from the authors' own configuration, or without a shape.
_ASIDE = (
    "intermediate_size", "time_step_rank", "time_step_min", "time_step_max", "time_step_floor", "time_step_limit",
    "time_step_scale", "time_step_init_scheme", "residual_in_fp32", "rescale_prenorm_residual", "chunk_size",
    "norm_before_gate", "rms_norm", "use_mambapy",
)  # fmt: skip

_DEFAULT = "the default of Mamba2Config"


def formula(config: Config) -> Formula:
    """The parameters of a Mamba-2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    config.set_aside(*_ASIDE)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="mamba2",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *_mixer(config, hidden).terms(hidden, layers),
            *norm("input", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _mixer(config: Config, hidden: Size) -> Mamba2:
    heads = size(config, "num_heads", default=128, definition=_DEFAULT)
    # Mamba2Config gives each head 64, and refuses heads that are not as wide together as the expansion says.
    known = Size.symbol("head_dim", config.integer("head_dim", default=64), "" if "head_dim" in config else _DEFAULT)
    mamba2_head_size(config, "head_dim", expanded(config, "expand", hidden), heads)
    return Mamba2(
        heads=heads,
        head_dim=known,
        state=size(config, "state_size", default=128, definition=_DEFAULT),
        groups=size(config, "n_groups", default=8, definition=_DEFAULT),
        kernel=size(config, "conv_kernel", default=4, definition=_DEFAULT),
        bias=config.flag("use_bias", default=False),
        conv_bias=config.flag("use_conv_bias", default=True),
    )
