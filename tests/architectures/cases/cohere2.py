"""Tiny Cohere models of the second series."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "cohere2": {
        "model_type": "cohere2",
        "architectures": ["Cohere2ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
}

# transformers has no other heads for Cohere 2.
_HEADS = ("ForCausalLM", "Model")

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "cohere2": [
        {
            "tie_word_embeddings": (None, False, True),
            "num_key_value_heads": (None, 1, 2, 4),
            "head_dim": (None, 10),
            "attention_bias": (False, True),
        },
        {"architectures": tuple([f"Cohere2{head}"] for head in _HEADS)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "cohere2",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
        "tie_word_embeddings": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"cohere2": _random()}
