"""Tiny CLIPs: both towers, or the one over images with a classifier."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_TEXT: Values = {
    "hidden_size": 20,
    "intermediate_size": 33,
    "num_hidden_layers": 3,
    "num_attention_heads": 5,
    "vocab_size": 97,
    "max_position_embeddings": 31,
}
_VISION: Values = {
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 15,
    "patch_size": 5,
    "num_channels": 2,
}
_FIVE = {str(index): f"L{index}" for index in range(5)}
_CLASSES = (["CLIPModel"], ["CLIPForImageClassification"])

BASES: dict[str, Values] = {
    "clip": {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "text_config": _TEXT,
        "vision_config": _VISION,
        "projection_dim": 11,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "clip": [
        {"architectures": _CLASSES, "projection_dim": (None, 11), "id2label": (None, _FIVE)},
        # A section holds what differs from the class; one with `_dict` behind its name outweighs it.
        {"text_config": (_TEXT, {}, {"hidden_size": 40}), "vision_config": (_VISION, {}, {"patch_size": 14})},
        {"text_config_dict": ({"num_hidden_layers": 1},), "vision_config_dict": (None, {"num_hidden_layers": 1})},
    ]
}


@st.composite
def _tower(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 5))
    return {
        "hidden_size": heads * draw(st.integers(1, 8)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
    }


@st.composite
def _random(draw: st.DrawFn) -> Values:
    patch = draw(st.integers(1, 6))
    image = {"patch_size": patch, "image_size": patch + draw(st.integers(0, 30))}
    text = {name: draw(st.integers(1, 40)) for name in ("vocab_size", "max_position_embeddings")}
    return {
        "model_type": "clip",
        "architectures": draw(st.sampled_from(_CLASSES)),
        "text_config": {**draw(_tower()), **text},
        "vision_config": {**draw(_tower()), **image, "num_channels": draw(st.integers(1, 4))},
        "projection_dim": draw(st.integers(1, 40)),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"clip": _random()}
