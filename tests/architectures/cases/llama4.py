"""Tiny Llama 4s with images: a tower, a projector and a language model of other sizes."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_TEXT: Values = {
    "model_type": "llama4_text",
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "intermediate_size_mlp": 53,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "num_local_experts": 5,
    "num_experts_per_tok": 2,
    "interleave_moe_layer_step": 2,
    "max_position_embeddings": 64,
}
_VISION: Values = {
    "model_type": "llama4_vision_model",
    "hidden_size": 20,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 5,
    "num_channels": 3,
    "image_size": 14,
    "patch_size": 2,
    "vision_output_dim": 11,
    "projector_input_dim": 13,
    "projector_output_dim": 13,
}

BASES: dict[str, Values] = {
    "llama4": {
        "model_type": "llama4",
        "architectures": ["Llama4ForConditionalGeneration"],
        "text_config": _TEXT,
        "vision_config": _VISION,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "llama4": [
        {
            "text_config": (
                _TEXT,
                {**_TEXT, "tie_word_embeddings": True},
                {**_TEXT, "moe_layers": [0, 3]},
                {**_TEXT, "attention_bias": True, "interleave_moe_layer_step": 1},
            ),
            "vision_config": (
                _VISION,
                {**_VISION, "patch_size": 3, "num_channels": 1},
                {**_VISION, "projector_output_dim": 17},
            ),
            "tie_word_embeddings": (False, True),
        }
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    sizes = ("intermediate_size", "vision_output_dim", "projector_input_dim", "projector_output_dim", "num_channels")
    heads, width = draw(st.integers(1, 4)), 4 * draw(st.integers(1, 4))
    vision = {
        **{name: draw(st.integers(1, 30)) for name in sizes},
        "num_hidden_layers": draw(st.integers(1, 3)),
        "num_attention_heads": heads,
        "hidden_size": heads * width,
        "patch_size": draw(st.integers(1, 4)),
        "image_size": draw(st.integers(4, 12)),
    }
    text = {**_TEXT, "hidden_size": draw(st.integers(1, 40)), "vocab_size": draw(st.integers(1, 40))}
    names = ["Llama4ForConditionalGeneration"]
    text["pad_token_id"] = None
    return {"model_type": "llama4", "architectures": names, "text_config": text, "vision_config": vision}


RANDOM: dict[str, st.SearchStrategy[Values]] = {"llama4": _random()}
