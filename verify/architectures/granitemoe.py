"""Granite-MoE: a Llama with experts in every layer, whose gate and upward projection are stored in one tensor.

Legend: `inner` is the width of one expert, `shared` that of the layer that every token uses besides (in
granitemoeshared, unless it is 0). Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v :
(kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`, `router.gate : experts x hidden`, `experts`
times `experts.gate`, `experts.up : inner x hidden`, `experts.down : hidden x inner`, `experts.shared.gate_up : (2
shared) x hidden`, `experts.shared.down : hidden x shared`, `norm.input`, `norm.post_attention : hidden`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
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
from verify.architectures._moe import routed, routing
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import Entry, NameTable, modules, slot
from verify.roles import Fused
from verify.symbols import Size

SOURCE = (
    "Shen et al. 2024, arXiv:2408.13359, section 2 (Power-MoE, of which it is an instance); "
    "transformers models/granitemoe/modeling_granitemoe.py"
)
ALIASES = ("granitemoeshared",)

_UP: Entry = Fused((slot("experts.gate"), slot("experts.up")))
_DOWN: Entry = Fused((slot("experts.down"),))

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                **ATTENTION,
                **NORMS,
                "layers.{}.block_sparse_moe.router": "router.gate",
                # What files hold: transformers 5 renames the router and the experts when it loads them.
                "layers.{}.block_sparse_moe.router.layer": "router.gate",
                "layers.{}.shared_mlp.input_linear": "experts.shared.gate_up",
                "layers.{}.shared_mlp.output_linear": "experts.shared.down",
            }
        ),
        "layers.{}.block_sparse_moe.input_linear.weight": _UP,
        "layers.{}.block_sparse_moe.output_linear.weight": _DOWN,
        "layers.{}.block_sparse_moe.experts.gate_up_proj": _UP,
        "layers.{}.block_sparse_moe.experts.down_proj": _DOWN,
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)


def formula(config: Config) -> Formula:
    """The parameters of a Granite-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads)
    inner = size(config, "intermediate_size", default=11008, definition="the default of GraniteMoeConfig")
    bias = config.flag("attention_bias", default=False)
    routes = routing(config, "num_local_experts", "num_experts", experts=8, active=2)
    config.set_aside(
        "max_position_embeddings",
        *("embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier"),
    )
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *routed(routes, hidden, inner, layers),
        *_shared(config, hidden, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="granitemoe", source=SOURCE, terms=terms, extras=extras)


def _shared(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """The layer that granitemoeshared has beside the experts, unless its width is 0."""
    if not config.integer("shared_intermediate_size", default=0, minimum=0):
        return ()
    width = size(config, "shared_intermediate_size")
    return (
        *linear("experts.shared.gate_up", 2 * width, hidden, layers),
        *linear("experts.shared.down", hidden, width, layers),
    )
