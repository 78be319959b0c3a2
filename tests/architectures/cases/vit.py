"""Tiny ViTs: square and oblong images and patches, with every class."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_HEADS = ("ForImageClassification", "ForMaskedImageModeling", "Model")
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    "vit": {
        "model_type": "vit",
        "architectures": ["ViTForImageClassification"],
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 15,
        "patch_size": 5,
        "num_channels": 2,
        "encoder_stride": 5,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "vit": [
        {
            "architectures": tuple([f"ViT{head}"] for head in _HEADS),
            "qkv_bias": (False, True),
            "id2label": (None, _FIVE),
            "pooler_output_size": (None, 11),
        },
        {"image_size": (16, [15, 20]), "patch_size": (5, [3, 7]), "num_channels": (None, 1), "head_dim": (None, 10)},
        {
            "architectures": (["ViTForMaskedImageModeling"],),
            "image_size": (32,),
            "patch_size": (16,),
            "encoder_stride": (None, 16),
        },
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads, patch = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    return {
        "model_type": "vit",
        "architectures": ["ViT" + draw(st.sampled_from(_HEADS))],
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * draw(st.integers(1, 8)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "patch_size": patch,
        "image_size": patch + draw(st.integers(0, 30)),
        "num_channels": draw(st.integers(1, 4)),
        "encoder_stride": draw(st.integers(1, 4)),
        "qkv_bias": draw(st.booleans()),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"vit": _random()}
