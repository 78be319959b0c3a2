"""Tiny MiMo-V2-Flashes: layers that see a window and layers that see everything, dense and sparse, as lists say."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "mimo_v2_flash": {
        "model_type": "mimo_v2_flash",
        "architectures": ["MiMoV2FlashForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "moe_intermediate_size": 11,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 10,
        "v_head_dim": 7,
        "n_routed_experts": 6,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 64,
    }
}

_WINDOW, _ALL = "sliding_attention", "full_attention"

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "mimo_v2_flash": [
        {
            "num_key_value_heads": (1, 2),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "n_routed_experts": (2, 6),
        },
        {
            "layer_types": (None, [_WINDOW] * 3, [_ALL] * 3, [_WINDOW, _ALL, _WINDOW]),
            "mlp_layer_types": (None, ["sparse"] * 3, ["dense"] * 3, ["sparse", "dense", "sparse"]),
        },
        # What the published config.json says besides, all of it as transformers has it.
        {
            "hybrid_layer_pattern": ([0, 1, 1],),
            "moe_layer_freq": ([0, 1, 1],),
            "swa_num_attention_heads": (None, 4),
            "swa_num_key_value_heads": (None, 2),
            "swa_head_dim": (None, 10),
            "swa_v_head_dim": (None, 7),
            "add_swa_attention_sink_bias": (None, True),
        },
        {"architectures": (["MiMoV2FlashForCausalLM"], ["MiMoV2FlashModel"]), "num_hidden_layers": (1, 8)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups = draw(st.integers(1, 4))
    sizes = (
        *("vocab_size", "hidden_size", "intermediate_size"),
        *("moe_intermediate_size", "n_routed_experts", "v_head_dim"),
    )
    return {
        "model_type": "mimo_v2_flash",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "num_hidden_layers": draw(st.integers(1, 8)),
        "num_attention_heads": 2 * groups * draw(st.integers(1, 4)),
        "num_key_value_heads": groups,
        "head_dim": 10 * draw(st.integers(1, 3)),
        "num_experts_per_tok": 1,
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"mimo_v2_flash": _random()}
