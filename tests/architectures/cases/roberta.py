"""Tiny RoBERTas, under each name that the family has, with every class."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_SIZES: Values = {
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 31,
    "type_vocab_size": 3,
}
_NAMES = {
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    "data2vec-text": "Data2VecText",
}
_HEADS = ("ForMaskedLM", "ForCausalLM", "ForSequenceClassification", "ForMultipleChoice", "ForTokenClassification",
          "ForQuestionAnswering", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    kind: {**_SIZES, "model_type": kind, "architectures": [f"{name}ForMaskedLM"]} for kind, name in _NAMES.items()
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    kind: [
        {
            "tie_word_embeddings": (False, True),
            "architectures": tuple([f"{name}{head}"] for head in _HEADS),
            "id2label": (None, _FIVE),
        }
    ]
    for kind, name in _NAMES.items()
}
SWITCHES["roberta"].append(
    {
        "is_decoder": (True,),
        "add_cross_attention": (False, True),
        "architectures": (["RobertaForCausalLM"], ["RobertaModel"]),
    }
)


@st.composite
def _random(draw: st.DrawFn, kind: str) -> Values:
    sizes = ("vocab_size", "intermediate_size", "max_position_embeddings", "type_vocab_size")
    heads = draw(st.integers(1, 5))
    return {
        "model_type": kind,
        "architectures": [_NAMES[kind] + draw(st.sampled_from(_HEADS))],
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * draw(st.integers(1, 8)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": 0,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {kind: _random(kind) for kind in _NAMES}
