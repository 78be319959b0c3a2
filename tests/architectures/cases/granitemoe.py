"""Tiny Granite-MoEs: with and without biases, and with a shared expert or none."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "granitemoe": {
        "model_type": "granitemoe",
        "architectures": ["GraniteMoeForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "num_local_experts": 5,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 64,
    }
}
BASES["granitemoeshared"] = {
    **BASES["granitemoe"],
    "model_type": "granitemoeshared",
    "architectures": ["GraniteMoeSharedForCausalLM"],
    "shared_intermediate_size": 19,
}

_HEADS = ("ForCausalLM", "Model")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "granitemoe": [
        {
            "num_key_value_heads": (1, 2, 4),
            "tie_word_embeddings": (False, True),
            "attention_bias": (False, True),
            "head_dim": (None, 10),
            "num_local_experts": (2, 5),
        },
        {"architectures": tuple([f"GraniteMoe{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ],
    "granitemoeshared": [
        {"attention_bias": (False, True), "shared_intermediate_size": (None, 0, 19)},
        {"architectures": (["GraniteMoeSharedForCausalLM"], ["GraniteMoeSharedModel"])},
    ],
}


@st.composite
def _random(draw: st.DrawFn, kind: str) -> Values:
    groups, width = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6))
    heads = groups * draw(st.integers(1, 4))
    sizes = ("vocab_size", "intermediate_size", "num_local_experts")
    return {
        "model_type": kind,
        **({"shared_intermediate_size": draw(st.integers(0, 40))} if kind == "granitemoeshared" else {}),
        **{name: draw(st.integers(1, 40)) for name in sizes},
        "hidden_size": heads * width,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "num_experts_per_tok": 1,
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": None,
        **draw(st.sampled_from(({}, {"head_dim": 2}, {"head_dim": 10}))),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {kind: _random(kind) for kind in ("granitemoe", "granitemoeshared")}
