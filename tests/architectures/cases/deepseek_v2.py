"""Tiny DeepSeek-V2s: compressed and direct queries, dense layers first or none."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

#: Queries that are not compressed.
NULLS = ("q_lora_rank",)

BASES: dict[str, Values] = {
    "deepseek_v2": {
        "model_type": "deepseek_v2",
        "architectures": ["DeepseekV2ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "n_group": 2,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "q_lora_rank": 9,
        "kv_lora_rank": 13,
        "qk_nope_head_dim": 5,
        "qk_rope_head_dim": 2,
        "v_head_dim": 7,
        "max_position_embeddings": 64,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "deepseek_v2": [
        {
            "tie_word_embeddings": (False, True),
            "q_lora_rank": (None, 9),
            "mlp_bias": (False, True),
            "attention_bias": (False, True),
            "first_k_dense_replace": (0, 1, 3),
            "n_shared_experts": (1, 2),
        },
        {"architectures": tuple([f"DeepseekV2{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    sizes = (
        *("vocab_size", "intermediate_size", "moe_intermediate_size", "n_routed_experts"),
        *("kv_lora_rank", "qk_nope_head_dim", "v_head_dim"),
    )
    return {
        "model_type": "deepseek_v2",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * draw(st.integers(1, 10)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "num_experts_per_tok": 1,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": draw(st.integers(1, 3)),
        "first_k_dense_replace": draw(st.integers(0, 1)),
        "q_lora_rank": draw(st.none() | st.integers(1, 40)),
        "qk_rope_head_dim": draw(st.sampled_from((2, 4, 6))),
        "mlp_bias": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"deepseek_v2": _random()}
