"""Granite 4: Mamba-2 in most layers and attention in the others, each with experts or without.

Legend: `sheads`, `shead`, `groups`, `state`, `kernel` are those of the state-space layers, `moe` the width of a
routed expert, `shared` that of the layer every token uses. Mamba-2: `attention.in_proj : (2 sheads shead + 2 groups
state + sheads) x hidden`, `attention.conv : (sheads shead + 2 groups state) x 1 x kernel` and its bias,
`attention.dt_bias`, `attention.A_log`, `attention.D : sheads`, `norm.mixer : sheads shead`, `attention.out_proj :
hidden x (sheads shead)`. Attention: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads
x head) x hidden`, `attention.o : hidden x (heads x head)`. Every layer: `experts.shared.gate_up : (2 shared) x
hidden`, `experts.shared.down : hidden x shared`, `norm.input`, `norm.post_attention : hidden`, and where there are
experts `router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : moe x hidden`,
`experts.down : hidden x moe`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head :
vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    attention,
    decoder_head,
    embedding,
    head_size,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._mamba import Mamba2, mamba2_head_size, mixer_names
from verify.architectures._moe import chosen_layers, routed, routing, typed
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import Entry, NameTable, modules, slot
from verify.roles import Fused
from verify.symbols import Size

SOURCE = (
    "Dao and Gu 2024, arXiv:2405.21060, section 7; Shen et al. 2024, arXiv:2408.13359, section 2; "
    "transformers models/granitemoehybrid/modeling_granitemoehybrid.py"
)
ALIASES = ()

_UP: Entry = Fused((slot("experts.gate"), slot("experts.up")))
_DOWN: Entry = Fused((slot("experts.down"),))

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                **ATTENTION,
                **NORMS,
                "layers.{}.shared_mlp.input_linear": "experts.shared.gate_up",
                "layers.{}.shared_mlp.output_linear": "experts.shared.down",
                "layers.{}.block_sparse_moe.router": "router.gate",
                # What files hold: transformers 5 renames the router and the experts when it loads them.
                "layers.{}.block_sparse_moe.router.layer": "router.gate",
            }
        ),
        **mixer_names("layers.{}.mamba"),
        "layers.{}.block_sparse_moe.input_linear.weight": _UP,
        "layers.{}.block_sparse_moe.output_linear.weight": _DOWN,
        "layers.{}.block_sparse_moe.experts.gate_up_proj": _UP,
        "layers.{}.block_sparse_moe.experts.down_proj": _DOWN,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

#: Factors of activations, positions, and how to run the state-space layers.
_ASIDE = (
    "max_position_embeddings", "embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier",
    "position_embedding_type", "mamba_chunk_size", "time_step_limit", "normalization_function", "rope_theta",
)  # fmt: skip

_DEFAULT = "the default of GraniteMoeHybridConfig"

#: The words of `layer_types` for each mixer, of files and of transformers 5.
_MAMBA, _ATTENTION = ("mamba", "linear_attention"), ("attention", "full_attention")


def formula(config: Config) -> Formula:
    """The parameters of a Granite 4.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    config.set_aside(*_ASIDE)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    return Formula(
        name="granitemoehybrid",
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
    """Mamba-2 and attention, as `layer_types` says; Mamba-2 everywhere where it is missing."""
    words = typed(config, "layer_types", layers, (*_MAMBA, *_ATTENTION)) if "layer_types" in config else ()
    chosen = {index for index, word in enumerate(words) if word in _ATTENTION}
    full, others = chosen_layers(layers, chosen, "layer_types[i] is attention", "layer_types[i] is mamba")
    heads = size(config, "num_attention_heads")
    bias = config.flag("attention_bias", default=False)
    queries = attention(
        hidden, heads, kv_heads(config, heads), head_size(config, hidden, heads), full, qkv_bias=bias, out_bias=bias
    )
    mixer = _mamba(config, hidden).terms(hidden, others)
    return (*(queries if full.indices else ()), *(mixer if others.indices else ()))


def _mamba(config: Config, hidden: Size) -> Mamba2:
    heads = size(config, "mamba_n_heads", default=128, definition=_DEFAULT)
    inner = size(config, "mamba_expand", default=2, definition=_DEFAULT) * hidden
    return Mamba2(
        heads=heads,
        head_dim=mamba2_head_size(config, "mamba_d_head", inner, heads),
        state=size(config, "mamba_d_state", default=256, definition=_DEFAULT),
        groups=size(config, "mamba_n_groups", default=1, definition=_DEFAULT),
        kernel=size(config, "mamba_d_conv", default=4, definition=_DEFAULT),
        bias=config.flag("mamba_proj_bias", default=False),
        conv_bias=config.flag("mamba_conv_bias", default=True),
    )


def _feed_forward(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """A gated layer that every token uses, and experts where the config has any."""
    shared = size(config, "shared_intermediate_size", default=1024, definition=_DEFAULT)
    moe = size(config, "intermediate_size", default=11008, definition=_DEFAULT)
    always = (
        *linear("experts.shared.gate_up", 2 * shared, hidden, layers),
        *linear("experts.shared.down", hidden, shared, layers),
    )
    if config.integer("num_local_experts", default=8, minimum=0) == 0:
        config.set_aside("num_experts_per_tok")
        return always
    return *always, *routed(routing(config, "num_local_experts", experts=8, active=2), hidden, moe, layers)
