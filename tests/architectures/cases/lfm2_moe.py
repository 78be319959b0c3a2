"""Tiny LFM2-MoE configurations: convolutions and attention, dense and sparse layers."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "lfm2_moe": {
        "model_type": "lfm2_moe",
        "architectures": ["Lfm2MoeForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_dense_layers": 1,
        "num_experts": 5,
        "num_experts_per_tok": 2,
        "conv_L_cache": 7,
        "layer_types": ["conv", "full_attention", "conv", "full_attention"],
        "max_position_embeddings": 64,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "lfm2_moe": [
        {
            "num_key_value_heads": (1, 2, 4),
            "conv_bias": (False, True),
            "use_expert_bias": (None, False),
            "tie_word_embeddings": (None, False),
        },
        {"num_dense_layers": (None, 0, 4, 9), "layer_types": (["conv"] * 4, ["full_attention"] * 4)},
        {"architectures": (["Lfm2MoeForCausalLM"], ["Lfm2MoeModel"]), "tie_embedding": (None, True)},
        {"tie_embedding": (False,), "tie_word_embeddings": (None, False)},
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads that divide the width, and any list of layers."""
    groups, layers = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    heads = groups * draw(st.integers(1, 3))
    kinds = st.sampled_from(("conv", "full_attention"))
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * 2 * draw(st.integers(1, 6)),
        "intermediate_size": draw(st.integers(1, 40)),
        "moe_intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": layers,
        "layer_types": draw(st.lists(kinds, min_size=layers, max_size=layers)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "num_dense_layers": draw(st.integers(0, 6)),
        "num_experts": draw(st.integers(1, 6)),
        "num_experts_per_tok": 1,
        "use_expert_bias": draw(st.booleans()),
        "conv_L_cache": draw(st.integers(1, 5)),
        "conv_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"lfm2_moe": _random().map(lambda values: {**BASES["lfm2_moe"], **values})}
