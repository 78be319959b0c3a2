"""Qwen3-VL: a Qwen3 and a vision tower that feeds several layers of it.

The text model is that of `qwen3`; the tower is that of `_qwen_vision`, with the further mergers of `_qwen3_vl`.
"""

from verify.architectures._composite import text_model
from verify.architectures._qwen3_vl import vision_names, whole
from verify.config import Config
from verify.formula import Formula

SOURCE = "Bai et al. 2025, arXiv:2511.21631, section 2; transformers models/qwen3_vl/modeling_qwen3_vl.py"
ALIASES = ()

NAMES = vision_names("qwen3")


def formula(config: Config) -> Formula:
    """The parameters of a Qwen3-VL.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    return whole("qwen3_vl", SOURCE, config, text_model(config.section("text_config"), "qwen3"))
