"""Tiny StarCoders 2."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "starcoder2": {
        "model_type": "starcoder2",
        "architectures": ["Starcoder2ForCausalLM"],
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

# transformers has no Starcoder2ForQuestionAnswering.
_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "starcoder2": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (None, False, True),
            "head_dim": (None, 10),
            "use_bias": (None, False, True),
        },
        {"architectures": tuple([f"Starcoder2{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "starcoder2",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
        "tie_word_embeddings": draw(st.booleans()),
        "use_bias": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"starcoder2": _random()}
