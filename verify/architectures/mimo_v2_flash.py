"""MiMo-V2-Flash: attention over a window in most layers, with sinks and more key/value heads, and experts.

Legend: `head` is the size of a query/key head and `value` that of a value head, `window_heads` and
`window_kv_heads` the heads of layers that attend to a window, `inner` the width of a dense layer, `moe` that of
one expert. Per layer: `attention.q : (heads x head) x hidden`, `attention.k : (kv_heads x head) x hidden`,
`attention.v : (kv_heads x value) x hidden`, `attention.o : hidden x (heads x value)`, in layers with a window of
`window_heads` and `window_kv_heads` in their place, and `attention.sinks : window_heads`; `norm.input`,
`norm.post_attention : hidden`. A sparse layer has `router.gate : experts x hidden`, `experts` times
`experts.gate`, `experts.up : moe x hidden`, `experts.down : hidden x moe`, and the buffer `router.correction :
experts`; a dense one `mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`. Outside:
`embedding.tokens : vocab x hidden`, `norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied.
"""

from verify.architectures._blocks import (
    DECODER_HEADS,
    buffer,
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    linear,
    norm,
    size,
)
from verify.architectures._latent import CORRECTION, Defaults
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, chosen_layers, routed, routing, typed
from verify.architectures._names import LLAMA
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Formula, Layers, Term
from verify.names import NameTable, modules, slot
from verify.symbols import Size

SOURCE = (
    "Xiaomi 2026, arXiv:2601.02780, section 2; XiaomiMiMo/MiMo-V2-Flash modeling_mimo_v2_flash.py; "
    "transformers models/mimo_v2_flash/modeling_mimo_v2_flash.py"
)
ALIASES = ()

NAMES = NameTable(
    backbone={
        **modules({**LLAMA, **ROUTER, **EXPERTS}),
        **CORRECTION,
        **FUSED_EXPERTS,
        "layers.{}.self_attn.sinks": slot("attention.sinks"),
        # What files hold: transformers renames it when it loads them.
        "layers.{}.self_attn.attention_sink_bias": slot("attention.sinks"),
    },
    head=DECODER_HEADS,
    prefixes=("model.",),
)

_DEFAULTS = Defaults(
    "MiMoV2FlashConfig",
    {"intermediate_size": 16384, "moe_intermediate_size": 2048, "head_dim": 192, "v_head_dim": 128},
)


def formula(config: Config) -> Formula:
    """The parameters of a MiMo-V2-Flash.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    dense, sparse = _dense_and_sparse(config, layers)
    inner, moe = _DEFAULTS.size(config, "intermediate_size"), _DEFAULTS.size(config, "moe_intermediate_size")
    routes = routing(config, "n_routed_experts", "num_local_experts", "num_experts", experts=256, active=8)
    config.set_aside("max_position_embeddings", "swa_rope_theta", "sliding_window_size", "attention_chunk_size")
    config.set_aside("attention_value_scale", "layernorm_epsilon")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False)
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *_attention(config, hidden, layers),
        *(gated_mlp(hidden, inner, dense) if dense.indices else ()),
        *(routed(routes, hidden, moe, sparse) if sparse.indices else ()),
        *((buffer("router.correction", routes.experts, layers=sparse),) if sparse.indices else ()),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
    )
    return Formula(name="mimo_v2_flash", source=SOURCE, terms=terms, extras=extras)


def _attention(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """The attention of layers that see everything and of those that see a window, in one where they are alike."""
    window, everything = _window_and_everything(config, layers)
    sizes = _sizes(config)
    bias = config.flag("attention_bias", default=False)
    terms: list[Term] = []
    shapes = [
        {
            "attention.q": (heads * head, hidden),
            "attention.k": (groups * head, hidden),
            "attention.v": (groups * value, hidden),
            "attention.o": (hidden, heads * value),
        }
        for heads, groups, head, value in sizes
    ]
    for name, axes in shapes[0].items():
        kinds = ((everything, axes), (window, shapes[1][name])) if axes != shapes[1][name] else ((layers, axes),)
        for where, (out, into) in kinds:
            terms += linear(name, out, into, where, bias=bias and name != "attention.o") if where.indices else ()
    sinks = (
        (config.flag("add_full_attention_sink_bias", default=False), everything, sizes[0]),
        (config.flag("add_swa_attention_sink_bias", default=True), window, sizes[1]),
    )
    for present, where, (heads, *_) in sinks:
        if present and where.indices:
            terms.append(Term(slot("attention.sinks"), (heads,), where))
    return tuple(terms)


def _sizes(config: Config) -> tuple[tuple[Size, Size, Size, Size], tuple[Size, Size, Size, Size]]:
    """Heads, key/value heads and the sizes of both, of layers that see everything and of those that see a window.

    transformers has twice the key/value heads under a window; the repository's own code reads the `swa_` keys.
    """
    heads = size(config, "num_attention_heads")
    groups = kv_heads(config, heads, required=True)
    head, value = _DEFAULTS.size(config, "head_dim"), _DEFAULTS.size(config, "v_head_dim")
    window = (
        size(config, "swa_num_attention_heads", default=heads),
        size(config, "swa_num_key_value_heads", default=2 * groups),
        size(config, "swa_head_dim", default=head),
        size(config, "swa_v_head_dim", default=value),
    )
    if window[0].value % window[1].value:
        raise ConfigError(
            f"swa_num_key_value_heads {window[1].value} does not divide the {window[0].value} heads of a window",
            expected="a divisor",
            hint="correct config.json",
        )
    return (heads, groups, head, value), window


def _window_and_everything(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """As `layer_types` or `hybrid_layer_pattern` lists them, else the first and every sixth see everything."""
    if "layer_types" in config:
        words = typed(config, "layer_types", layers, ("full_attention", "sliding_attention"))
        window, text = _at(words, "sliding_attention"), "layer_types[i] == 'sliding_attention'"
    elif "hybrid_layer_pattern" in config:
        words = typed(config, "hybrid_layer_pattern", layers, ("0", "1"))
        window, text = _at(words, "1"), "hybrid_layer_pattern[i] == 1"
    else:
        window, text = {i for i in layers.indices if i and (i + 1) % 6}, "i > 0 and (i + 1) % 6 > 0"
    config.set_aside("layer_types", "hybrid_layer_pattern")
    return chosen_layers(layers, window, text, f"not ({text})")


def _dense_and_sparse(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """As `mlp_layer_types` or `moe_layer_freq` lists them, else the first layer is dense.

    Raises:
        ConfigError: A list does not fit the layers, or there are shared experts.
    """
    shared = config.integer("n_shared_experts", default=0, minimum=0)
    if shared:
        raise ConfigError(f"n_shared_experts is {shared}", expected="null", hint="no published model has them")
    if "mlp_layer_types" in config:
        words = typed(config, "mlp_layer_types", layers, ("dense", "sparse"))
        dense, text = _at(words, "dense"), "mlp_layer_types[i] == 'dense'"
    elif "moe_layer_freq" in config:
        words = typed(config, "moe_layer_freq", layers, ("0", "1"))
        dense, text = _at(words, "0"), "moe_layer_freq[i] == 0"
    else:
        dense, text = {0}, "i == 0"
    config.set_aside("mlp_layer_types", "moe_layer_freq")
    return chosen_layers(layers, dense, text, f"not ({text})")


def _at(words: tuple[str, ...], wanted: str) -> set[int]:
    return {index for index, word in enumerate(words) if word == wanted}
