"""A Logics-Thinking with a tiny text model and a tiny SigLIP; its ConvNeXt is one that timm knows by name."""

from collections.abc import Mapping

Values = dict[str, object]

REMOTE = True

BASES: dict[str, Values] = {
    "logics": {
        "model_type": "logics",
        "architectures": ["LogicsForConditionalGeneration"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "mm_vision_tower": "convnext-1024,siglip2-384",
        "mm_hidden_size": 3092,
        "siglip_config": {
            "hidden_size": 20,
            "intermediate_size": 29,
            "num_hidden_layers": 27,
            "num_attention_heads": 5,
            "image_size": 21,
            "patch_size": 7,
        },
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "logics": [{"tie_word_embeddings": (False, True), "mm_hidden_size": (None, 3092)}]
}
