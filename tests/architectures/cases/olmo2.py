"""Tiny OLMos 2 and 3."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_SHARED: Values = {
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}

BASES: dict[str, Values] = {
    "olmo2": {**_SHARED, "model_type": "olmo2", "architectures": ["Olmo2ForCausalLM"]},
    "olmo3": {**_SHARED, "model_type": "olmo3", "architectures": ["Olmo3ForCausalLM"]},
}

# transformers has no other heads for OLMo.
_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

_SWITCHES: Mapping[str, tuple[object, ...]] = {
    "num_key_value_heads": (1, 2, 4),
    "tie_word_embeddings": (None, False, True),
    "head_dim": (None, 10),
    "attention_bias": (False, True),
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "olmo2": [
        _SWITCHES,
        {"architectures": tuple([f"Olmo2{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ],
    "olmo3": [
        _SWITCHES,
        {"architectures": tuple([f"Olmo3{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ],
}


@st.composite
def _random(draw: st.DrawFn, model_type: str) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": model_type,
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
        "tie_word_embeddings": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {name: _random(name) for name in BASES}
