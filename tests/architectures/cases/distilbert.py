"""Tiny DistilBERTs with every class."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_HEADS = ("ForMaskedLM", "ForSequenceClassification", "ForMultipleChoice", "ForTokenClassification",
          "ForQuestionAnswering", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    "distilbert": {
        "model_type": "distilbert",
        "architectures": ["DistilBertForMaskedLM"],
        "vocab_size": 97,
        "dim": 24,
        "hidden_dim": 37,
        "n_layers": 2,
        "n_heads": 4,
        "max_position_embeddings": 31,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "distilbert": [
        {"tie_word_embeddings": (False, True), "architectures": tuple([f"DistilBert{head}"] for head in _HEADS)},
        # An answer has a start and an end, so that the class for them takes two labels only.
        {
            "architectures": tuple([f"DistilBert{head}"] for head in _HEADS if head != "ForQuestionAnswering"),
            "id2label": (_FIVE,),
        },
        {"sinusoidal_pos_embds": (False, True)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 5))
    return {
        "model_type": "distilbert",
        "architectures": ["DistilBert" + draw(st.sampled_from(_HEADS))],
        **{name: draw(st.integers(1, 40)) for name in ("vocab_size", "hidden_dim", "max_position_embeddings")},
        "dim": heads * draw(st.integers(1, 8)),
        "n_layers": draw(st.integers(1, 4)),
        "n_heads": heads,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"distilbert": _random()}
