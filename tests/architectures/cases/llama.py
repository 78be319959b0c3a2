"""Tiny Llamas."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "llama": {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "llama": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "mlp_bias": (False, True),
            "head_dim": (None, 10),
        },
        {
            "architectures": tuple([f"Llama{head}"] for head in _HEADS),
            "id2label": (None, _FIVE),
            "num_labels": (None, 7),
        },
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "llama",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
        "attention_bias": draw(st.booleans()),
        "mlp_bias": draw(st.booleans()),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"llama": _random()}
