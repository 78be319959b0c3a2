"""The layers of a Nemotron-H: which kinds there are, how a config names them, and their terms.

Source: NVIDIA 2025, arXiv:2504.03624, section 2; transformers models/nemotron_h/modeling_nemotron_h.py, `MIXER_TYPES`.
"""

from msgspec.structs import replace

from verify.architectures._blocks import attention, buffer, kv_heads, linear, mlp, norm, size
from verify.architectures._mamba import Mamba2
from verify.architectures._moe import routing
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Layers, Term
from verify.symbols import Size

#: The kinds of layers: a letter of `hybrid_override_pattern`, then the words of `layers_block_type`.
_KINDS = {
    "mamba": ("M", "mamba", "linear_attention"),
    "attention": ("*", "attention", "full_attention"),
    "mlp": ("-", "mlp"),
    "moe": ("E", "moe"),
}

#: What the kinds ask for, so that a config may state it where no layer is of that kind.
_KEYS = (
    "mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel", "use_bias", "use_conv_bias",
    "num_attention_heads", "num_key_value_heads", "head_dim", "attention_bias", "intermediate_size", "mlp_bias",
    "n_routed_experts", "moe_latent_size", "moe_intermediate_size", "moe_shared_expert_intermediate_size",
)  # fmt: skip

_DEFAULT = "the default of NemotronHConfig"


def pattern_of(config: Config, words: str, letters: str) -> tuple[str, ...]:
    """The kind of each layer: from a list of words, else from a string with one letter for each.

    Raises:
        ConfigError: Neither is there, or one holds something unknown.
    """
    key = words if words in config or letters not in config else letters
    found = config.items(words) if key == words else tuple(config.text(letters))
    config.set_aside(words, letters)
    known = {spelling: kind for kind, spellings in _KINDS.items() for spelling in spellings}
    for word in found:
        if not isinstance(word, str) or word not in known:
            raise ConfigError(
                f"{key} holds {word!r}", expected=f"one of {', '.join(known)}", hint="correct config.json"
            )
    if not found:
        raise ConfigError(f"{key} is empty", expected="one entry for each layer", hint="correct config.json")
    return tuple(known[str(word)] for word in found)


def layers_of(config: Config, hidden: Size, kinds: tuple[str, ...], *, key: str, count: str) -> tuple[Term, ...]:
    """The terms of layers of these kinds.

    Args:
        config: Where their sizes are read.
        hidden: The width of the residual stream.
        kinds: The kind of each layer.
        key: What the config calls the list of kinds.
        count: What it calls their number.
    """
    terms = {"mamba": _mamba, "attention": _attention, "mlp": _mlp, "moe": _moe}
    config.set_aside(*_KEYS)
    places = {kind: tuple(index for index, each in enumerate(kinds) if each == kind) for kind in _KINDS}
    return (
        *(
            term
            for kind, indices in places.items()
            if indices
            for term in terms[kind](config, hidden, Layers.some(indices, f"{key}[i] is {kind}"))
        ),
        *norm("input", hidden, Layers.every(Size.symbol(count, len(kinds)))),
    )


def _mamba(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    mixer = Mamba2(
        heads=size(config, "mamba_num_heads", default=128, definition=_DEFAULT),
        head_dim=size(config, "mamba_head_dim", default=64, definition=_DEFAULT),
        state=size(config, "ssm_state_size", default=128, definition=_DEFAULT),
        groups=size(config, "n_groups", "mamba_n_groups", default=8, definition=_DEFAULT),
        kernel=size(config, "conv_kernel", "mamba_d_conv", default=4, definition=_DEFAULT),
        bias=config.flag("use_bias", default=False),
        conv_bias=config.flag("use_conv_bias", "mamba_conv_bias", default=True),
    )
    return mixer.terms(hidden, layers)


def _attention(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    heads = size(config, "num_attention_heads")
    head_dim = size(config, "head_dim", default=128, definition=_DEFAULT)
    if config.flag("attention_bias", default=False):
        # NVIDIA's own code gives these layers biases then, transformers gives none.
        raise ConfigError("attention_bias is true", expected="false", hint="implementations disagree on true")
    return attention(hidden, heads, kv_heads(config, heads, required=True), head_dim, layers)


def _mlp(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    return mlp(hidden, size(config, "intermediate_size"), layers, bias=config.flag("mlp_bias", default=False))


def _moe(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Routed experts without gates, between projections to a narrower stream where there is one, and a shared one."""
    routes = routing(config, "n_routed_experts", "num_local_experts", "num_experts", experts=8, active=2)
    latent = size(config, "moe_latent_size", default=hidden)
    moe = size(config, "moe_intermediate_size", default=7688, definition=_DEFAULT)
    shared = size(config, "moe_shared_expert_intermediate_size", default=7688, definition=_DEFAULT)
    bias = config.flag("mlp_bias", default=False)
    narrower = (
        *linear("experts.latent_in", latent, hidden, layers, bias=bias),
        *linear("experts.latent_out", hidden, latent, layers, bias=bias),
    )
    routed = (
        *linear("experts.up", moe, latent, layers, copies=routes.experts),
        *linear("experts.down", latent, moe, layers, copies=routes.experts),
    )
    return (
        *linear("router.gate", routes.experts, hidden, layers),
        buffer("router.correction", routes.experts, layers=layers),
        *(replace(term, active=routes.active) for term in routed),
        *linear("experts.shared.up", shared, hidden, layers, bias=bias),
        *linear("experts.shared.down", hidden, shared, layers, bias=bias),
        *(narrower if "moe_latent_size" in config else ()),
    )
