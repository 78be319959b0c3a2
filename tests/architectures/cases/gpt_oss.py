"""Tiny gpt-oss models: attention with and without biases, several sizes of heads."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "gpt_oss": {
        "model_type": "gpt_oss",
        "architectures": ["GptOssForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "num_local_experts": 5,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 64,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "gpt_oss": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (None, False, True),
            "head_dim": (None, 10),
            "num_local_experts": (2, 5),
        },
        {"architectures": tuple([f"GptOss{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups = draw(st.integers(1, 4))
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_local_experts")
    return {
        "model_type": "gpt_oss",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": groups * draw(st.integers(1, 4)),
        "num_key_value_heads": groups,
        "num_experts_per_tok": 1,
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"gpt_oss": _random()}
