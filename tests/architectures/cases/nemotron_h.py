"""Tiny Nemotron-H configurations: patterns of layers as words and as letters, latents, biases."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "nemotron_h": {
        "model_type": "nemotron_h",
        "architectures": ["NemotronHForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "layers_block_type": ["mamba", "moe", "attention", "mlp", "moe"],
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "mamba_num_heads": 8,
        "mamba_head_dim": 9,
        "ssm_state_size": 5,
        "n_groups": 2,
        "conv_kernel": 3,
        "n_routed_experts": 6,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 11,
        "moe_shared_expert_intermediate_size": 13,
        "moe_latent_size": 7,
        "num_nextn_predict_layers": 1,
        "max_position_embeddings": 64,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "nemotron_h": [
        {
            "num_key_value_heads": (1, 2, 4),
            "use_bias": (False, True),
            "use_conv_bias": (False, True),
            "mlp_bias": (False, True),
            "moe_latent_size": (None, 7),
        },
        {
            "layers_block_type": (None,),
            "hybrid_override_pattern": ("M-M*", "MEMEM*E", "-*", "M"),
            "num_nextn_predict_layers": (0, 2),
            "tie_word_embeddings": (False, True),
        },
        {
            "layers_block_type": (["linear_attention", "full_attention", "moe"],),
            "num_hidden_layers": (None, 3),
            "mtp_layers_block_type": (None, ["attention", "moe"]),
            "architectures": (["NemotronHForCausalLM"], ["NemotronHModel"]),
        },
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads and groups that fit, and any pattern of layers."""
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "head_dim", "mamba_head_dim", "ssm_state_size",
             "conv_kernel", "n_routed_experts", "moe_intermediate_size",
             "moe_shared_expert_intermediate_size")  # fmt: skip
    kinds = st.sampled_from(("mamba", "attention", "mlp", "moe"))
    kv_heads, groups = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return {
        **{name: draw(st.integers(1, 20)) for name in sizes},
        "layers_block_type": draw(st.lists(kinds, min_size=1, max_size=6)),
        "num_attention_heads": kv_heads * draw(st.integers(1, 4)),
        "num_key_value_heads": kv_heads,
        "mamba_num_heads": groups * draw(st.integers(1, 4)),
        "n_groups": groups,
        "num_experts_per_tok": 1,
        "moe_latent_size": draw(st.none() | st.integers(1, 20)),
        "use_bias": draw(st.booleans()),
        "use_conv_bias": draw(st.booleans()),
        "mlp_bias": draw(st.booleans()),
    }


RANDOM = {"nemotron_h": _random().map(lambda values: {**BASES["nemotron_h"], **values})}
