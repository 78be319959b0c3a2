"""Tiny Falcons: one, several and all key/value heads, biases, and every arrangement of LayerNorms."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "falcon": {
        "model_type": "falcon",
        "architectures": ["FalconForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
    "falcon+40b": {
        "model_type": "falcon",
        "architectures": ["FalconForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_kv_heads": 2,
        "new_decoder_architecture": True,
        "bias": False,
        "alibi": False,
    },
    "falcon+rw": {
        "model_type": "falcon",
        "architectures": ["FalconForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_hidden_size": 37,
        "alibi": True,
        "bias": True,
        "multi_query": False,
        "parallel_attn": False,
    },
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "falcon": [
        {
            "multi_query": (None, False, True),
            "parallel_attn": (None, False, True),
            "bias": (None, False, True),
            "num_ln_in_parallel_attn": (None, 1, 2),
        },
        {
            "alibi": (False, True),
            "ffn_hidden_size": (None, 37),
            "tie_word_embeddings": (None, False, True),
            "num_kv_heads": (None, 4),
        },
        {"architectures": tuple([f"Falcon{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ],
    "falcon+40b": [
        {
            "num_kv_heads": (None, 1, 2, 4),
            "parallel_attn": (False, True),
            "num_ln_in_parallel_attn": (None, 1, 2),
            "bias": (False, True),
        },
    ],
    "falcon+rw": [{"tie_word_embeddings": (False, True), "new_decoder_architecture": (None, False, True)}],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, repeats = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return {
        "model_type": "falcon",
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": 2 * groups * repeats * draw(st.integers(1, 6)),
        "ffn_hidden_size": draw(st.none() | st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": groups * repeats,
        "num_kv_heads": groups,
        "num_ln_in_parallel_attn": draw(st.sampled_from((None, 1, 2))),
        **{
            name: draw(st.booleans())
            for name in ("new_decoder_architecture", "multi_query", "parallel_attn", "bias", "tie_word_embeddings")
        },
    }


RANDOM = {"falcon": _random()}
