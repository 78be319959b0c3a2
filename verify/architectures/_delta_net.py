"""What the hybrid Qwen models share: linear attention with a gated delta rule between layers of full attention.

Legend: `key` and `value` are the sizes of a key and of a value head of the linear layers, `keys` and `values`
the numbers of such heads, `kernel` the width of the convolution. Linear layers have `attention.conv : (2 keys
key + values value) x 1 x kernel`, `attention.dt_bias`, `attention.A_log : values`, `norm.linear : value`,
`attention.linear_o : hidden x (values value)` and projections of the input, fused or apart: `attention.qkvz`
and `attention.ba`, or `attention.linear_qkv`, `.linear_z`, `.linear_b`, `.linear_a`. Full layers have a gate as
wide as the queries in one matrix with them: `attention.q : (2 heads head) x hidden`.

Source: Yang et al. 2024, arXiv:2412.06464, section 3 (gated delta networks); Qiu et al. 2025,
arXiv:2505.06708, section 3 (gated attention).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from verify.architectures._blocks import attention, kv_heads, linear, norm, size
from verify.architectures._moe import chosen_layers, typed
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Extra, Layers, Term
from verify.names import Entry, modules, slot
from verify.roles import Cause, Fused
from verify.symbols import Size

#: Names of a linear layer whose projections are fused, as Qwen3-Next has them.
FUSED_LINEAR = {
    "layers.{}.linear_attn.in_proj_qkvz": "attention.qkvz",
    "layers.{}.linear_attn.in_proj_ba": "attention.ba",
}

#: Names of a linear layer whose projections stand apart, as Qwen3.5 has them.
SPLIT_LINEAR = {
    "layers.{}.linear_attn.in_proj_qkv": "attention.linear_qkv",
    "layers.{}.linear_attn.in_proj_z": "attention.linear_z",
    "layers.{}.linear_attn.in_proj_b": "attention.linear_b",
    "layers.{}.linear_attn.in_proj_a": "attention.linear_a",
}

#: Names that both have.
LINEAR: dict[str, Entry] = {
    **modules(
        {
            "layers.{}.linear_attn.conv1d": "attention.conv",
            "layers.{}.linear_attn.norm": "norm.linear",
            "layers.{}.linear_attn.out_proj": "attention.linear_o",
        }
    ),
    "layers.{}.linear_attn.dt_bias": slot("attention.dt_bias"),
    "layers.{}.linear_attn.A_log": slot("attention.A_log"),
}

#: A shared expert behind a gate of its own.
SHARED_EXPERT = {
    "layers.{}.mlp.shared_expert.gate_proj": "experts.shared.gate",
    "layers.{}.mlp.shared_expert.up_proj": "experts.shared.up",
    "layers.{}.mlp.shared_expert.down_proj": "experts.shared.down",
    "layers.{}.mlp.shared_expert_gate": "router.shared",
}

#: What stands before and after the layers that predict further tokens.
_PREDICTOR = {
    "fc": "other.projection",
    "pre_fc_norm_embedding": "norm.embedding",
    "pre_fc_norm_hidden": "norm.hidden",
    "norm": "norm.final",
}

#: Projections too narrow for the blocks of an fp8 checkpoint, which leaves them as they were.
_NOT_QUANTISED = frozenset({"ba", "linear_b", "linear_a"})


@dataclass(frozen=True, slots=True)
class FullAttention:
    """The sizes of a layer of full attention."""

    heads: Size
    groups: Size
    head_dim: Size
    bias: bool


def full_attention(config: Config) -> FullAttention:
    """Read the sizes of the layers of full attention.

    Raises:
        ConfigError: One is missing or impossible, or the attention has no output gate.
    """
    heads = size(config, "num_attention_heads")
    if not config.flag("attn_output_gate", default=True):
        # vLLM leaves the gate out then, transformers does not read the key.
        raise ConfigError("attn_output_gate is false", expected="true", hint="implementations disagree on false")
    return FullAttention(
        heads,
        kv_heads(config, heads, required=True),
        size(config, "head_dim", default=256, definition="the default of the config class"),
        config.flag("attention_bias", default=False),
    )


def gated_attention(found: FullAttention, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Grouped-query attention with a gate beside the queries, and norms of queries and keys."""
    if not layers.indices:
        return ()
    plain = attention(
        hidden, found.heads, found.groups, found.head_dim, layers, qkv_bias=found.bias, out_bias=found.bias
    )
    queries = {slot("attention.q"), slot("attention.q.bias")}
    return (
        *(replace(term, axes=(2 * term.axes[0], *term.axes[1:])) if term.slot in queries else term for term in plain),
        *norm("q", found.head_dim, layers),
        *norm("k", found.head_dim, layers),
    )


