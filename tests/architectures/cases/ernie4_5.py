"""Tiny ERNIE 4.5s without experts: with and without biases, tied and not."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "ernie4_5": {
        "model_type": "ernie4_5",
        "architectures": ["Ernie4_5ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "tie_word_embeddings": False,
        "max_position_embeddings": 64,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "ernie4_5": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (None, False, True),
            "use_bias": (None, False, True),
            "head_dim": (None, 10),
        },
        {"architectures": (["Ernie4_5ForCausalLM"], ["Ernie4_5Model"])},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups = draw(st.integers(1, 4))
    return {
        "model_type": "ernie4_5",
        **{name: draw(st.integers(1, 40)) for name in ("vocab_size", "hidden_size", "intermediate_size")},
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": groups * draw(st.integers(1, 4)),
        "num_key_value_heads": groups,
        "head_dim": 2 * draw(st.integers(1, 10)),
        "use_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"ernie4_5": _random()}
