"""Tiny MPTs: tied and not, every head, and options that shape nothing."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "mpt": {
        "model_type": "mpt",
        "architectures": ["MptForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_FIVE = {str(index): f"L{index}" for index in range(5)}
_ATTENTION = {"attn_type": "multihead_attention", "alibi": True, "qk_ln": False, "clip_qkv": 6.0, "prefix_lm": False}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "mpt": [
        {
            "tie_word_embeddings": (None, False, True),
            "learned_pos_emb": (None, False, True),
            "attn_config": (None, {}, _ATTENTION),
            "max_seq_len": (None, 31),
            "expansion_ratio": (None, 4),
            "no_bias": (None, True),
        },
        {"architectures": tuple([f"Mpt{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    return {
        "model_type": "mpt",
        "vocab_size": draw(st.integers(1, 40)),
        draw(st.sampled_from(("hidden_size", "d_model"))): heads * draw(st.integers(1, 8)),
        draw(st.sampled_from(("num_hidden_layers", "n_layers"))): draw(st.integers(1, 4)),
        draw(st.sampled_from(("num_attention_heads", "n_heads"))): heads,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"mpt": _random()}