def linear_and_full(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """The layers of linear and those of full attention.

    Raises:
        ConfigError: `layer_types` does not fit.
    """
    interval = config.integer("full_attention_interval", default=4)
    if "layer_types" in config:
        words = typed(config, "layer_types", layers, ("linear_attention", "full_attention"))
        full = {index for index, word in enumerate(words) if word == "full_attention"}
        text, others = "layer_types[i] is full_attention", "layer_types[i] is linear_attention"
    else:
        full = {index for index in layers.indices if (index + 1) % interval == 0}
        text, others = "(i + 1) % full_attention_interval == 0", "(i + 1) % full_attention_interval != 0"
    chosen, rest = chosen_layers(layers, full, text, others)
    return rest, chosen


def delta_net(config: Config, hidden: Size, layers: Layers, *, fused: bool) -> tuple[Term, ...]:
    """Linear attention with a gated delta rule.

    Args:
        config: Where its sizes are read.
        hidden: The width of the residual stream.
        layers: The layers that have it.
        fused: Whether the projections of the input are two matrices or four.

    Raises:
        ConfigError: The key heads do not divide the value heads.
    """
    note = "the default of the config class"
    key = size(config, "linear_key_head_dim", default=128, definition=note)
    value = size(config, "linear_value_head_dim", default=128, definition=note)
    keys = size(config, "linear_num_key_heads", default=16, definition=note)
    values = size(config, "linear_num_value_heads", default=32, definition=note)
    kernel = size(config, "linear_conv_kernel_dim", default=4, definition=note)
    if values.value % keys.value:
        raise ConfigError(
            f"linear_num_key_heads {keys.value} does not divide linear_num_value_heads {values.value}",
            expected="a divisor",
            hint="correct config.json",
        )
    if not layers.indices:
        return ()
    wide, gate = 2 * keys * key + values * value, values * value
    apart = {"linear_qkv": wide, "linear_z": gate, "linear_b": values, "linear_a": values}
    projections = {"qkvz": wide + gate, "ba": 2 * values} if fused else apart
    return (
        *(term for part, out in projections.items() for term in linear(f"attention.{part}", out, hidden, layers)),
        Term(slot("attention.conv"), (wide, ONE, kernel), layers),
        Term(slot("attention.dt_bias"), (values,), layers),
        Term(slot("attention.A_log"), (values,), layers),
        *norm("linear", value, layers),
        *linear("attention.linear_o", hidden, gate, layers),
    )


def predictor(hidden: Size, block: Iterable[Term]) -> Extra:
    """The layers that predict further tokens, with what joins them to the model; its embedding serves them too.

    Args:
        hidden: The width of the residual stream.
        block: The terms of these layers: full attention, as in the model.

    Source: vLLM `model_executor/models/qwen3_next_mtp.py`, `Qwen3NextMultiTokenPredictor`.
    """
    terms = (
        *linear("other.projection", hidden, 2 * hidden),
        *(term for name in ("embedding", "hidden", "final") for term in norm(name, hidden)),
        *block,
    )
    inside = tuple(replace(term, slot=replace(term.slot, stack="mtp")) for term in terms)
    return Extra(Cause.MTP_LAYER, inside, "layers that predict further tokens, which transformers does not load")


def predictor_names(block: Mapping[str, Entry]) -> dict[str, Entry]:
    """The names of these layers, from those of the layers of the model."""
    inside: dict[str, Entry] = {}
    for name, entry in (modules(_PREDICTOR) | dict(block)).items():
        if isinstance(entry, Fused):
            inside[f"mtp.{name}"] = replace(entry, slots=tuple(replace(each, stack="mtp") for each in entry.slots))
        else:
            inside[f"mtp.{name}"] = replace(entry, stack="mtp")
    return inside


def quantised(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The terms less those that an fp8 checkpoint leaves as they were."""
    return tuple(term for term in terms if term.slot.part not in _NOT_QUANTISED)
