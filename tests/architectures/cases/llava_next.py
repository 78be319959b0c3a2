"""Tiny LLaVA-NeXTs, and those of video and of single images."""

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
    "model_type": "llama",
}
_CLIP: Values = {
    "model_type": "clip_vision_model",
    "hidden_size": 20,
    "intermediate_size": 29,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "num_channels": 4,
    "image_size": 21,
    "patch_size": 7,
    "projection_dim": 13,
    "vocab_size": 50,
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
_KINDS = {
    "llava_next": ("LlavaNext", "llama", _CLIP),
    "llava_next_video": ("LlavaNextVideo", "mistral", _CLIP),
    "llava_onevision": ("LlavaOnevision", "qwen2", _SIGLIP),
}

BASES: dict[str, Values] = {
    kind: {
        "model_type": kind,
        "architectures": [f"{name}ForConditionalGeneration"],
        "text_config": {**_TEXT, "model_type": text},
        "vision_config": vision,
    }
    for kind, (name, text, vision) in _KINDS.items()
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    kind: [
        {
            "architectures": ([f"{name}ForConditionalGeneration"], [f"{name}Model"]),
            "tie_word_embeddings": (None, False, True),
            "text_config": tuple({**_TEXT, "model_type": text, "tie_word_embeddings": tied} for tied in (False, True)),
        },
        {
            "multimodal_projector_bias": (None, False, True),
            "vision_feature_layer": (-2, [-1], [0, 1, -1]),
            "vision_config": (_CLIP, {**_SIGLIP, "vision_use_head": False}),
        },
        {"text_config": ({"vocab_size": 96}, {**_TEXT, "model_type": "gemma"}), "vision_config": ({}, vision)},
    ]
    for kind, (name, text, vision) in _KINDS.items()
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
def _both(draw: st.DrawFn, model_type: str) -> Values:
    """A text model and a tower of any family."""
    kind = draw(st.sampled_from(("llama", "mistral", "qwen2", "gemma")))
    tower = draw(st.sampled_from(("clip_vision_model", "siglip_vision_model")))
    return {
        "model_type": model_type,
        "text_config": {**draw(_text()), "model_type": kind},
        "vision_config": draw(_vision(tower)),
        "vision_feature_layer": draw(st.integers(-3, -1) | st.lists(st.integers(-3, -1), min_size=1, max_size=3)),
        "multimodal_projector_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {kind: _both(kind) for kind in _KINDS}
