"""Tiny StableLMs: one norm a layer or two, and perhaps one for each head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "stablelm": {
        "model_type": "stablelm",
        "architectures": ["StableLmForCausalLM"],
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

# transformers has no StableLmForQuestionAnswering.
_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "stablelm": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (None, False, True),
            "use_qkv_bias": (False, True),
            "qk_layernorm": (False, True),
            "use_parallel_residual": (False, True),
        },
        {"architectures": tuple([f"StableLm{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    return {
        "model_type": "stablelm",
        "vocab_size": draw(st.integers(1, 40)),
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "tie_word_embeddings": draw(st.booleans()),
        **{name: draw(st.booleans()) for name in ("use_qkv_bias", "qk_layernorm", "use_parallel_residual")},
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"stablelm": _random()}
