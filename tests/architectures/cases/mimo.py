"""A tiny MiMo with one layer that predicts further tokens."""

Values = dict[str, object]

#: transformers has no such class: test_remote_decoders.py has the tensors by name and shape.
REMOTE = True

BASES: dict[str, Values] = {
    "mimo": {
        "model_type": "mimo",
        "architectures": ["MiMoForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "num_nextn_predict_layers": 1,
        "attention_bias": True,
    }
}
