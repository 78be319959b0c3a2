"""Tiny ERNIE 4.5s with experts: in a range of layers, in every second one, or in none."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "ernie4_5_moe": {
        "model_type": "ernie4_5_moe",
        "architectures": ["Ernie4_5_MoeForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "moe_num_experts": 5,
        "moe_num_shared_experts": 2,
        "moe_k": 3,
        "tie_word_embeddings": False,
        "max_position_embeddings": 64,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "ernie4_5_moe": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (None, False, True),
            "use_bias": (False, True),
            "head_dim": (None, 10),
            "moe_num_shared_experts": (0, 1, 2),
        },
        {
            "moe_layer_start_index": (None, 0, 1, 3),
            "moe_layer_end_index": (None, -1, 0, 2, 9),
            "moe_layer_interval": (None, 1, 2, 3),
        },
        {"architectures": (["Ernie4_5_MoeForCausalLM"], ["Ernie4_5_MoeModel"])},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    sizes = ("vocab_size", "intermediate_size", "moe_intermediate_size", "moe_num_experts")
    return {
        "model_type": "ernie4_5_moe",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "moe_k": 1,
        "moe_num_shared_experts": draw(st.integers(0, 3)),
        "moe_layer_start_index": draw(st.integers(0, 4)),
        "moe_layer_interval": draw(st.integers(1, 3)),
        "use_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"ernie4_5_moe": _random()}
