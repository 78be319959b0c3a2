"""Tiny Mistral 3s with images."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_TEXT: Values = {
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "model_type": "mistral",
}
_PIXTRAL: Values = {
    "model_type": "pixtral",
    "hidden_size": 16,
    "intermediate_size": 33,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_channels": 5,
    "image_size": 28,
    "patch_size": 7,
    "head_dim": 8,
}
_CLASS = ["Mistral3ForConditionalGeneration"]

BASES: dict[str, Values] = {
    "mistral3": {
        "model_type": "mistral3",
        "architectures": _CLASS,
        "text_config": _TEXT,
        "vision_config": _PIXTRAL,
        "spatial_merge_size": 3,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "mistral3": [
        {
            "architectures": (_CLASS, ["Mistral3Model"]),
            "tie_word_embeddings": (None, False, True),
            "text_config": (
                _TEXT,
                {**_TEXT, "tie_word_embeddings": True, "num_key_value_heads": 4},
                {"model_type": "ministral3", "vocab_size": 97},
            ),
        },
        {
            "multimodal_projector_bias": (None, False, True),
            "spatial_merge_size": (None, 1, 2),
            "vision_feature_layer": (-1, [-1, -2]),
            "vision_config": (_PIXTRAL, {}),
        },
    ],
}


@st.composite
def _text(draw: st.DrawFn) -> Values:
    """Sizes of the text model that fit each other."""
    groups, repeats, width = draw(st.integers(1, 4)), draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": groups * repeats * width,
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 3)),
        "num_attention_heads": groups * repeats,
        "num_key_value_heads": groups,
        "head_dim": 2 * draw(st.integers(1, 6)),
        "pad_token_id": None,
    }


@st.composite
def _vision(draw: st.DrawFn, kind: str) -> Values:
    """Sizes of a tower that fit each other."""
    heads, patch = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    return {
        "model_type": kind,
        "hidden_size": 2 * heads * draw(st.integers(1, 5)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 3)),
        "num_attention_heads": heads,
        "num_channels": draw(st.integers(1, 4)),
        "patch_size": patch,
        "image_size": patch * draw(st.integers(1, 4)) + draw(st.integers(0, patch - 1)),
    }


@st.composite
def _both(draw: st.DrawFn) -> Values:
    """A text model and a tower."""
    return {
        "model_type": "mistral3",
        "text_config": {**draw(_text()), "model_type": draw(st.sampled_from(("mistral", "ministral3")))},
        "vision_config": draw(_vision("pixtral")),
        "spatial_merge_size": draw(st.integers(1, 4)),
        "vision_feature_layer": draw(st.integers(-3, -1) | st.lists(st.integers(-3, -1), min_size=1, max_size=3)),
        "multimodal_projector_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"mistral3": _both()}
