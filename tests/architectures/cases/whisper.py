"""Tiny Whispers, tied and untied, with every class."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

_HEADS = ("ForConditionalGeneration", "ForCausalLM", "ForAudioClassification", "Model")
_FIVE = {str(index): f"L{index}" for index in range(5)}

BASES: dict[str, Values] = {
    "whisper": {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": 97,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_ffn_dim": 37,
        "decoder_ffn_dim": 41,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 3,
        "num_mel_bins": 7,
        "max_source_positions": 31,
        "max_target_positions": 19,
        "classifier_proj_size": 11,
        "pad_token_id": 1,
    }
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "whisper": [
        {
            "tie_word_embeddings": (False, True),
            "architectures": tuple([f"Whisper{head}"] for head in _HEADS),
            "use_weighted_layer_sum": (False, True),
            "id2label": (None, _FIVE),
        },
        {
            "num_mel_bins": (None, 128),
            "max_source_positions": (None, 17),
            "max_target_positions": (None, 13),
            "classifier_proj_size": (None, 9),
            "architectures": (["WhisperForConditionalGeneration"], ["WhisperForAudioClassification"]),
        },
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    encoder, decoder = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    sizes = ("vocab_size", "encoder_ffn_dim", "decoder_ffn_dim", "num_mel_bins", "max_source_positions",
             "max_target_positions", "classifier_proj_size")  # fmt: skip
    return {
        "model_type": "whisper",
        "architectures": ["Whisper" + draw(st.sampled_from(_HEADS))],
        **{key: draw(st.integers(1, 40)) for key in sizes},
        # Sinusoids are computed in pairs, and over one pair there is nothing to divide by.
        "d_model": 4 * encoder * decoder * draw(st.integers(1, 4)),
        "encoder_layers": draw(st.integers(1, 3)),
        "decoder_layers": draw(st.integers(1, 3)),
        "encoder_attention_heads": encoder,
        "decoder_attention_heads": decoder,
        "use_weighted_layer_sum": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
        "pad_token_id": 0,
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"whisper": _random()}
