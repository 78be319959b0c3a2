"""Tiny OLMos."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "olmo": {
        "model_type": "olmo",
        "architectures": ["OlmoForCausalLM"],
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
}

# transformers has no other heads for OLMo.
_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "olmo": [
        {
            "tie_word_embeddings": (None, False, True),
            "num_key_value_heads": (None, 1, 2, 4),
            "head_dim": (None, 10),
            "attention_bias": (False, True),
        },
        {"architectures": tuple([f"Olmo{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "olmo",
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


RANDOM: dict[str, st.SearchStrategy[Values]] = {"olmo": _random()}
