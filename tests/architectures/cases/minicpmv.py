"""A MiniCPM-V 2 with a tiny text model; its vision tower is one that timm knows by name."""

from collections.abc import Mapping

Values = dict[str, object]

REMOTE = True

BASES: dict[str, Values] = {
    "minicpmv": {
        "model_type": "minicpmv",
        "architectures": ["MiniCPMV"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
        "vision_encoder": "vit_so400m_patch14_siglip_384.webli",
        "drop_vision_last_layer": True,
        "query_num": 9,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "minicpmv": [
        {"tie_word_embeddings": (None, False, True), "drop_vision_last_layer": (None, False), "query_num": (None, 10)},
        {"hidden_size": (1152,)},
    ]
}
