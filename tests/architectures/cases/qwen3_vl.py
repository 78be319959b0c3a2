"""Tiny Qwen3-VLs."""

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
    "max_position_embeddings": 64,
    "model_type": "qwen3_vl_text",
}
_VISION: Values = {
    "model_type": "qwen3_vl",
    "depth": 3,
    "hidden_size": 20,
    "intermediate_size": 29,
    "out_hidden_size": 24,
    "num_heads": 5,
    "in_channels": 2,
    "patch_size": 7,
    "spatial_merge_size": 2,
    "temporal_patch_size": 4,
    "num_position_embeddings": 49,
    "deepstack_visual_indexes": [0, 2],
}
_CLASS = ["Qwen3VLForConditionalGeneration"]

BASES: dict[str, Values] = {
    "qwen3_vl": {"model_type": "qwen3_vl", "architectures": _CLASS, "text_config": _TEXT, "vision_config": _VISION},
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "qwen3_vl": [
        {
            "architectures": (_CLASS, ["Qwen3VLModel"]),
            "tie_word_embeddings": (None, False, True),
            "text_config": (
                _TEXT,
                {**_TEXT, "num_key_value_heads": 1, "attention_bias": True, "tie_word_embeddings": True},
                {key: value for key, value in _TEXT.items() if key != "head_dim"},
            ),
        },
        {
            "vision_config": (
                {**_VISION, "spatial_merge_size": 3, "temporal_patch_size": 1, "deepstack_visual_indexes": []},
                {"out_hidden_size": 24, "depth": 1},
            ),
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
        "attention_bias": draw(st.booleans()),
        "pad_token_id": None,
    }


@st.composite
def _both(draw: st.DrawFn) -> Values:
    """Sizes of the text model and of a tower that fits it."""
    text = draw(_text())
    few = ("depth", "in_channels", "patch_size", "spatial_merge_size", "temporal_patch_size")
    vision = {name: draw(st.integers(1, 4)) for name in few}
    return {
        "model_type": "qwen3_vl",
        "text_config": text,
        "vision_config": {
            **vision,
            "out_hidden_size": text["hidden_size"],
            "hidden_size": 10 * draw(st.integers(1, 4)),
            "intermediate_size": draw(st.integers(1, 40)),
            "num_heads": 5,
            "num_position_embeddings": draw(st.integers(1, 60)),
            "deepstack_visual_indexes": draw(st.lists(st.integers(0, 3), max_size=3)),
        },
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"qwen3_vl": _both()}
