"""Tiny language models of Llama 4: experts in every layer, in every second one, or as a list says."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "llama4_text": {
        "model_type": "llama4_text",
        "architectures": ["Llama4ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "intermediate_size_mlp": 53,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "num_local_experts": 5,
        "num_experts_per_tok": 2,
        "interleave_moe_layer_step": 2,
        "max_position_embeddings": 64,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "llama4_text": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "head_dim": (None, 10),
        },
        {"interleave_moe_layer_step": (1, 2, 3, 5), "moe_layers": (None, [], [0, 2], [1, 9])},
        {"architectures": (["Llama4ForCausalLM"], ["Llama4TextModel"])},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups = draw(st.integers(1, 4))
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "intermediate_size_mlp", "num_local_experts")
    return {
        "model_type": "llama4_text",
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": groups * draw(st.integers(1, 4)),
        "num_key_value_heads": groups,
        "head_dim": 2 * draw(st.integers(1, 10)),
        "num_experts_per_tok": 1,
        "interleave_moe_layer_step": draw(st.integers(1, 4)),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"llama4_text": _random()}
