"""Tiny Qwen2-MoEs: every layer sparse, every second one, or some kept dense."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "qwen2_moe": {
        "model_type": "qwen2_moe",
        "architectures": ["Qwen2MoeForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "shared_expert_intermediate_size": 19,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "num_experts": 5,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 2,
        "max_position_embeddings": 64,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "qwen2_moe": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "qkv_bias": (None, False, True),
            "head_dim": (None, 10),
        },
        {"decoder_sparse_step": (1, 2, 3, 5), "mlp_only_layers": ([], [0], [1, 3])},
        {"architectures": tuple([f"Qwen2Moe{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    sizes = (
        "vocab_size",
        "intermediate_size",
        "moe_intermediate_size",
        "shared_expert_intermediate_size",
        "num_experts",
    )
    return {
        "model_type": "qwen2_moe",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "num_experts_per_tok": 1,
        "decoder_sparse_step": draw(st.integers(1, 4)),
        "mlp_only_layers": draw(st.lists(st.integers(0, 4), max_size=2, unique=True)),
        "qkv_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"qwen2_moe": _random()}
