"""Tiny GPT-NeoX models: attention with and without biases, tied and not, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "gpt_neox": {
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "gpt_neox": [
        {
            "tie_word_embeddings": (None, False, True),
            "attention_bias": (None, False, True),
            "use_parallel_residual": (False, True),
            "rotary_pct": (None, 0.5, 1.0),
        },
        {"architectures": tuple([f"GPTNeoX{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    return {
        "model_type": "gpt_neox",
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * draw(st.sampled_from((8, 12, 16))),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "max_position_embeddings": draw(st.integers(1, 40)),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"gpt_neox": _random()}
