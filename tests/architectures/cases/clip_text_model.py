"""Tiny text towers of CLIP, with and without a projection."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_CLASSES = (["CLIPTextModel"], ["CLIPTextModelWithProjection"])

BASES: dict[str, Values] = {
    "clip_text_model": {
        "model_type": "clip_text_model",
        "architectures": ["CLIPTextModelWithProjection"],
        "hidden_size": 20,
        "intermediate_size": 33,
        "num_hidden_layers": 3,
        "num_attention_heads": 5,
        "vocab_size": 97,
        "max_position_embeddings": 31,
        "projection_dim": 11,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "clip_text_model": [
        {"architectures": _CLASSES, "projection_dim": (None, 11), "max_position_embeddings": (None, 31)}
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 5))
    sizes = ("intermediate_size", "vocab_size", "max_position_embeddings", "projection_dim")
    return {
        "model_type": "clip_text_model",
        "architectures": draw(st.sampled_from(_CLASSES)),
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * draw(st.integers(1, 8)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"clip_text_model": _random()}
