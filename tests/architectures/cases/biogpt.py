"""Tiny BioGPTs: tied and not, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "biogpt": {
        "model_type": "biogpt",
        "architectures": ["BioGptForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
    }
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "biogpt": [
        {"tie_word_embeddings": (None, False, True), "scale_embedding": (False, True)},
        # transformers has no BioGptForQuestionAnswering.
        {"architectures": tuple([f"BioGpt{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 6))
    return {
        "model_type": "biogpt",
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * draw(st.integers(1, 8)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "max_position_embeddings": draw(st.integers(1, 40)),
        "pad_token_id": None,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"biogpt": _random()}
