"""Mamba: nothing but selective state-space layers, each behind a norm.

Legend: `inner` is the width of a layer, `state` that of its state, `rank` the rank of its step sizes. Per layer:
`attention.in_proj : (2 inner) x hidden`, `attention.conv : inner x 1 x kernel` and its bias, `attention.x_proj :
(rank + 2 state) x inner`, `attention.dt_proj : inner x rank` and its bias, `attention.A_log : inner x state`,
`attention.D : inner`, `attention.out_proj : hidden x inner`, `norm.input : hidden`. Outside: `embedding.tokens :
vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, norm, size
from verify.architectures._mamba import Mamba, expanded, mixer_names, step_rank
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules

SOURCE = "Gu and Dao 2023, arXiv:2312.00752, section 3; transformers models/mamba/modeling_mamba.py"
# Falcon-Mamba normalises its step sizes and states without weights.
ALIASES = ("falcon_mamba",)

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
    prefixes=("backbone.",),
)

#: Left from the authors' own configuration, or without a shape.
_ASIDE = (
    "d_model", "d_inner", "n_layer", "ssm_cfg", "rms_norm", "residual_in_fp32", "fused_add_norm", "use_mambapy",
    "pad_vocab_size_multiple", "rescale_prenorm_residual", "time_step_scale", "time_step_min", "time_step_max",
    "time_step_init_scheme", "time_step_floor", "use_associative_scan", "use_falcon_mambapy", "mixer_rms_eps",
)  # fmt: skip


def formula(config: Config) -> Formula:
    """The parameters of a Mamba.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    # The class derives the width from the expansion, and takes the width that a config states before it.
    inner = size(config, "intermediate_size", default=expanded(config, "expand", hidden))
    mixer = Mamba(
        inner=inner,
        state=size(config, "state_size", default=16, definition="the default of MambaConfig"),
        rank=step_rank(config, "time_step_rank", hidden),
        kernel=size(config, "conv_kernel", default=4, definition="the default of MambaConfig"),
        bias=config.flag("use_bias", default=False),
        conv_bias=config.flag("use_conv_bias", default=True),
    )
    config.set_aside(*_ASIDE)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True)
    return Formula(
        name="mamba",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *mixer.terms(hidden, layers),
            *norm("input", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )
