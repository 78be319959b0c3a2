"""MiniMax-Text-01: lightning attention in most layers, softmax attention in the others, experts in every layer.

Legend: `inner` is the width of one expert. Lightning layers: `attention.qkv : (3 heads x head) x hidden`,
`attention.gate : (heads x head) x hidden`, `norm.lightning : heads x head`, `attention.o : hidden x (heads x
head)`. Softmax layers: `attention.q : (heads x head) x hidden`, `attention.k`, `attention.v : (kv_heads x head) x
hidden`, `attention.o : hidden x (heads x head)`. Every layer: `router.gate : experts x hidden`, `experts` times
`experts.gate`, `experts.up : inner x hidden`, `experts.down : hidden x inner`, `norm.input`, `norm.post_attention :
hidden`. Outside: `embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless
tied. transformers keeps how each head decays as buffers of the lightning layers, over blocks of `block` positions:
`position.slope : heads x 1 x 1`, `position.query_decay`, `position.key_decay : heads x block x 1`,
`position.diagonal_decay : 1 x heads x block x block`.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    buffer,
    decoder_head,
    embedding,
    head_size,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._moe import FUSED_EXPERTS, MIXTRAL_EXPERTS, ROUTER, chosen_layers, routed, routing, typed
from verify.architectures._names import ATTENTION, EMBEDDING, NORMS
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Formula, Layers, Term
from verify.names import NameTable, buffers, modules
from verify.symbols import Size

SOURCE = "MiniMax 2025, arXiv:2501.08313, section 2; transformers models/minimax/modeling_minimax.py"
#: MiniMax-Text-01 and MiniMax-M1 as published, with modeling_minimax_text_01.py and modeling_minimax_m1.py.
ALIASES = ("minimax_text_01", "minimax_m1")

#: What weighs the branches and the residual stream, as transformers and as MiniMax spell it.
_FACTORS = (
    *("full_attn_alpha_factor", "linear_attn_alpha_factor", "mlp_alpha_factor"),
    *("full_attn_beta_factor", "linear_attn_beta_factor", "mlp_beta_factor"),
    *("layernorm_full_attention_alpha", "layernorm_linear_attention_alpha", "layernorm_mlp_alpha"),
    *("layernorm_full_attention_beta", "layernorm_linear_attention_beta", "layernorm_mlp_beta"),
)

NAMES = NameTable(
    backbone={
        **modules(
            {
                **EMBEDDING,
                **ATTENTION,
                **NORMS,
                **MIXTRAL_EXPERTS,
                **ROUTER,
                "layers.{}.self_attn.qkv_proj": "attention.qkv",
                "layers.{}.self_attn.out_proj": "attention.o",
                "layers.{}.self_attn.output_gate": "attention.gate",
                "layers.{}.self_attn.norm": "norm.lightning",
            }
        ),
        **buffers(
            {
                "layers.{}.self_attn.slope_rate": "position.slope",
                "layers.{}.self_attn.query_decay": "position.query_decay",
                "layers.{}.self_attn.key_decay": "position.key_decay",
                "layers.{}.self_attn.diagonal_decay": "position.diagonal_decay",
            }
        ),
        **FUSED_EXPERTS,
    },
    head=DECODER_HEADS,
    # MiniMaxForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of a MiniMax-Text-01.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    inner = size(config, "intermediate_size", default=14336, definition="the default of MiniMaxConfig")
    routes = routing(config, "num_local_experts", "num_experts", experts=8, active=2)
    config.set_aside("max_position_embeddings", "rotary_dim", "postnorm", *_FACTORS)
    shared = config.integer("shared_intermediate_size", default=0, minimum=0)
    if shared:
        raise ConfigError(
            f"shared_intermediate_size is {shared}", expected="0", hint="no published model has a shared expert"
        )
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *_attention(config, hidden, layers),
        *routed(routes, hidden, inner, layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="minimax", source=SOURCE, terms=terms, extras=extras)


def _attention(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """The two kinds of attention; both have an output of the same shape."""
    heads = size(config, "num_attention_heads")
    head_dim = head_size(config, hidden, heads)
    groups = kv_heads(config, heads, required=True)
    softmax, lightning = _softmax_and_lightning(config, layers)
    wide = heads * head_dim
    return (
        *linear("attention.q", wide, hidden, softmax),
        *linear("attention.k", groups * head_dim, hidden, softmax),
        *linear("attention.v", groups * head_dim, hidden, softmax),
        *linear("attention.qkv", 3 * wide, hidden, lightning),
        *linear("attention.gate", wide, hidden, lightning),
        *norm("lightning", wide, lightning),
        *linear("attention.o", hidden, wide, layers),
        *_decays(config, heads, lightning),
    )


def _decays(config: Config, heads: Size, layers: Layers) -> tuple[Term, ...]:
    """How fast each head forgets, which transformers registers and MiniMax's own code computes each time."""
    block = size(config, "block_size", default=256, definition="the default of MiniMaxConfig")
    if config.text("model_type", default="minimax") in ALIASES:
        return ()
    return (
        buffer("position.slope", heads, ONE, ONE, layers=layers),
        buffer("position.query_decay", heads, block, ONE, layers=layers),
        buffer("position.key_decay", heads, block, ONE, layers=layers),
        buffer("position.diagonal_decay", ONE, heads, block, block, layers=layers),
    )


def _softmax_and_lightning(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """As `layer_types` or `attn_type_list` lists them, else in turn, softmax first.

    Raises:
        ConfigError: A list does not fit the layers.
    """
    if "attn_type_list" in config:
        # The repository's own code: 0 is lightning, 1 is softmax.
        kinds = typed(config, "attn_type_list", layers, ("0", "1"))
        config.set_aside("layer_types")
        full, text = {index for index, kind in enumerate(kinds) if kind == "1"}, "attn_type_list[i] == 1"
    elif "layer_types" in config:
        words = typed(config, "layer_types", layers, ("full_attention", "linear_attention"))
        full = {index for index, word in enumerate(words) if word == "full_attention"}
        text = "layer_types[i] == 'full_attention'"
    else:
        full, text = {index for index in layers.indices if index % 2 == 0}, "i % 2 == 0"
    return chosen_layers(layers, full, text, f"not ({text})")
