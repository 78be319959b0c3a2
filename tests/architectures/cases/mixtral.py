"""Tiny Mixtrals."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "mixtral": {
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "num_local_experts": 3,
        "num_experts_per_tok": 2,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "mixtral": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "head_dim": (None, 10),
            "num_local_experts": (2, 5),
        },
        {
            "architectures": tuple([f"Mixtral{head}"] for head in _HEADS),
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
        "model_type": "mixtral",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
        "num_local_experts": draw(st.integers(1, 9)),
        "num_experts_per_tok": 1,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"mixtral": _random()}
