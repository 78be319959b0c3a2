"""Tiny ELECTRAs: discriminators and generators, with embeddings as wide as the layers and narrower ones."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_HEADS = ("ForPreTraining", "ForMaskedLM", "ForCausalLM", "ForSequenceClassification", "ForMultipleChoice",
          "ForTokenClassification", "ForQuestionAnswering", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    "electra": {
        "model_type": "electra",
        "architectures": ["ElectraForPreTraining"],
        "vocab_size": 97,
        "embedding_size": 11,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
        "type_vocab_size": 3,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "electra": [
        {
            "tie_word_embeddings": (False, True),
            "embedding_size": (11, 24),
            "architectures": tuple([f"Electra{head}"] for head in _HEADS),
            "id2label": (None, _FIVE),
        },
        {
            "architectures": (["ElectraForMultipleChoice"],),
            "summary_use_proj": (False, True),
            "summary_proj_to_labels": (None, False, True),
            "id2label": (None, _FIVE),
        },
        {"is_decoder": (True,), "add_cross_attention": (False, True), "architectures": (["ElectraForCausalLM"],)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    sizes = ("vocab_size", "embedding_size", "intermediate_size", "max_position_embeddings", "type_vocab_size")
    heads = draw(st.integers(1, 5))
    return {
        "model_type": "electra",
        "architectures": ["Electra" + draw(st.sampled_from(_HEADS))],
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * draw(st.integers(1, 8)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"electra": _random()}
