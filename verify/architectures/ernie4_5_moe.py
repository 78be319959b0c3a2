"""ERNIE 4.5 with experts: a Llama whose layers in some range have experts, and shared ones beside them.

Legend: `inner` is the width of a dense layer, `moe` that of one expert, `shared` the number of shared experts. All
linear layers but the router and the experts have biases where the config says so. Per layer: `attention.q : (heads
x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`,
`norm.input`, `norm.post_attention : hidden`. A sparse layer has `router.gate : experts x hidden`,
`router.correction : 1 x experts`, `experts` times `experts.gate`, `experts.up : moe x hidden`, `experts.down :
hidden x moe`, and the same with `shared moe` for `experts.shared`; a dense one `mlp.gate`, `mlp.up : inner x
hidden`, `mlp.down : hidden x inner`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`,
`head.lm_head : vocab x hidden` unless tied.
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
from verify.architectures._latent import Defaults
from verify.architectures._moe import (
    EXPERTS,
    FUSED_EXPERTS,
    ROUTER,
    SHARED_EXPERTS,
    chosen_layers,
    routed,
    routing,
)
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.formula import ONE, Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = (
    "Baidu 2025, 'ERNIE 4.5 Technical Report', https://yiyan.baidu.com/blog/publication, section 2.1; "
    "transformers models/ernie4_5_moe/modeling_ernie4_5_moe.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules({**LLAMA, **ROUTER, **EXPERTS, **SHARED_EXPERTS}),
        **FUSED_EXPERTS,
        # A parameter that is not trained by gradients; transformers moves it into the router.
        "layers.{}.mlp.moe_statics.e_score_correction_bias": slot("router.correction"),
        "layers.{}.mlp.gate.moe_statics.e_score_correction_bias": slot("router.correction"),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULTS = Defaults("Ernie4_5_MoeConfig", {"intermediate_size": 12288, "moe_intermediate_size": 1536})


def formula(config: Config) -> Formula:
    """The parameters of an ERNIE 4.5 with experts.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    inner = _DEFAULTS.size(config, "intermediate_size")
    bias = config.flag("use_bias", default=False)
    sparse, dense = _sparse_and_dense(config, layers)
    config.set_aside("max_position_embeddings", "moe_norm_min", "moe_capacity", "moe_gate", "moe_use_aux_free")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=True, bias=bias)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        *(gated_mlp(hidden, inner, dense, bias=bias) if dense.indices else ()),
        *_sparse(config, hidden, sparse, bias=bias),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="ernie4_5_moe", source=SOURCE, terms=terms, extras=extras)


def _sparse_and_dense(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """Every `moe_layer_interval`-th layer from one index to another, where -1 is the last layer, is sparse."""
    first = config.integer("moe_layer_start_index", default=1, minimum=0)
    last = config.integer("moe_layer_end_index", default=-1, minimum=-1)
    step = config.integer("moe_layer_interval", default=1)
    end = len(layers.indices) - 1 if last == -1 else last
    sparse = {index for index in layers.indices if first <= index <= end and (index + 1) % step == 0}
    text = "moe_layer_start_index <= i <= moe_layer_end_index" + (
        " and (i + 1) % moe_layer_interval == 0" if step > 1 else ""
    )
    return chosen_layers(layers, sparse, text, f"not ({text})")


def _sparse(config: Config, hidden: Size, layers: Layers, *, bias: bool) -> tuple[Term, ...]:
    """Routed experts, the shared ones as one layer, and the router's correction."""
    moe = _DEFAULTS.size(config, "moe_intermediate_size")
    names = ("moe_num_experts", "num_experts")
    routes = routing(config, *names, experts=64, active=6, chosen=("moe_k", "num_experts_per_tok"))
    number = config.integer("moe_num_shared_experts", default=2, minimum=0)
    if not layers.indices:
        return ()
    shared = gated_mlp(hidden, Size.symbol("n_shared_experts", number) * moe, layers, name="experts.shared", bias=bias)
    return (
        *routed(routes, hidden, moe, layers),
        Term(slot("router.correction"), (ONE, routes.experts), layers),
        *(shared if number else ()),
    )
