"""Tiny CodeGens: tied and not, an inner width of their own, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "codegen": {
        "model_type": "codegen",
        "architectures": ["CodeGenForCausalLM"],
        "vocab_size": 97,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 31,
        "rotary_dim": 4,
    }
}

_HEADS = ("ForCausalLM", "Model")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "codegen": [
        {"tie_word_embeddings": (None, False, True), "n_inner": (None, 37), "rotary_dim": (2, 6)},
        {"architectures": tuple([f"CodeGen{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.sampled_from((4, 8)))
    return {
        "model_type": "codegen",
        "vocab_size": draw(st.integers(1, 40)),
        draw(st.sampled_from(("hidden_size", "n_embd"))): heads * draw(st.integers(1, 8)),
        draw(st.sampled_from(("num_hidden_layers", "n_layer"))): draw(st.integers(1, 4)),
        draw(st.sampled_from(("num_attention_heads", "n_head"))): heads,
        draw(st.sampled_from(("max_position_embeddings", "n_positions"))): draw(st.integers(1, 40)),
        "n_inner": draw(st.none() | st.integers(1, 40)),
        "rotary_dim": 2,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"codegen": _random()}
