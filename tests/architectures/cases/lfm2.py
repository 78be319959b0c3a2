"""Tiny LFM2 configurations: convolutions and attention, widths of the feed-forward layer, biases."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "lfm2": {
        "model_type": "lfm2",
        "architectures": ["Lfm2ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "block_multiple_of": 7,
        "block_ffn_dim_multiplier": 1.2,
        "conv_L_cache": 5,
        "full_attn_idxs": [1, 3],
        "max_position_embeddings": 64,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "lfm2": [
        {
            "num_key_value_heads": (1, 2, 4),
            "conv_bias": (False, True),
            "block_auto_adjust_ff_dim": (None, False),
            "tie_word_embeddings": (None, False),
        },
        {
            "block_ffn_dim_multiplier": (None, 1, 0.7),
            "block_multiple_of": (None, 5),
            "block_ff_dim": (None, 64),
            "intermediate_size": (31, 41),
        },
        {
            "full_attn_idxs": (None, [], [0], [2, 9]),
            "layer_types": (None, ["conv", "full_attention", "full_attention", "conv"], ["conv"] * 4),
        },
        {"architectures": (["Lfm2ForCausalLM"], ["Lfm2Model"]), "tie_embedding": (None, True)},
        {"tie_embedding": (False,), "tie_word_embeddings": (None, False)},
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads that divide the width, any list of layers, and a feed-forward layer that no scale leaves without width."""
    groups = draw(st.integers(1, 3))
    heads = groups * draw(st.integers(1, 3))
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * 2 * draw(st.integers(1, 6)),
        "intermediate_size": draw(st.integers(15, 400)),
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "block_multiple_of": draw(st.integers(1, 50)),
        "block_ffn_dim_multiplier": draw(st.floats(0.1, 4) | st.integers(1, 3)),
        "block_auto_adjust_ff_dim": draw(st.booleans()),
        "conv_L_cache": draw(st.integers(1, 5)),
        "conv_bias": draw(st.booleans()),
        "full_attn_idxs": draw(st.lists(st.integers(0, 5))),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"lfm2": _random().map(lambda values: {**BASES["lfm2"], **values})}
