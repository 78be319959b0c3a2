"""Tiny Qwen2.5-VLs: the text model in a section of its own, or, as in older files, beside the tower's."""

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
    "max_position_embeddings": 64,
}
_VISION: Values = {
    "model_type": "qwen2_5_vl",
    "depth": 2,
    "hidden_size": 20,
    "intermediate_size": 29,
    "out_hidden_size": 24,
    "num_heads": 5,
    "in_channels": 2,
    "in_chans": 2,
    "patch_size": 7,
    "spatial_patch_size": 7,
    "spatial_merge_size": 2,
    "temporal_patch_size": 4,
    "tokens_per_second": 2,
    "window_size": 112,
    "fullatt_block_indexes": [1],
}
_CLASS = ["Qwen2_5_VLForConditionalGeneration"]

BASES: dict[str, Values] = {
    "qwen2_5_vl": {"model_type": "qwen2_5_vl", "architectures": _CLASS, "text_config": _TEXT, "vision_config": _VISION},
    "qwen2_5_vl flat": {"model_type": "qwen2_5_vl", "architectures": _CLASS, **_TEXT, "vision_config": _VISION},
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "qwen2_5_vl": [
        {
            "architectures": (_CLASS, ["Qwen2_5_VLModel"]),
            "tie_word_embeddings": (None, False, True),
            "text_config": (
                _TEXT,
                {**_TEXT, "num_key_value_heads": 1, "tie_word_embeddings": True},
                # The class gives the heads the width of the model together, whatever this says.
                {**_TEXT, "num_key_value_heads": 4, "head_dim": 10, "model_type": "qwen2_5_vl_text"},
            ),
        },
        {
            "vision_config": (
                {**_VISION, "spatial_merge_size": 3, "temporal_patch_size": 1, "fullatt_block_indexes": []},
                {"hidden_size": 32, "out_hidden_size": 24, "depth": 1},
            ),
        },
    ],
    "qwen2_5_vl flat": [{"tie_word_embeddings": (None, False, True), "num_key_value_heads": (1, 2, 4)}],
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
        "pad_token_id": None,
    }


@st.composite
def _both(draw: st.DrawFn) -> Values:
    """Sizes of the text model and of a tower that fits it."""
    text = draw(_text())
    few = ("depth", "in_channels", "patch_size", "spatial_merge_size", "temporal_patch_size")
    vision = {name: draw(st.integers(1, 4)) for name in few}
    return {
        "model_type": "qwen2_5_vl",
        "text_config": text,
        "vision_config": {
            **vision,
            "out_hidden_size": text["hidden_size"],
            "hidden_size": 10 * draw(st.integers(1, 4)),
            "intermediate_size": draw(st.integers(1, 40)),
            "num_heads": 5,
        },
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"qwen2_5_vl": _both()}
