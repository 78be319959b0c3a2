"""Tiny BARTs and their relatives, tied and untied, with every class."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_SIZES: Values = {
    "vocab_size": 97,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 41,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 3,
    "max_position_embeddings": 31,
    "pad_token_id": 1,
}
_GENERATES = ("ForConditionalGeneration", "Model")
_DECODES = (*_GENERATES, "ForCausalLM")
_CLASSIFIES = (*_DECODES, "ForSequenceClassification")
_ANSWERS = (*_CLASSIFIES, "ForQuestionAnswering")
_CLASSES = {
    "bart": ("Bart", _ANSWERS),
    "mbart": ("MBart", _ANSWERS),
    "plbart": ("PLBart", _CLASSIFIES),
    "pegasus": ("Pegasus", _DECODES),
    "blenderbot": ("Blenderbot", _DECODES),
    "blenderbot-small": ("BlenderbotSmall", _DECODES),
    "m2m_100": ("M2M100", _GENERATES),
}
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    kind: {**_SIZES, "model_type": kind, "architectures": [f"{name}ForConditionalGeneration"]}
    for kind, (name, _) in _CLASSES.items()
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    kind: [
        {
            "tie_word_embeddings": (False, True),
            "architectures": tuple([f"{name}{head}"] for head in heads),
            "id2label": (None, _FIVE),
        }
    ]
    for kind, (name, heads) in _CLASSES.items()
}


@st.composite
def _random(draw: st.DrawFn, kind: str) -> Values:
    name, heads = _CLASSES[kind]
    encoder, decoder = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return {
        "model_type": kind,
        "architectures": [name + draw(st.sampled_from(heads))],
        **{key: draw(st.integers(1, 40)) for key in ("vocab_size", "encoder_ffn_dim", "decoder_ffn_dim")},
        "max_position_embeddings": draw(st.integers(1, 40)),
        # Sinusoids are computed in pairs, and over one pair there is nothing to divide by.
        "d_model": 4 * encoder * decoder * draw(st.integers(1, 4)),
        "encoder_layers": draw(st.integers(1, 3)),
        "decoder_layers": draw(st.integers(1, 3)),
        "encoder_attention_heads": encoder,
        "decoder_attention_heads": decoder,
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": 0,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {kind: _random(kind) for kind in _CLASSES}
