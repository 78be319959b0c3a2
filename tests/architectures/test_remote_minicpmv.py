"""MiniCPM-V 2, whose code transformers does not have: every tensor by hand from that code.

The table was derived from `MiniCPMV` of modeling_minicpmv.py, `Resampler` of resampler.py and the class
`VisionTransformer` of timm; the number of elements of the published file is half its `total_size`, in bytes.
"""

import pytest

from verify import architectures
from verify.breakdown import expect, measure
from verify.config import Config
from verify.errors import ConfigError
from verify.evidence.packing import unpack
from verify.explain import explain
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shapes = dict[str, tuple[int, ...]]

TINY: Values = {
    "model_type": "minicpmv",
    "architectures": ["MiniCPMV"],
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
    "vision_encoder": "vit_so400m_patch14_siglip_384.webli",
    "drop_vision_last_layer": True,
    "query_num": 10,
}
REAL: Values = {
    **TINY,
    "vocab_size": 122753,
    "hidden_size": 2304,
    "intermediate_size": 5760,
    "num_hidden_layers": 40,
    "num_attention_heads": 36,
    "num_key_value_heads": 36,
    "query_num": 64,
}

LAYER: Shapes = {
    "self_attn.q_proj.weight": (24, 24), "self_attn.k_proj.weight": (12, 24), "self_attn.v_proj.weight": (12, 24),
    "self_attn.o_proj.weight": (24, 24), "mlp.gate_proj.weight": (37, 24), "mlp.up_proj.weight": (37, 24),
    "mlp.down_proj.weight": (24, 37), "input_layernorm.weight": (24,), "post_attention_layernorm.weight": (24,),
}  # fmt: skip
BLOCK: Shapes = {
    "norm1.weight": (1152,), "norm1.bias": (1152,), "norm2.weight": (1152,), "norm2.bias": (1152,),
    "attn.qkv.weight": (3456, 1152), "attn.qkv.bias": (3456,), "attn.proj.weight": (1152, 1152),
    "attn.proj.bias": (1152,), "mlp.fc1.weight": (4304, 1152), "mlp.fc1.bias": (4304,),
    "mlp.fc2.weight": (1152, 4304), "mlp.fc2.bias": (1152,),
}  # fmt: skip
#: Ten queries become a square of nine; an image of 384 pixels has 27 x 27 patches of 14.
FILE: Shapes = {
    "llm.model.embed_tokens.weight": (97, 24),
    "llm.model.norm.weight": (24,),
    "llm.lm_head.weight": (97, 24),
    **{f"llm.model.layers.{layer}.{name}": shape for layer in range(2) for name, shape in LAYER.items()},
    "vpm.patch_embed.proj.weight": (1152, 3, 14, 14),
    "vpm.patch_embed.proj.bias": (1152,),
    "vpm.pos_embed": (1, 729, 1152),
    **{f"vpm.blocks.{layer}.{name}": shape for layer in range(26) for name, shape in BLOCK.items()},
    "vpm.norm.weight": (1152,),
    "vpm.norm.bias": (1152,),
    "resampler.query": (9, 24),
    "resampler.pos_embed": (9, 24),
    "resampler.kv_proj.weight": (24, 1152),
    "resampler.attn.in_proj_weight": (72, 24),
    "resampler.attn.in_proj_bias": (72,),
    "resampler.attn.out_proj.weight": (24, 24),
    "resampler.attn.out_proj.bias": (24,),
    **{f"resampler.{name}.{part}": (24,) for name in ("ln_q", "ln_kv", "ln_post") for part in ("weight", "bias")},
    "resampler.proj": (24, 24),
}


def causes(values: Values, shapes: Shapes) -> list[tuple[Cause, bool]]:
    config = Config(values)
    family = architectures.find("minicpmv")
    formula = family.formula(config)
    assert config.unread() == ()
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in shapes.items()]
    found = explain(expect(formula.terms), formula.extras, measure(unpack(tensors, ""), family.NAMES))
    return [(finding.cause, finding.explained) for finding in found]


def test_every_tensor_of_the_code_is_predicted_and_no_other() -> None:
    assert causes(TINY, FILE) == []


def test_the_last_layer_of_the_tower_may_stay() -> None:
    more = {f"vpm.blocks.26.{name}": shape for name, shape in BLOCK.items()}
    assert causes({**TINY, "drop_vision_last_layer": False}, {**FILE, **more}) == []


def test_a_tied_head_that_is_stored_is_explained() -> None:
    assert causes({**TINY, "tie_word_embeddings": True}, FILE) == [(Cause.TIED_HEAD_STORED, True)]


def test_the_published_model_has_as_many_parameters_as_its_index_says() -> None:
    assert 2 * architectures.find("minicpmv").formula(Config(REAL)).count() == 6_869_931_584


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vision_encoder": "vit_giant"}, "vision_encoder is 'vit_giant'"),
        ({"vision_config": {"hidden_size": 1152}}, "vision_config is set"),
        ({"vision_encoder": None}, "vision_encoder is missing"),
    ],
)
def test_another_tower_is_refused_in_one_line(changes: Values, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        architectures.find("minicpmv").formula(Config({**TINY, **changes}))
    assert "\n" not in str(caught.value)
