"""Tiny BLOOMs: tied and not, every head, both spellings of the hidden size."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "bloom": {
        "model_type": "bloom",
        "architectures": ["BloomForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "n_layer": 2,
        "n_head": 4,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "bloom": [
        {
            "tie_word_embeddings": (None, False, True),
            "apply_residual_connection_post_layernorm": (False, True),
            "slow_but_exact": (False, True),
            "n_inner": (None, 37),
            "n_embed": (None, 24),
        },
        {"architectures": tuple([f"Bloom{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    return {
        "model_type": "bloom",
        "vocab_size": draw(st.integers(1, 40)),
        draw(st.sampled_from(("hidden_size", "n_embed"))): heads * draw(st.integers(1, 8)),
        draw(st.sampled_from(("num_hidden_layers", "n_layer"))): draw(st.integers(1, 4)),
        draw(st.sampled_from(("num_attention_heads", "n_head"))): heads,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"bloom": _random()}
