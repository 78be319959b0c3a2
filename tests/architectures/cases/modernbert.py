"""Tiny ModernBERTs with every bias on and off and every class."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_HEADS = ("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering",
          "ForMultipleChoice", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}
_BIASES = ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias", "decoder_bias")

BASES: dict[str, Values] = {
    "modernbert": {
        "model_type": "modernbert",
        "architectures": ["ModernBertForMaskedLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
        "pad_token_id": 0,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "modernbert": [
        {"tie_word_embeddings": (False, True), **dict.fromkeys(_BIASES, (False, True))},
        {
            "architectures": tuple([f"ModernBert{head}"] for head in _HEADS),
            "id2label": (None, _FIVE),
            "norm_bias": (False, True),
            "classifier_bias": (False, True),
        },
        {"num_hidden_layers": (1, 2), "global_attn_every_n_layers": (None, 2)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 5))
    return {
        "model_type": "modernbert",
        "architectures": ["ModernBert" + draw(st.sampled_from(_HEADS))],
        **{name: draw(st.integers(1, 40)) for name in ("vocab_size", "intermediate_size")},
        **{bias: draw(st.booleans()) for bias in _BIASES},
        "hidden_size": 2 * heads * draw(st.integers(1, 6)),
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": 0,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"modernbert": _random()}
