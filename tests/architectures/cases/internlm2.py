"""A tiny InternLM2."""

Values = dict[str, object]

#: transformers has no such class: test_remote_decoders.py has the tensors by name and shape.
REMOTE = True

BASES: dict[str, Values] = {
    "internlm2": {
        "model_type": "internlm2",
        "architectures": ["InternLM2ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "bias": False,
        "max_position_embeddings": 64,
    }
}
