"""Tiny DeepSeek-V3.2s: dense layers first, none, or as a list says."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "deepseek_v32": {
        "model_type": "deepseek_v32",
        "architectures": ["DeepseekV32ForCausalLM"],
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
        "index_n_heads": 8,
        "index_head_dim": 10,
        "max_position_embeddings": 64,
    }
}

_HEADS = ("ForCausalLM", "Model")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "deepseek_v32": [
        {
            "tie_word_embeddings": (False, True),
            "index_n_heads": (1, 8),
            "attention_bias": (False, True),
            "first_k_dense_replace": (0, 1, 3),
            "n_shared_experts": (1, 2),
        },
        {"mlp_layer_types": (["dense", "sparse", "sparse"], ["sparse", "dense", "sparse"], ["sparse"] * 3)},
        {"architectures": tuple([f"DeepseekV32{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    sizes = (
        *("vocab_size", "intermediate_size", "moe_intermediate_size", "n_routed_experts"),
        *("kv_lora_rank", "qk_nope_head_dim", "v_head_dim", "index_n_heads"),
    )
    return {
        "model_type": "deepseek_v32",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "num_experts_per_tok": 1,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": draw(st.integers(1, 3)),
        "first_k_dense_replace": draw(st.integers(0, 1)),
        "q_lora_rank": draw(st.integers(1, 40)),
        "qk_rope_head_dim": draw(st.sampled_from((2, 4, 6))),
        "index_head_dim": 2 * draw(st.integers(3, 20)),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"deepseek_v32": _random()}
