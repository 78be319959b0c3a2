"""Tiny Mamba-2 configurations: biases, groups and heads."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "mamba2": {
        "model_type": "mamba2",
        "architectures": ["Mamba2ForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "state_size": 5,
        "conv_kernel": 3,
        "expand": 3,
        "num_heads": 8,
        "head_dim": 9,
        "n_groups": 2,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "mamba2": [
        {"use_bias": (False, True), "use_conv_bias": (False, True), "tie_word_embeddings": (None, False, True)},
        {"n_groups": (1, 4, 8), "state_size": (1, 6), "time_step_rank": ("auto", 4), "intermediate_size": (None, 50)},
        {"architectures": (["Mamba2ForCausalLM"], ["Mamba2Model"])},
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads that are together as wide as the expansion says."""
    groups, repeats, width, expand = (draw(st.integers(1, 4)) for _ in range(4))
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "state_size": draw(st.integers(1, 9)),
        "conv_kernel": draw(st.integers(1, 5)),
        "n_groups": groups,
        "num_heads": groups * repeats,
        "head_dim": width * expand,
        "expand": expand,
        "hidden_size": groups * repeats * width,
        "use_bias": draw(st.booleans()),
        "use_conv_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"mamba2": _random().map(lambda values: {**BASES["mamba2"], **values})}
