"""Tiny GLM-4.5s: with and without biases and norms of queries and keys, dense layers first or none."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "glm4_moe": {
        "model_type": "glm4_moe",
        "architectures": ["Glm4MoeForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "first_k_dense_replace": 1,
        "use_qk_norm": True,
        "max_position_embeddings": 64,
    }
}

_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "glm4_moe": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "use_qk_norm": (None, False, True),
            "head_dim": (None, 10),
        },
        {"first_k_dense_replace": (None, 0, 1, 3), "n_shared_experts": (None, 1, 2)},
        {"architectures": (["Glm4MoeForCausalLM"], ["Glm4MoeModel"]), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    sizes = ("vocab_size", "intermediate_size", "moe_intermediate_size", "n_routed_experts")
    return {
        "model_type": "glm4_moe",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "num_experts_per_tok": 1,
        "n_shared_experts": draw(st.integers(1, 3)),
        "first_k_dense_replace": draw(st.integers(0, 1)),
        "attention_bias": draw(st.booleans()),
        "use_qk_norm": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
        **draw(st.sampled_from(({}, {"head_dim": 4}, {"head_dim": 10}))),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"glm4_moe": _random()}
