"""Qwen3.5: three layers of linear attention to one of full attention, and a vision tower beside the text model.

Legend: `key`, `value`, `keys`, `values`, `kernel` are the head sizes, the numbers of heads and the convolution
of the linear layers. A linear layer has `attention.linear_qkv : (2 keys key + values value) x hidden`,
`attention.linear_z : (values value) x hidden`, `attention.linear_b`, `attention.linear_a : values x hidden`,
`attention.conv : (2 keys key + values value) x 1 x kernel`, `attention.dt_bias`, `attention.A_log : values`,
`norm.linear : value`, `attention.linear_o : hidden x (values value)`; a full one `attention.q : (2 heads head) x
hidden`, queries and their gate, `attention.k`, `attention.v : (kv_heads x head) x hidden`, `attention.o : hidden
x (heads x head)`, `norm.q`, `norm.k : head`. Every layer has `norm.input`, `norm.post_attention : hidden` and
`mlp.gate`, `mlp.up : inner x hidden`, `mlp.down : hidden x inner`. Outside: `embedding.tokens : vocab x hidden`,
`norm.final : hidden`, `head.lm_head : vocab x hidden` unless tied; the stack `vision` as in `_qwen_vision`.
"""

from verify.architectures._blocks import gated_mlp, size
from verify.architectures._names import GATED_MLP
from verify.architectures._qwen3_5 import compose, names
from verify.config import Config
from verify.formula import Formula, Layers, Term
from verify.names import modules
from verify.symbols import Size

SOURCE = (
    "Yang et al. 2024, arXiv:2412.06464, section 3; Qiu et al. 2025, arXiv:2505.06708, section 3; "
    "transformers models/qwen3_5/modeling_qwen3_5.py"
)
ALIASES = ("qwen3_5_text",)

NAMES = names(modules(GATED_MLP))


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3.5.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    return compose("qwen3_5", SOURCE, config, _feed_forward)


def _feed_forward(config: Config, hidden: Size, layers: Layers) -> tuple[Term, ...]:
    # Its configs repeat a key of the sparse model, whose every layer would be dense.
    config.set_aside("mlp_only_layers")
    return gated_mlp(hidden, size(config, "intermediate_size"), layers)
