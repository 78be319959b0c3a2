"""Tiny ChatGLMs of the first and of later generations."""

Values = dict[str, object]

#: transformers has no such class: test_remote_decoders.py has the tensors by name and shape.
REMOTE = True

BASES: dict[str, Values] = {
    "chatglm": {
        "model_type": "chatglm",
        "architectures": ["ChatGLMModel"],
        "padded_vocab_size": 97,
        "hidden_size": 24,
        "ffn_hidden_size": 37,
        "num_layers": 3,
        "num_attention_heads": 4,
        "kv_channels": 8,
        "add_qkv_bias": True,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
    },
    "chatglm-first": {
        "model_type": "chatglm",
        "architectures": ["ChatGLMForConditionalGeneration"],
        "vocab_size": 97,
        "hidden_size": 32,
        "inner_hidden_size": 37,
        "num_layers": 3,
        "num_attention_heads": 4,
        "position_encoding_2d": True,
        "tie_word_embeddings": False,
    },
}
