"""Qwen3-Next: three layers of linear attention to one of full attention, each with many experts.

Legend: `key`, `value`, `keys`, `values`, `kernel` are the head sizes, the numbers of heads and the convolution
of the linear layers, `moe` the width of a routed expert, `shared` that of the shared one. A linear layer has
`attention.qkvz : (2 keys key + 2 values value) x hidden`, `attention.ba : (2 values) x hidden`, `attention.conv
: (2 keys key + values value) x 1 x kernel`, `attention.dt_bias`, `attention.A_log : values`, `norm.linear :
value`, `attention.linear_o : hidden x (values value)`; a full one `attention.q : (2 heads head) x hidden`,
queries and their gate, `attention.k`, `attention.v : (kv_heads x head) x hidden`, `attention.o : hidden x
(heads x head)`, `norm.q`, `norm.k : head`. Every layer has `norm.input`, `norm.post_attention : hidden` and
`router.gate : experts x hidden`, `experts` times `experts.gate`, `experts.up : moe x hidden`, `experts.down :
hidden x moe`, the same with `shared` for `experts.shared`, and `router.shared : 1 x hidden`; or, where it is
dense, `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`. Outside: `embedding.tokens : vocab x
hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import DECODER_HEADS, decoder_head, embedding, gated_mlp, linear, norm, size
from verify.architectures._delta_net import (
    FUSED_LINEAR,
    LINEAR,
    SHARED_EXPERT,
    delta_net,
    full_attention,
    gated_attention,
    linear_and_full,
    predictor,
    predictor_names,
    quantised,
)
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, every_step, routed, routing
from verify.architectures._names import ATTENTION, EMBEDDING, GATED_MLP, NORMS, QK_NORMS
from verify.architectures._quantization import quantisation_extras
from verify.config import Config
from verify.formula import ONE, Extra, Formula, Layers, Term
from verify.names import Entry, NameTable, modules
from verify.symbols import Size

SOURCE = (
    "Yang et al. 2024, arXiv:2412.06464, section 3; Qiu et al. 2025, arXiv:2505.06708, section 3; "
    "transformers models/qwen3_next/modeling_qwen3_next.py"
)
ALIASES = ()

_LAYERS: dict[str, Entry] = {
    **modules({**ATTENTION, **QK_NORMS, **GATED_MLP, **NORMS, **ROUTER, **EXPERTS, **SHARED_EXPERT}),
    **FUSED_EXPERTS,
}

NAMES = NameTable(
    backbone={**modules({**EMBEDDING, **FUSED_LINEAR}), **LINEAR, **_LAYERS},
    head={**DECODER_HEADS, **predictor_names(_LAYERS)},
    # Qwen3NextForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)

_DEFAULT = "the default of Qwen3NextConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3-Next.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    linear_layers, full_layers = linear_and_full(config, layers)
    config.set_aside("max_position_embeddings")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *delta_net(config, hidden, linear_layers, fused=True),
        *gated_attention(full_attention(config), hidden, full_layers),
        *_feed_forward(config, hidden, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    predictors = _predictors(config, hidden)
    return Formula(
        name="qwen3_next",
        source=SOURCE,
        terms=terms,
        extras=(
            *extras,
            *predictors,
            *quantisation_extras(config, quantised(terms)),
            *(scales for extra in predictors for scales in quantisation_extras(config, extra.terms)),
        ),
    )


def _feed_forward(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Routed experts and a shared one behind its gate in the sparse layers, one gated layer in the dense ones."""
    dense, sparse = every_step(config, layers)
    inner = size(config, "intermediate_size", default=5632, definition=_DEFAULT)
    if config.integer("num_experts", default=512, minimum=0) == 0:
        dense, sparse = layers, Layers.some((), "no layer")
        config.set_aside("num_experts_per_tok", "moe_intermediate_size", "shared_expert_intermediate_size")
    return (
        *(gated_mlp(hidden, inner, dense) if dense.indices else ()),
        *(_experts(config, hidden, sparse) if sparse.indices else ()),
    )


def _experts(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    moe = size(config, "moe_intermediate_size", default=512, definition=_DEFAULT)
    shared = size(config, "shared_expert_intermediate_size", default=512, definition=_DEFAULT)
    return (
        *routed(routing(config, "num_experts", experts=512, active=10), hidden, moe, layers),
        *gated_mlp(hidden, shared, layers, name="experts.shared"),
        *linear("router.shared", ONE, hidden, layers),
    )


def _predictors(config: Config, hidden: Size) -> tuple[Extra, ...]:
    """Layers of full attention with experts; the published config does not name how many, and they are one."""
    number = config.integer("num_nextn_predict_layers", default=1, minimum=0)
    if not number or config.integer("num_experts", default=512, minimum=0) == 0:
        return ()
    layers = Layers.every(Size.symbol("num_nextn_predict_layers", number))
    block = (
        *gated_attention(full_attention(config), hidden, layers),
        *_experts(config, hidden, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
    )
    return (predictor(hidden, block),)
