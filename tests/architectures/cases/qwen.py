"""A tiny Qwen of the first generation: its `intermediate_size` counts gate and up together."""

Values = dict[str, object]

#: transformers has no such class: test_remote_decoders.py has the tensors by name and shape.
REMOTE = True

BASES: dict[str, Values] = {
    "qwen": {
        "model_type": "qwen",
        "architectures": ["QWenLMHeadModel"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 74,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "kv_channels": 6,
        "no_bias": True,
    }
}
