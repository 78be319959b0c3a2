"""Qwen3.5-MoE: a Qwen3.5 whose feed-forward layers are experts behind a router, one of them shared.

Legend: `moe` is the width of a routed expert, `shared` that of the shared one. Layers of attention, norms, and
what stands outside are those of `qwen3_5`. Every layer has `router.gate : experts x hidden`, `experts` times
`experts.gate`, `experts.up : moe x hidden`, `experts.down : hidden x moe`, the same with `shared` for
`experts.shared`, and `router.shared : 1 x hidden`.
"""

from verify.architectures._blocks import gated_mlp, linear, size
from verify.architectures._delta_net import SHARED_EXPERT
from verify.architectures._moe import EXPERTS, FUSED_EXPERTS, ROUTER, routed, routing
from verify.architectures._qwen3_5 import compose, names
from verify.config import Config
from verify.errors import ConfigError
from verify.formula import ONE, Formula, Layers, Term
from verify.names import modules
from verify.symbols import Size

SOURCE = (
    "Yang et al. 2024, arXiv:2412.06464, section 3; Qiu et al. 2025, arXiv:2505.06708, section 3; "
    "transformers models/qwen3_5_moe/modeling_qwen3_5_moe.py"
)
ALIASES = ("qwen3_5_moe_text",)

# Published files hold the experts of a layer in two tensors, others one by one.
NAMES = names({**modules({**ROUTER, **EXPERTS, **SHARED_EXPERT}), **FUSED_EXPERTS})

_DEFAULT = "the default of Qwen3_5MoeTextConfig"


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3.5-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    return compose("qwen3_5_moe", SOURCE, config, _feed_forward)


def _feed_forward(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    """Routed experts, the shared one, and the gate that weighs it; every layer is sparse."""
    moe = size(config, "moe_intermediate_size", default=512, definition=_DEFAULT)
    shared = size(config, "shared_expert_intermediate_size", default=512, definition=_DEFAULT)
    dense = config.items("mlp_only_layers", default=())
    if dense:
        # vLLM makes these layers dense, transformers does not read the key.
        raise ConfigError(
            f"mlp_only_layers is {list(dense)}", expected="an empty list", hint="implementations disagree on any other"
        )
    return (
        *routed(routing(config, "num_experts", experts=256, active=8), hidden, moe, layers),
        *gated_mlp(hidden, shared, layers, name="experts.shared"),
        *linear("router.shared", ONE, hidden, layers),
    )
