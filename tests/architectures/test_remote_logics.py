"""Logics-Thinking, whose code transformers does not have: every tensor by hand, and the published number.

The table was derived from timm's `convnext_xxlarge`, the SigLIP of transformers without its last layer, and the
projector of LLaVA; the number of elements of the published file is half its `total_size`, in bytes.
"""

import pytest

from verify import architectures
from verify.breakdown import expect, measure
from verify.config import Config
from verify.errors import ConfigError
from verify.evidence.packing import unpack
from verify.explain import explain
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shapes = dict[str, tuple[int, ...]]

SIGLIP: Values = {"hidden_size": 20, "intermediate_size": 29, "num_hidden_layers": 27, "num_attention_heads": 5,
                  "image_size": 21, "patch_size": 7}  # fmt: skip
TINY: Values = {
    "model_type": "logics",
    "architectures": ["LogicsForConditionalGeneration"],
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "mm_vision_tower": "convnext-1024,siglip2-384",
    "mm_hidden_size": 3072 + 20,
    "siglip_config": SIGLIP,
}
REAL: Values = {
    **TINY,
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "mm_hidden_size": 4224,
    "siglip_config": {**SIGLIP, "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16,
                      "image_size": 384, "patch_size": 14},
}  # fmt: skip

LAYER: Shapes = {
    "self_attn.q_proj.weight": (40, 24), "self_attn.k_proj.weight": (20, 24), "self_attn.v_proj.weight": (20, 24),
    "self_attn.o_proj.weight": (24, 40), "self_attn.q_norm.weight": (10,), "self_attn.k_norm.weight": (10,),
    "mlp.gate_proj.weight": (37, 24), "mlp.up_proj.weight": (37, 24), "mlp.down_proj.weight": (24, 37),
    "input_layernorm.weight": (24,), "post_attention_layernorm.weight": (24,),
}  # fmt: skip
SEEN: Shapes = {
    "layer_norm1": (20,), "layer_norm2": (20,), "mlp.fc1": (29, 20), "mlp.fc2": (20, 29),
    **{f"self_attn.{part}": (20, 20) for part in ("q_proj", "k_proj", "v_proj", "out_proj")},
}  # fmt: skip


def with_bias(shapes: Shapes) -> Shapes:
    """Weights of these shapes, each with a bias of its output."""
    both = {"weight": slice(None), "bias": slice(1)}
    return {f"{name}.{part}": shape[axes] for name, shape in shapes.items() for part, axes in both.items()}


def convnext() -> Shapes:
    modules: Shapes = {"stem.0": (384, 3, 4, 4), "stem.1": (384,), "head.norm": (3072,), "head.fc": (1024, 3072)}
    scales: Shapes = {}
    for stage, (width, blocks) in enumerate(((384, 3), (768, 4), (1536, 30), (3072, 3))):
        if stage:
            modules[f"stages.{stage}.downsample.0"] = (width // 2,)
            modules[f"stages.{stage}.downsample.1"] = (width, width // 2, 2, 2)
        for block in range(blocks):
            inside = f"stages.{stage}.blocks.{block}"
            scales[f"{inside}.weight"] = (width,)
            modules |= {
                f"{inside}.conv_dw": (width, 1, 7, 7),
                f"{inside}.norm": (width,),
                f"{inside}.mlp.fc1": (4 * width, width),
                f"{inside}.mlp.fc2": (width, 4 * width),
            }
    return with_bias(modules) | scales


def siglip() -> Shapes:
    modules: Shapes = {"embeddings.patch_embedding": (20, 3, 7, 7), "post_layernorm": (20,)}
    modules |= {f"encoder.layers.{layer}.{name}": shape for layer in range(26) for name, shape in SEEN.items()}
    return {**with_bias(modules), "embeddings.position_embedding.weight": (9, 20)}


FILE: Shapes = {
    "lm_head.weight": (97, 24),
    "model.embed_tokens.weight": (97, 24),
    "model.norm.weight": (24,),
    "model.image_newline": (24,),
    **{f"model.layers.{layer}.{name}": shape for layer in range(2) for name, shape in LAYER.items()},
    **{f"model.{name}": shape for name, shape in with_bias(
        {"mm_projector.0": (24, 3092), "mm_projector.2": (24, 24)}).items()},
    **{f"model.vision_tower.vision_towers.0.vision_tower.{name}": shape for name, shape in convnext().items()},
    **{f"model.vision_tower.vision_towers.1.vision_tower.vision_model.{name}": shape
       for name, shape in siglip().items()},
}  # fmt: skip


def test_every_tensor_of_the_code_is_predicted_and_no_other() -> None:
    config = Config(TINY)
    family = architectures.find("logics")
    formula = family.formula(config)
    assert config.unread() == ()
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in FILE.items()]
    assert explain(expect(formula.terms), formula.extras, measure(unpack(tensors, ""), family.NAMES)) == ()


def test_the_published_model_has_as_many_parameters_as_its_index_says() -> None:
    assert 2 * architectures.find("logics").formula(Config(REAL)).count() == 18_938_237_760


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mm_vision_tower": "clip"}, "mm_vision_tower is 'clip'"),
        ({"mm_hidden_size": 4224}, "mm_hidden_size is 4224; expected 3092"),
        ({"siglip_config": {**SIGLIP, "num_hidden_layers": 12}}, "siglip_config.num_hidden_layers is 12"),
        ({"mm_projector_type": "linear"}, "mm_projector_type is 'linear'"),
    ],
)
def test_other_towers_and_projectors_are_refused_in_one_line(changes: Values, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        architectures.find("logics").formula(Config({**TINY, **changes}))
    assert "\n" not in str(caught.value)
