"""Experts behind a router: terms, layer patterns and names that sparse families share.

Legend: `experts` is the number of routed experts of a layer, `inner` the width of one. A sparse layer has
`router.gate : experts x hidden` and `experts` times `experts.gate`, `experts.up : inner x hidden`,
`experts.down : hidden x inner` (Shazeer et al. 2017, arXiv:1701.06538, section 2; Jiang et al. 2024,
arXiv:2401.04088, section 2.1).
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from verify.architectures._blocks import gated_mlp, linear
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Layers, Term
from verify.names import Entry, slot
from verify.roles import Fused
from verify.symbols import Size

ROUTER = {"layers.{}.mlp.gate": "router.gate"}

#: The experts of a layer, one by one, as files have them.
EXPERTS = {
    "layers.{}.mlp.experts.{}.gate_proj": "experts.gate",
    "layers.{}.mlp.experts.{}.up_proj": "experts.up",
    "layers.{}.mlp.experts.{}.down_proj": "experts.down",
}

#: Experts that every token uses.
SHARED_EXPERTS = {
    "layers.{}.mlp.shared_experts.gate_proj": "experts.shared.gate",
    "layers.{}.mlp.shared_experts.up_proj": "experts.shared.up",
    "layers.{}.mlp.shared_experts.down_proj": "experts.shared.down",
}

#: transformers 5 holds the experts of a layer in two tensors, and writes them one by one.
FUSED_EXPERTS: dict[str, Entry] = {
    "layers.{}.mlp.experts.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up"))),
    "layers.{}.mlp.experts.down_proj": Fused((slot("experts.down"),)),
}

#: Experts as Mixtral names them: `w1` is the gate, `w3` goes up and `w2` down.
MIXTRAL_EXPERTS = {
    "layers.{}.block_sparse_moe.gate": "router.gate",
    "layers.{}.block_sparse_moe.experts.{}.w1": "experts.gate",
    "layers.{}.block_sparse_moe.experts.{}.w3": "experts.up",
    "layers.{}.block_sparse_moe.experts.{}.w2": "experts.down",
}


@dataclass(frozen=True, slots=True)
class Routing:
    """How many experts a sparse layer has, and how many of them one token uses."""

    experts: Size
    active: Size


def routing(
    config: Config,
    *names: str,
    experts: int | None = None,
    active: int | None = None,
    chosen: tuple[str, ...] = ("num_experts_per_tok",),
) -> Routing:
    """Read how many experts there are and how many a token goes to.

    Args:
        config: Where to read them.
        names: The spellings of the number of experts, the family's own first.
        experts: Their number where the config does not say: the default of the config class.
        active: How many a token uses where the config does not say: the same.
        chosen: The spellings of that number.

    Raises:
        ConfigError: A token goes to more experts than there are.
    """
    number = config.integer(*names, default=experts)
    used = config.integer(*chosen, default=active)
    if used > number:
        raise ConfigError(
            f"{chosen[0]} {used} is more than {names[0]} {number}",
            expected="at most all experts",
            hint="correct config.json",
        )
    return Routing(Size.symbol("num_experts", number), Size.symbol("num_experts_per_tok", used))


def routed(routes: Routing, hidden: Size, inner: Size, layers: Layers, *, bias: bool = False) -> tuple[Term, ...]:
    """A router and the gated feed-forward layers that it chooses from.

    Args:
        routes: How many there are, and how many one token uses.
        hidden: The width of the residual stream.
        inner: The width of one expert.
        layers: The layers that have experts.
        bias: Whether the layers of the experts have biases.
    """
    experts = gated_mlp(hidden, inner, layers, name="experts", bias=bias, copies=routes.experts)
    return (
        *linear("router.gate", routes.experts, hidden, layers),
        *(replace(term, active=routes.active) for term in experts),
    )


def chosen_layers(layers: Layers, chosen: Container[int], text: str, others: str) -> tuple[Layers, Layers]:
    """The layers that are chosen and the others: (chosen, others), each described by a condition on `i`."""
    inside = [index for index in layers.indices if index in chosen]
    outside = [index for index in layers.indices if index not in chosen]
    return (
        layers if not outside else Layers.some(inside, text),
        layers if not inside else Layers.some(outside, others),
    )


def every_step(config: Config, layers: Layers) -> tuple[Layers, Layers]:
    """Dense and sparse layers as Qwen chooses them: every `decoder_sparse_step`-th, less `mlp_only_layers`.

    Source: transformers `models/qwen2_moe/modeling_qwen2_moe.py`, `Qwen2MoeDecoderLayer.__init__`.

    Raises:
        ConfigError: `mlp_only_layers` holds something else than layer indices.
    """
    step = config.integer("decoder_sparse_step", default=1)
    dense = layer_indices(config, "mlp_only_layers")
    sparse = {index for index in layers.indices if (index + 1) % step == 0} - set(dense)
    text = "(i + 1) % decoder_sparse_step == 0" + (" and i not in mlp_only_layers" if dense else "")
    there, elsewhere = chosen_layers(layers, sparse, text, f"not ({text})")
    return elsewhere, there


def first_dense(config: Config, layers: Layers, *, default: int | None = None) -> tuple[Layers, Layers]:
    """Dense and sparse layers as DeepSeek chooses them: the first `first_k_dense_replace` are dense.

    Raises:
        ConfigError: More layers are dense than there are, or only every n-th of the others is sparse.
    """
    first = config.integer("first_k_dense_replace", default=default, minimum=0)
    total = len(layers.indices)
    if first > total:
        raise ConfigError(
            f"first_k_dense_replace {first} is more than num_hidden_layers {total}",
            expected="at most all layers",
            hint="correct config.json",
        )
    every = config.integer("moe_layer_freq", default=1)
    if every != 1:
        # DeepSeek's own code makes only every n-th layer sparse, transformers ignores the key.
        raise ConfigError(f"moe_layer_freq is {every}", expected="1", hint="implementations disagree on any other")
    count = Size.symbol("first_k_dense_replace", first)
    return (
        Layers.some(range(first), "i < first_k_dense_replace", count),
        Layers.some(range(first, total), "i >= first_k_dense_replace", layers.count - count),
    )


def typed(config: Config, key: str, layers: Layers, known: Iterable[str]) -> tuple[str, ...]:
    """A list with one word per layer, such as `mlp_layer_types`.

    Raises:
        ConfigError: It has another length than there are layers, or a word that is not known.
    """
    words = tuple(str(word) for word in config.items(key))
    if len(words) != len(layers.indices):
        raise ConfigError(
            f"{key} has {len(words)} entries and num_hidden_layers is {len(layers.indices)}",
            expected="one for each layer",
            hint="correct config.json",
        )
    strange = next((word for word in words if word not in known), None)
    if strange is not None:
        raise ConfigError(f"{key} holds {strange!r}", expected=" or ".join(known), hint="correct config.json")
    return words


def layer_indices(config: Config, key: str) -> tuple[int, ...]:
    """A list of layer indices; one past the last layer changes nothing.

    Raises:
        ConfigError: It holds something else.
    """
    found = config.items(key, default=())
    indices = tuple(index for index in found if isinstance(index, int) and not isinstance(index, bool) and index >= 0)
    if len(indices) != len(found):
        raise ConfigError(f"{key} is {list(found)}", expected="layer indices", hint="correct config.json")
    return indices
