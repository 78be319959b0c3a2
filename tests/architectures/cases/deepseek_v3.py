"""Tiny DeepSeek-V3s."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "deepseek_v3": {
        "model_type": "deepseek_v3",
        "architectures": ["DeepseekV3ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 64,
        "moe_intermediate_size": 11,
        "n_routed_experts": 6,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "n_group": 2,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "q_lora_rank": 9,
        "kv_lora_rank": 13,
        "qk_nope_head_dim": 5,
        "qk_rope_head_dim": 2,
        "v_head_dim": 7,
    }
}

#: Keys whose null says something else than their absence.
NULLS = ("q_lora_rank",)

# transformers has no DeepseekV3ForQuestionAnswering.
_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "deepseek_v3": [
        {
            "tie_word_embeddings": (False, True),
            "q_lora_rank": (None, 9),
            "attention_bias": (False, True),
            "first_k_dense_replace": (0, 1, 3),
            "n_shared_experts": (1, 2),
        },
        {"architectures": tuple([f"DeepseekV3{head}"] for head in _HEADS), "num_labels": (None, 7)},
    ]
}

_SIZES = ("vocab_size", "intermediate_size", "hidden_size", "moe_intermediate_size", "n_routed_experts",
          "kv_lora_rank", "qk_nope_head_dim", "v_head_dim")  # fmt: skip


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    return {
        "model_type": "deepseek_v3",
        **{name: draw(st.integers(1, 40)) for name in _SIZES},
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "num_experts_per_tok": 1,
        "n_shared_experts": draw(st.integers(1, 3)),
        "first_k_dense_replace": draw(st.integers(0, 1)),
        "q_lora_rank": draw(st.none() | st.integers(1, 40)),
        "qk_rope_head_dim": draw(st.sampled_from((2, 4, 6))),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"deepseek_v3": _random()}
