"""Tiny Granite 4 configurations: Mamba-2 and attention, with experts and without."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "granitemoehybrid": {
        "model_type": "granitemoehybrid",
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "shared_intermediate_size": 13,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_local_experts": 5,
        "num_experts_per_tok": 2,
        "layer_types": ["linear_attention", "full_attention", "linear_attention", "full_attention"],
        "mamba_n_heads": 8,
        "mamba_d_head": 9,
        "mamba_expand": 3,
        "mamba_n_groups": 2,
        "mamba_d_state": 7,
        "mamba_d_conv": 6,
        "max_position_embeddings": 64,
    },
}

_OLD = ["mamba", "attention", "attention", "mamba"]

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "granitemoehybrid": [
        {
            "num_key_value_heads": (None, 1, 2),
            "attention_bias": (False, True),
            "mamba_conv_bias": (None, False),
            "mamba_proj_bias": (None, True),
            "tie_word_embeddings": (None, True),
        },
        {
            "num_local_experts": (None, 0, 3),
            "layer_types": (None, _OLD, ["full_attention"] * 4),
            "mamba_d_head": (None, "auto", 9),
        },
        {"architectures": (["GraniteMoeHybridForCausalLM"], ["GraniteMoeHybridModel"])},
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads that divide the width, and state-space heads that are as wide together as the expansion says."""
    kv_heads, groups, repeats, expand = (draw(st.integers(1, 3)) for _ in range(4))
    heads, layers = kv_heads * draw(st.integers(1, 3)), draw(st.integers(1, 5))
    hidden = heads * groups * repeats * draw(st.integers(1, 3))
    kinds = st.sampled_from(("linear_attention", "full_attention"))
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": hidden,
        "intermediate_size": draw(st.integers(1, 40)),
        "shared_intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": layers,
        "layer_types": draw(st.lists(kinds, min_size=layers, max_size=layers)),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "num_local_experts": draw(st.integers(0, 5)),
        "num_experts_per_tok": 1,
        "mamba_n_groups": groups,
        "mamba_n_heads": groups * repeats,
        "mamba_d_head": "auto",
        "mamba_expand": expand,
        "mamba_d_state": draw(st.integers(1, 9)),
        "mamba_d_conv": draw(st.integers(1, 5)),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"granitemoehybrid": _random().map(lambda values: {**BASES["granitemoehybrid"], **values})}
