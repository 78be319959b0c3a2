"""Tiny OPTs: norms before and after the blocks, narrower embeddings, with and without biases."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "opt": {
        "model_type": "opt",
        "architectures": ["OPTForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "ffn_dim": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
    },
    "opt+350m": {
        "model_type": "opt",
        "architectures": ["OPTForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "word_embed_proj_dim": 11,
        "do_layer_norm_before": False,
        "ffn_dim": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
    },
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "opt": [
        {
            "do_layer_norm_before": (None, False, True),
            "_remove_final_layer_norm": (None, False, True),
            "word_embed_proj_dim": (None, 11, 24),
            "enable_bias": (None, False, True),
            "layer_norm_elementwise_affine": (None, False, True),
        },
        {"tie_word_embeddings": (False, True), "word_embed_proj_dim": (None, 11)},
        # transformers has no OPTForTokenClassification.
        {"architectures": tuple([f"OPT{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ],
    "opt+350m": [{"architectures": tuple([f"OPT{head}"] for head in _HEADS), "id2label": (None, _FIVE)}],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    switches = ("do_layer_norm_before", "enable_bias", "layer_norm_elementwise_affine", "tie_word_embeddings")
    return {
        "model_type": "opt",
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * draw(st.integers(1, 8)),
        "word_embed_proj_dim": draw(st.none() | st.integers(1, 40)),
        "ffn_dim": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "max_position_embeddings": draw(st.integers(1, 40)),
        "pad_token_id": None,
        **{name: draw(st.booleans()) for name in switches},
    }


RANDOM = {"opt": _random()}
