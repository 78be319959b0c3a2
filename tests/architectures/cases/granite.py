"""Tiny Granites, which are Llamas by another name."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "granite": {
        "model_type": "granite",
        "architectures": ["GraniteForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
}

# transformers has no other heads for Granite.
_HEADS = ("ForCausalLM", "Model")

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "granite": [
        {
            "tie_word_embeddings": (None, False, True),
            "num_key_value_heads": (None, 1, 2, 4),
            "head_dim": (None, 10),
            "attention_bias": (False, True),
            "mlp_bias": (False, True),
        },
        {"architectures": tuple([f"Granite{head}"] for head in _HEADS)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "granite",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
        "tie_word_embeddings": draw(st.booleans()),
        **{name: draw(st.booleans()) for name in ("attention_bias", "mlp_bias")},
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"granite": _random()}
