"""Tiny Ministrals, which are Llamas by another name and state the size of a head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "ministral": {
        "model_type": "ministral",
        "architectures": ["MinistralForCausalLM"],
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

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "ministral": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (None, False, True),
            "head_dim": (6, 10),
        },
        {"architectures": tuple([f"Ministral{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "ministral",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "head_dim": 2 * draw(st.integers(1, 6)),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"ministral": _random()}
