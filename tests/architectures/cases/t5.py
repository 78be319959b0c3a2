"""Tiny T5s of both versions, mT5s and umT5s, with every class.

`tie_word_embeddings` is not switched here: transformers 5 builds every T5 tied, whatever the config says, and
unties it when a file holds an output layer of its own.
"""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_NAMES = {"t5": "T5", "mt5": "MT5", "umt5": "UMT5"}
_SIZES: Values = {
    "vocab_size": 97,
    "d_model": 24,
    "d_kv": 7,
    "d_ff": 37,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 5,
    "relative_attention_num_buckets": 11,
}
_HEADS = ("ForConditionalGeneration", "EncoderModel", "ForSequenceClassification", "ForTokenClassification",
          "ForQuestionAnswering", "Model")  # fmt: skip
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    kind: {**_SIZES, "model_type": kind, "architectures": [f"{name}ForConditionalGeneration"]}
    for kind, name in _NAMES.items()
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    kind: [
        {
            "architectures": tuple([f"{name}{head}"] for head in _HEADS),
            "feed_forward_proj": (None, "relu", "gated-gelu", "gated-silu", "gelu"),
            "num_decoder_layers": (None, 3),
        },
        {
            "architectures": tuple([f"{name}{head}"] for head in _HEADS),
            "id2label": (_FIVE,),
            "relative_attention_num_buckets": (None, 8),
        },
        {"d_kv": (None, 9), "is_gated_act": (None, False, True)},
    ]
    for kind, name in _NAMES.items()
}


@st.composite
def _random(draw: st.DrawFn, kind: str) -> Values:
    return {
        "model_type": kind,
        "architectures": [_NAMES[kind] + draw(st.sampled_from(_HEADS))],
        **{name: draw(st.integers(1, 40)) for name in ("vocab_size", "d_model", "d_ff", "d_kv")},
        **{name: draw(st.integers(1, 4)) for name in ("num_layers", "num_heads")},
        "num_decoder_layers": draw(st.none() | st.integers(1, 4)),
        "relative_attention_num_buckets": draw(st.integers(1, 40)),
        "feed_forward_proj": draw(st.sampled_from(("relu", "gated-gelu"))),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {kind: _random(kind) for kind in _NAMES}
