"""Jamba: a few layers of attention among layers of Mamba, and experts in every other one.

Legend: `state`, `rank`, `kernel` are those of the Mamba layers, `wide` their width. A Mamba layer has
`attention.in_proj : (2 wide) x hidden`, `attention.conv : wide x 1 x kernel` and its bias, `attention.x_proj :
(rank + 2 state) x wide`, `attention.dt_proj : wide x rank` and its bias, `attention.A_log : wide x state`,
`attention.D : wide`, `attention.out_proj : hidden x wide`, `norm.dt : rank`, `norm.b`, `norm.c : state`; one of
attention `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`,
`attention.o : hidden x (heads x head)`. Every layer has `norm.input`, `norm.post_attention : hidden` and
`mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`, or `experts` times the same as `experts` with
`router.gate : experts x hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    norm,
    size,
    whole_heads,
)
from verify.architectures._mamba import Mamba, mixer_names, step_rank
from verify.architectures._moe import chosen_layers, routed, routing
from verify.architectures._names import ATTENTION, EMBEDDING
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.roles import Fused
from verify.symbols import Size

SOURCE = "Lieber et al. 2024, arXiv:2403.19887, section 2; transformers models/jamba/modeling_jamba.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                **ATTENTION,
                "layers.{}.mamba.dt_layernorm": "norm.dt",
                "layers.{}.mamba.b_layernorm": "norm.b",
                "layers.{}.mamba.c_layernorm": "norm.c",
                "layers.{}.feed_forward.gate_proj": "mlp.gate",
                "layers.{}.feed_forward.up_proj": "mlp.up",
                "layers.{}.feed_forward.down_proj": "mlp.down",
                "layers.{}.feed_forward.router": "router.gate",
                "layers.{}.feed_forward.experts.{}.gate_proj": "experts.gate",
                "layers.{}.feed_forward.experts.{}.up_proj": "experts.up",
                "layers.{}.feed_forward.experts.{}.down_proj": "experts.down",
                "layers.{}.input_layernorm": "norm.input",
                "layers.{}.pre_ff_layernorm": "norm.post_attention",
                "final_layernorm": "norm.final",
            }
        ),
        **mixer_names("layers.{}.mamba"),
        # transformers 5 holds the experts of a layer in two tensors, and writes them one by one.
        "layers.{}.feed_forward.experts.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up"))),
        "layers.{}.feed_forward.experts.down_proj": Fused((slot("experts.down"),)),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULT = "the default of JambaConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Jamba.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    # How to run it, and what an earlier version of its code asked for.
    config.set_aside("max_position_embeddings", "use_mamba_kernels", "use_mambapy", "use_associative_scan",
                     "num_logits_to_keep", "calc_logits_for_entire_prompt", "mamba_inner_layernorms")  # fmt: skip
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="jamba",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *_mixers(config, hidden, layers),
            *_feed_forward(config, hidden, layers),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _mixers(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Attention in every n-th layer, Mamba in the others (section 2, figure 1)."""
    full, others = _periodic(config, layers, "attn_layer", period=8, offset=4)
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    groups = kv_heads(config, heads, required=True)
    state = size(config, "mamba_d_state", default=16, definition=_DEFAULT)
    mixer = Mamba(
        inner=size(config, "mamba_expand", default=2, definition=_DEFAULT) * hidden,
        state=state,
        rank=step_rank(config, "mamba_dt_rank", hidden),
        kernel=size(config, "mamba_d_conv", default=4, definition=_DEFAULT),
        bias=config.flag("mamba_proj_bias", default=False),
        conv_bias=config.flag("mamba_conv_bias", default=True),
    )
    mamba = (
        *mixer.terms(hidden, others),
        *norm("dt", mixer.rank, others),
        *norm("b", state, others),
        *norm("c", state, others),
    )
    return (
        *(attention(hidden, heads, groups, head_dim, full) if full.indices else ()),
        *(mamba if others.indices else ()),
    )


def _feed_forward(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Experts in every n-th layer, a gated layer of the width of one in the others."""
    inner = size(config, "intermediate_size")
    sparse, dense = _periodic(config, layers, "expert_layer", period=2, offset=1)
    if config.integer("num_experts", "num_local_experts", default=16) == 1:
        # One expert needs no router, and is the gated layer itself.
        config.set_aside("num_experts_per_tok")
        return gated_mlp(hidden, inner, layers)
    routes = routing(config, "num_experts", "num_local_experts", experts=16, active=2)
    return (
        *(routed(routes, hidden, inner, sparse) if sparse.indices else ()),
        *(gated_mlp(hidden, inner, dense) if dense.indices else ()),
    )


def _periodic(config: Config, layers: Layers, name: str, *, period: int, offset: int) -> tuple[Layers, Layers]:
    """The layers `i` with `i % period == offset`, and the others; `period` and `offset` are the defaults.

    Raises:
        ConfigError: The offset is not smaller than the period.
    """
    every = config.integer(f"{name}_period", default=period)
    first = config.integer(f"{name}_offset", default=offset, minimum=0)
    if first >= every:
        raise ConfigError(
            f"{name}_offset {first} is not smaller than {name}_period {every}",
            expected="an offset below the period",
            hint="correct config.json",
        )
    chosen = range(first, len(layers.indices), every)
    return chosen_layers(layers, chosen, f"i % {name}_period == {name}_offset", f"i % {name}_period != {name}_offset")
