"""Qwen3-VL-MoE: a Qwen3-MoE and a vision tower that feeds several layers of it.

The text model is that of `qwen3_moe`; the tower is that of `_qwen_vision`, with the further mergers of `_qwen3_vl`.
"""

from dataclasses import replace

from verify.architectures._composite import text_model
from verify.architectures._qwen3_vl import vision_names, whole
from verify.config import Config
from verify.formula import Formula
from verify.names import slot
from verify.roles import Fused

SOURCE = "Bai et al. 2025, arXiv:2511.21631, section 2; transformers models/qwen3_vl_moe/modeling_qwen3_vl_moe.py"
ALIASES = ()

_EXPERTS = "language_model.layers.{}.mlp.experts"

# Files written by transformers 4.57 hold the experts as `hidden x inner`; version 5 turns them when it reads such a
# file (conversion_mapping.py), and writes `inner x hidden`.
NAMES = replace(
    vision_names("qwen3_moe"),
    layouts=(
        {
            f"{_EXPERTS}.gate_up_proj": Fused((slot("experts.gate"), slot("experts.up")), axis=1, turned=True),
            f"{_EXPERTS}.down_proj": Fused((slot("experts.down"),), turned=True),
        },
    ),
)

#: What Qwen3VLMoeTextConfig says where a config does not; Qwen3MoeConfig says otherwise.
_DEFAULTS = {"intermediate_size": 5632, "moe_intermediate_size": 1408, "num_experts_per_tok": 4}


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3-VL-MoE.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    text = config.section("text_config")
    experts = {} if "num_local_experts" in text else {"num_experts": 60}
    model = text_model(text, "qwen3_moe", defaults={**_DEFAULTS, **experts})
    return whole("qwen3_vl_moe", SOURCE, config, model)
