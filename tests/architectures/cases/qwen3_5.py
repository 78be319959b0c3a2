"""Tiny Qwen3.5 configurations: the text model by itself, and beside its vision tower."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_TEXT: Values = {
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 5,
    "full_attention_interval": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "linear_conv_kernel_dim": 3,
    "linear_key_head_dim": 6,
    "linear_value_head_dim": 7,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 8,
    "max_position_embeddings": 64,
}
_VISION: Values = {
    "model_type": "qwen3_5_vision",
    "depth": 3,
    "hidden_size": 20,
    "intermediate_size": 29,
    "num_heads": 5,
    "in_channels": 3,
    "patch_size": 4,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "num_position_embeddings": 49,
    "out_hidden_size": 24,
}
_TYPES = ["full_attention", "linear_attention", "linear_attention", "full_attention", "full_attention"]
_LABELS = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    "qwen3_5": {
        "model_type": "qwen3_5",
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "text_config": {**_TEXT, "model_type": "qwen3_5_text"},
        "vision_config": _VISION,
    },
    "qwen3_5_text": {**_TEXT, "model_type": "qwen3_5_text", "architectures": ["Qwen3_5ForCausalLM"]},
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "qwen3_5": [
        {
            "tie_word_embeddings": (False, True),
            "vision_config": (
                _VISION,
                {**_VISION, "spatial_merge_size": 3, "temporal_patch_size": 1, "in_channels": 1, "patch_size": 7},
            ),
            "architectures": tuple(
                [f"Qwen3_5{head}"]
                for head in ("ForConditionalGeneration", "Model", "ForSequenceClassification", "ForTokenClassification")
            ),
            "id2label": (None, _LABELS),
        },
    ],
    "qwen3_5_text": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "head_dim": (6, 10),
        },
        {
            "full_attention_interval": (None, 1, 3),
            "layer_types": (None, _TYPES, ["full_attention"] * 5, ["linear_attention"] * 5),
        },
        {
            "architectures": (["Qwen3_5ForCausalLM"], ["Qwen3_5TextModel"], ["Qwen3_5TextForSequenceClassification"]),
            "id2label": (None, _LABELS),
        },
    ],
}


@st.composite
def _text(draw: st.DrawFn) -> Values:
    """Sizes of the text model that fit each other."""
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "head_dim", "linear_key_head_dim",
             "linear_value_head_dim")  # fmt: skip
    few = ("linear_conv_kernel_dim", "num_hidden_layers", "full_attention_interval")
    groups, keys = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return {
        **{name: 2 * draw(st.integers(1, 20)) for name in sizes},
        **{name: draw(st.integers(1, 5)) for name in few},
        "num_attention_heads": groups * draw(st.integers(1, 4)),
        "num_key_value_heads": groups,
        "linear_num_key_heads": keys,
        "linear_num_value_heads": keys * draw(st.integers(1, 4)),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


@st.composite
def _both(draw: st.DrawFn) -> Values:
    """Sizes of the text model and of a tower that fits it."""
    text = draw(_text())
    few = ("depth", "in_channels", "patch_size", "spatial_merge_size", "temporal_patch_size")
    vision = {
        **_VISION,
        **{name: draw(st.integers(1, 4)) for name in few},
        "hidden_size": 10 * draw(st.integers(1, 4)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_position_embeddings": draw(st.integers(1, 60)),
        "out_hidden_size": text["hidden_size"],
    }
    return {
        "text_config": {**text, "model_type": "qwen3_5_text"},
        "vision_config": vision,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {
    "qwen3_5": _both().map(lambda values: {**BASES["qwen3_5"], **values}),
    "qwen3_5_text": _text().map(lambda values: {**BASES["qwen3_5_text"], **values}),
}
