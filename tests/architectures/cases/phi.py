"""Tiny Phis: all, several and one key/value head, norms of queries and keys, explicit head sizes."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "phi": {
        "model_type": "phi",
        "architectures": ["PhiForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "phi": [
        {
            "tie_word_embeddings": (None, False, True),
            "num_key_value_heads": (None, 1, 2, 4),
            "qk_layernorm": (None, False, True),
            "head_dim": (None, 10),
        },
        # transformers has no PhiForQuestionAnswering.
        {"architectures": tuple([f"Phi{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    groups, repeats = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return {
        "model_type": "phi",
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": 4 * groups * repeats * draw(st.integers(1, 4)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": groups * repeats,
        "num_key_value_heads": draw(st.sampled_from((None, groups))),
        "qk_layernorm": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        **draw(st.sampled_from(({}, {"head_dim": 4}, {"head_dim": 12}))),
    }


RANDOM = {"phi": _random()}
