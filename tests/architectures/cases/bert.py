"""Tiny BERTs."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "bert": {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
        "type_vocab_size": 3,
    }
}

_HEADS = ("ForPreTraining", "ForMaskedLM", "LMHeadModel", "ForNextSentencePrediction", "ForMultipleChoice",
          "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "bert": [
        {
            "tie_word_embeddings": (False, True),
            "add_cross_attention": (False, True),
            "is_decoder": (True,),
            "architectures": tuple([f"Bert{head}"] for head in _HEADS),
            "id2label": (None, _FIVE),
        },
        {"architectures": (["BertForTokenClassification"],), "id2label": (None, _FIVE), "num_labels": (None, 7)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 5))
    return {
        "model_type": "bert",
        "architectures": [draw(st.sampled_from(("BertForPreTraining", "BertModel", "BertForMultipleChoice")))],
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "max_position_embeddings": draw(st.integers(1, 40)),
        "type_vocab_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "hidden_size": heads * draw(st.integers(1, 8)),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"bert": _random()}
