"""Tiny Qwen3-Next configurations: linear and full attention, dense and sparse layers, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "qwen3_next": {
        "model_type": "qwen3_next",
        "architectures": ["Qwen3NextForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 5,
        "full_attention_interval": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "linear_conv_kernel_dim": 3,
        "linear_key_head_dim": 6,
        "linear_value_head_dim": 7,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 8,
        "num_experts": 5,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 11,
        "shared_expert_intermediate_size": 13,
        "max_position_embeddings": 64,
    },
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_LABELS = {str(index): f"L{index}" for index in range(5)}
_TYPES = ["full_attention", "linear_attention", "linear_attention", "full_attention", "full_attention"]

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "qwen3_next": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "head_dim": (6, 10),
        },
        {
            "full_attention_interval": (None, 1, 3),
            "layer_types": (None, _TYPES, ["full_attention"] * 5, ["linear_attention"] * 5),
        },
        {"decoder_sparse_step": (1, 2, 7), "mlp_only_layers": ([], [1, 4], [0, 9]), "num_experts": (0, 4)},
        {"architectures": tuple([f"Qwen3Next{head}"] for head in _HEADS), "id2label": (None, _LABELS)},
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Sizes that fit each other, over the base configuration."""
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_experts", "head_dim",
             "shared_expert_intermediate_size", "linear_key_head_dim", "linear_value_head_dim")  # fmt: skip
    few = ("linear_conv_kernel_dim", "num_hidden_layers", "full_attention_interval", "decoder_sparse_step")
    groups, keys = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return {
        **{name: 2 * draw(st.integers(1, 20)) for name in sizes},
        **{name: draw(st.integers(1, 5)) for name in few},
        "num_attention_heads": groups * draw(st.integers(1, 4)),
        "num_key_value_heads": groups,
        "linear_num_key_heads": keys,
        "linear_num_value_heads": keys * draw(st.integers(1, 4)),
        "num_experts_per_tok": 1,
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"qwen3_next": _random().map(lambda values: {**BASES["qwen3_next"], **values})}
