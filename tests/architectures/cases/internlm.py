"""A tiny InternLM of the first generation."""

Values = dict[str, object]

#: transformers has no such class: test_remote_decoders.py has the tensors by name and shape.
REMOTE = True

BASES: dict[str, Values] = {
    "internlm": {
        "model_type": "internlm",
        "architectures": ["InternLMForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bias": True,
    }
}
