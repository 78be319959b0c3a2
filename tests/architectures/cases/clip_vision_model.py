"""Tiny vision towers of CLIP, with and without a projection."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_CLASSES = (["CLIPVisionModel"], ["CLIPVisionModelWithProjection"])

BASES: dict[str, Values] = {
    "clip_vision_model": {
        "model_type": "clip_vision_model",
        "architectures": ["CLIPVisionModelWithProjection"],
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 15,
        "patch_size": 5,
        "num_channels": 2,
        "projection_dim": 11,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "clip_vision_model": [
        {
            "architectures": _CLASSES,
            "projection_dim": (None, 11),
            "image_size": (None, 66),
            "patch_size": (None, 14),
            "num_channels": (None, 1),
        }
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads, patch = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    return {
        "model_type": "clip_vision_model",
        "architectures": draw(st.sampled_from(_CLASSES)),
        **{name: draw(st.integers(1, 40)) for name in ("intermediate_size", "projection_dim")},
        "hidden_size": heads * draw(st.integers(1, 8)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "patch_size": patch,
        "image_size": patch + draw(st.integers(0, 30)),
        "num_channels": draw(st.integers(1, 4)),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"clip_vision_model": _random()}
