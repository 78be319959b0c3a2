"""LFM2-MoE: an LFM2 whose feed-forward layers are experts behind a router, the first few excepted.

Legend: `kernel` is the width of a convolution, `moe` that of an expert. Mixers, norms, and what stands outside are
those of `lfm2`. The first layers have `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`; the
others `router.gate : experts x hidden`, the buffer `router.correction : experts`, and `experts` times
`experts.gate`, `experts.up : moe x hidden`, `experts.down : hidden x moe`.
"""

from verify.architectures._blocks import DECODER_HEADS, buffer, decoder_head, embedding, gated_mlp, norm, size
from verify.architectures._lfm2 import ASIDE, LAYERS, is_tied, mixers
from verify.architectures._moe import chosen_layers, routed, routing
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, buffers, modules, slot
from verify.roles import Fused
from verify.symbols import Size

SOURCE = "Liquid AI 2025, arXiv:2511.23404, section 2; transformers models/lfm2_moe/modeling_lfm2_moe.py"
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules(
            {
                **LAYERS,
                "layers.{}.feed_forward.gate": "router.gate",
                "layers.{}.feed_forward.experts.{}.w1": "experts.gate",
                "layers.{}.feed_forward.experts.{}.w3": "experts.up",
                "layers.{}.feed_forward.experts.{}.w2": "experts.down",
            }
        ),
        **buffers({"layers.{}.feed_forward.expert_bias": "router.correction"}),
        # transformers 5 holds the experts of a layer in two tensors, and writes them one by one.
        "layers.{}.feed_forward.experts.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up"))),
        "layers.{}.feed_forward.experts.down_proj": Fused((slot("experts.down"),)),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULT = "the default of Lfm2MoeConfig"


def formula(config: Config) -> Formula:
    """The parameters of an LFM2-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    if "layer_types" not in config:
        raise ConfigError("layer_types is missing", expected="it in config.json", hint="the class has no default")
    config.set_aside("full_attn_idxs", *ASIDE)
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=is_tied(config))
    return Formula(
        name="lfm2_moe",
        source=SOURCE,
        terms=(
            embedding("embedding.tokens", vocab, hidden),
            *mixers(config, hidden, layers),
            *_feed_forward(config, hidden, layers),
            *norm("input", hidden, layers),
            *norm("post_attention", hidden, layers),
            *norm("final", hidden),
            *head_terms,
        ),
        extras=extras,
    )


def _feed_forward(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """A dense layer in the first few, experts in the others; the router's correction is no parameter."""
    first = config.integer("num_dense_layers", default=2, minimum=0)
    dense, sparse = chosen_layers(layers, range(first), "i < num_dense_layers", "i >= num_dense_layers")
    inner = size(config, "intermediate_size", default=7168, definition=_DEFAULT)
    moe = size(config, "moe_intermediate_size", default=1792, definition=_DEFAULT)
    routes = routing(config, "num_experts", experts=32, active=4)
    corrected = config.flag("use_expert_bias", default=True)
    experts = (
        *routed(routes, hidden, moe, sparse),
        *((buffer("router.correction", routes.experts, layers=sparse),) if corrected else ()),
    )
    return (
        *(gated_mlp(hidden, inner, dense) if dense.indices else ()),
        *(experts if sparse.indices else ()),
    )
