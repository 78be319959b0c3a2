"""A tiny Kimi-K2, which is published with the modelling code of DeepSeek-V3."""

Values = dict[str, object]

#: transformers has no such model_type: test_remote_moe.py compares it with DeepSeek-V3.
REMOTE = True

BASES: dict[str, Values] = {
    "kimi_k2": {
        "model_type": "kimi_k2",
        "architectures": ["DeepseekV3ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "n_routed_experts": 6,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
        "q_lora_rank": 9,
        "kv_lora_rank": 13,
        "qk_nope_head_dim": 5,
        "qk_rope_head_dim": 2,
        "v_head_dim": 7,
        "num_nextn_predict_layers": 0,
    }
}
