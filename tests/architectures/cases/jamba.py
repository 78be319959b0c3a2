"""Tiny Jamba configurations: layers of attention and Mamba, dense and sparse, and their heads."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "jamba": {
        "model_type": "jamba",
        "architectures": ["JambaForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_experts": 3,
        "num_experts_per_tok": 2,
        "attn_layer_period": 3,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 0,
        "mamba_d_state": 5,
        "mamba_d_conv": 6,
        "mamba_expand": 3,
        "mamba_dt_rank": 7,
        "max_position_embeddings": 64,
    },
}

_LABELS = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "jamba": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "mamba_conv_bias": (False, True),
            "mamba_proj_bias": (False, True),
            "mamba_dt_rank": (None, "auto", 9),
        },
        {
            "attn_layer_period": (2, 8),
            "expert_layer_period": (1, 2, 7),
            "expert_layer_offset": (0,),
            "num_experts": (1, 4),
        },
        {"attn_layer_period": (1, 8), "attn_layer_offset": (0,), "num_experts": (1, 2)},
        {
            "architectures": (["JambaForCausalLM"], ["JambaModel"], ["JambaForSequenceClassification"]),
            "id2label": (None, _LABELS),
        },
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads that divide the width, and offsets below their periods."""
    groups = draw(st.integers(1, 3))
    heads = groups * draw(st.integers(1, 3))
    periods = {name: draw(st.integers(1, 6)) for name in ("attn_layer", "expert_layer")}
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * draw(st.integers(1, 8)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "num_experts": draw(st.integers(1, 4)),
        "num_experts_per_tok": 1,
        **{f"{name}_period": period for name, period in periods.items()},
        **{f"{name}_offset": draw(st.integers(0, period - 1)) for name, period in periods.items()},
        "mamba_d_state": draw(st.integers(1, 9)),
        "mamba_d_conv": draw(st.integers(1, 5)),
        "mamba_expand": draw(st.integers(1, 4)),
        "mamba_dt_rank": draw(st.just("auto") | st.integers(1, 9)),
        "mamba_conv_bias": draw(st.booleans()),
        "mamba_proj_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"jamba": _random().map(lambda values: {**BASES["jamba"], **values})}
