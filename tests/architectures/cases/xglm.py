"""Tiny XGLMs: tied and not, with and without cross-attention, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "xglm": {
        "model_type": "xglm",
        "architectures": ["XGLMForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "ffn_dim": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "xglm": [
        {
            "tie_word_embeddings": (None, False, True),
            "add_cross_attention": (None, False, True),
            "scale_embedding": (False, True),
            "architectures": (["XGLMForCausalLM"], ["XGLMModel"]),
        },
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    return {
        "model_type": "xglm",
        "vocab_size": draw(st.integers(2, 40)),
        draw(st.sampled_from(("hidden_size", "d_model"))): 4 * heads * draw(st.integers(1, 8)),
        "ffn_dim": draw(st.integers(1, 40)),
        draw(st.sampled_from(("num_hidden_layers", "num_layers"))): draw(st.integers(1, 4)),
        draw(st.sampled_from(("num_attention_heads", "attention_heads"))): heads,
        "max_position_embeddings": draw(st.integers(1, 40)),
        "add_cross_attention": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"xglm": _random()}
