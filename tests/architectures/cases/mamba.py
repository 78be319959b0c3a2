"""Tiny Mamba and Falcon-Mamba configurations: biases, ranks and widths."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_SIZES: Values = {
    "vocab_size": 97,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "state_size": 5,
    "conv_kernel": 3,
    "expand": 3,
    "time_step_rank": 7,
}

BASES: dict[str, Values] = {
    "mamba": {**_SIZES, "model_type": "mamba", "architectures": ["MambaForCausalLM"]},
    "falcon_mamba": {**_SIZES, "model_type": "falcon_mamba", "architectures": ["FalconMambaForCausalLM"]},
}


def _switches(prefix: str) -> list[Mapping[str, tuple[object, ...]]]:
    return [
        {"use_bias": (False, True), "use_conv_bias": (False, True), "tie_word_embeddings": (None, False, True)},
        {"time_step_rank": (None, "auto", 9), "hidden_size": (24, 32), "intermediate_size": (None, 50)},
        {"architectures": ([f"{prefix}ForCausalLM"], [f"{prefix}Model"]), "expand": (None, 1)},
    ]


SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "mamba": _switches("Mamba"),
    "falcon_mamba": _switches("FalconMamba"),
}

_RANDOM = st.fixed_dictionaries(
    {
        "vocab_size": st.integers(1, 40),
        "hidden_size": st.integers(1, 40),
        "num_hidden_layers": st.integers(1, 4),
        "state_size": st.integers(1, 9),
        "conv_kernel": st.integers(1, 5),
        "expand": st.integers(1, 4),
        "time_step_rank": st.just("auto") | st.integers(1, 9),
        "use_bias": st.booleans(),
        "use_conv_bias": st.booleans(),
        "tie_word_embeddings": st.booleans(),
    }
)

RANDOM = {
    "mamba": _RANDOM.map(lambda values: {**BASES["mamba"], **values}),
    "falcon_mamba": _RANDOM.map(lambda values: {**BASES["falcon_mamba"], **values}),
}
