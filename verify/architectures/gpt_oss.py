"""gpt-oss: grouped-query attention with sinks, and experts with biases in every layer.

Legend: `inner` is the width of one expert. The experts' matrices are stored `in x out`, the gate and the upward
projection column by column in one. Per layer: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v
: (kv_heads x head) x hidden`, `attention.o : hidden x (heads x head)`, each with a bias, `attention.sinks : heads`,
`router.gate : experts x hidden` with a bias, `experts` times `experts.gate_up : hidden x (2 inner)` and
`experts.down : inner x hidden` with biases, `norm.input`, `norm.post_attention : hidden`. Outside:
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
from verify.architectures._moe import routing
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import Entry, NameTable, modules, slot
from verify.roles import Fused
from verify.symbols import Size

SOURCE = "OpenAI 2025, arXiv:2508.10925, section 2; transformers models/gpt_oss/modeling_gpt_oss.py"
ALIASES = ()

#: The experts of a layer, each kind in one tensor, also in the file.
_EXPERTS: dict[str, Entry] = {
    "layers.{}.mlp.experts.gate_up_proj": Fused((slot("experts.gate_up"),)),
    "layers.{}.mlp.experts.gate_up_proj_bias": Fused((slot("experts.gate_up.bias"),)),
    "layers.{}.mlp.experts.down_proj": Fused((slot("experts.down"),)),
    "layers.{}.mlp.experts.down_proj_bias": Fused((slot("experts.down.bias"),)),
}

NAMES = NameTable(
    backbone={
        **modules({**EMBEDDING, **ATTENTION, **NORMS, "layers.{}.mlp.router": "router.gate"}),
        **_EXPERTS,
        "layers.{}.self_attn.sinks": slot("attention.sinks"),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULT = "the default of GptOssConfig"


def formula(config: Config) -> Formula:
    """The parameters of a gpt-oss.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = _head_dim(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    inner = size(config, "intermediate_size", default=2880, definition=_DEFAULT)
    bias = config.flag("attention_bias", default=True)
    # The first is the length before its positions were stretched; the others shape how an expert squashes.
    config.set_aside("max_position_embeddings", "layer_types", "initial_context_length", "swiglu_limit", "swiglu_alpha")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *attention(hidden, heads, groups, head_dim, layers, qkv_bias=bias, out_bias=bias),
        Term(slot("attention.sinks"), (heads,), layers),
        *_experts(config, hidden, inner, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="gpt_oss", source=SOURCE, terms=terms, extras=extras)


def _head_dim(config: Config, hidden: Size, heads: Size) -> Size:
    """`head_dim`; where the key is missing GptOssConfig has 64, where it is null the heads share the width."""
    if config.states("head_dim"):
        return head_size(config, hidden, heads)
    return size(config, "head_dim", default=64, definition=_DEFAULT)


def _experts(config: Config, hidden: Size, inner: Size, layers: Layers) -> tuple[Term, ...]:
    """A router with a bias and the experts that it chooses from, which have biases too."""
    routes = routing(
        config,
        "num_local_experts",
        "num_experts",
        experts=128,
        active=4,
        chosen=("num_experts_per_tok", "experts_per_token"),
    )
    shapes = {
        "experts.gate_up": (hidden, 2 * inner),
        "experts.gate_up.bias": (2 * inner,),
        "experts.down": (inner, hidden),
        "experts.down.bias": (hidden,),
    }
    return (
        *linear("router.gate", routes.experts, hidden, layers, bias=True),
        *(Term(slot(name), axes, layers, routes.experts, routes.active) for name, axes in shapes.items()),
    )
