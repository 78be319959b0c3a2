"""Tiny Gemma 3s with images."""

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
    "model_type": "gemma3_text",
}
_SIGLIP: Values = {
    "model_type": "siglip_vision_model",
    "hidden_size": 18,
    "intermediate_size": 31,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "num_channels": 2,
    "image_size": 28,
    "patch_size": 7,
}
_CLASS = ["Gemma3ForConditionalGeneration"]

BASES: dict[str, Values] = {
    "gemma3": {
        "model_type": "gemma3",
        "architectures": _CLASS,
        "text_config": _TEXT,
        "vision_config": {**_SIGLIP, "vision_use_head": False},
        "mm_tokens_per_image": 4,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "gemma3": [
        {
            "architectures": (_CLASS, ["Gemma3Model"], ["Gemma3ForSequenceClassification"]),
            "tie_word_embeddings": (None, False, True),
            "text_config": (
                _TEXT,
                {**_TEXT, "num_key_value_heads": 1, "attention_bias": True, "tie_word_embeddings": False},
                {**_TEXT, "num_key_value_heads": 4, "tie_word_embeddings": True},
            ),
            "num_labels": (None, 5),
        },
        # Published files leave out what is the default of the class.
        {
            "text_config": ({"model_type": "gemma3_text"}, {"vocab_size": 97, "hidden_size": 40}),
            "vision_config": (_SIGLIP, {"vision_use_head": False}, {**_SIGLIP, "image_size": 30}),
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
    vision = draw(_vision("siglip_vision_model"))
    return {
        "model_type": "gemma3",
        "text_config": draw(_text()),
        "vision_config": {**vision, "vision_use_head": draw(st.booleans())},
        "mm_tokens_per_image": 1,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"gemma3": _both()}
