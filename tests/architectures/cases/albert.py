"""Tiny ALBERTs: layers that share all of their parameters, or share them in groups."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_HEADS = ("ForPreTraining", "ForMaskedLM", "ForSequenceClassification", "ForMultipleChoice", "ForTokenClassification",
          "ForQuestionAnswering", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    "albert": {
        "model_type": "albert",
        "architectures": ["AlbertForMaskedLM"],
        "vocab_size": 97,
        "embedding_size": 11,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 4,
        "num_hidden_groups": 2,
        "inner_group_num": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
        "type_vocab_size": 5,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "albert": [
        {
            "tie_word_embeddings": (False, True),
            "architectures": tuple([f"Albert{head}"] for head in _HEADS),
            "id2label": (None, _FIVE),
        },
        {"num_hidden_groups": (None, 1, 2, 4), "inner_group_num": (None, 1, 2), "embedding_size": (11, 24)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    sizes = ("vocab_size", "embedding_size", "intermediate_size", "max_position_embeddings", "type_vocab_size")
    heads, layers = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return {
        "model_type": "albert",
        "architectures": ["Albert" + draw(st.sampled_from(_HEADS))],
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * draw(st.integers(1, 8)),
        "num_hidden_layers": layers,
        "num_hidden_groups": draw(st.integers(1, layers)),
        "inner_group_num": draw(st.integers(1, 3)),
        "num_attention_heads": heads,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"albert": _random()}
