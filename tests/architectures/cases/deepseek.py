"""A tiny DeepSeekMoE, whose modelling code is in its repository."""

Values = dict[str, object]

#: transformers has no such class: test_remote_moe.py has the tensors by name and shape.
REMOTE = True

BASES: dict[str, Values] = {
    "deepseek": {
        "model_type": "deepseek",
        "architectures": ["DeepseekForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "n_routed_experts": 5,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
    }
}
