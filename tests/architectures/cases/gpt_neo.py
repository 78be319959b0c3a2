"""Tiny GPT-Neos: global and local attention in several orders, tied and not, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "gpt_neo": {
        "model_type": "gpt_neo",
        "architectures": ["GPTNeoForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 5,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "gpt_neo": [
        {
            "tie_word_embeddings": (None, False, True),
            "intermediate_size": (None, 37),
            "attention_types": ([[["global"], 2]], [[["local"], 1], [["global"], 1]]),
        },
        {"num_hidden_layers": (24,), "attention_types": (None,)},
        {"architectures": tuple([f"GPTNeo{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads, pairs = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    return {
        "model_type": "gpt_neo",
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * draw(st.integers(1, 8)),
        "intermediate_size": draw(st.none() | st.integers(1, 40)),
        draw(st.sampled_from(("num_hidden_layers", "num_layers"))): 2 * pairs,
        draw(st.sampled_from(("num_attention_heads", "num_heads"))): heads,
        "max_position_embeddings": draw(st.integers(1, 40)),
        "attention_types": [[["global", "local"], pairs]],
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"gpt_neo": _random()}
