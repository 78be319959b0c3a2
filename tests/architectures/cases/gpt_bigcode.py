"""Tiny GPTBigCodes: one and all key/value heads, cross-attention, tied and not, every head."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "gpt_bigcode": {
        "model_type": "gpt_bigcode",
        "architectures": ["GPTBigCodeForCausalLM"],
        "vocab_size": 97,
        "n_positions": 31,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
    },
    "gpt_bigcode+cross": {
        "model_type": "gpt_bigcode",
        "architectures": ["GPTBigCodeForCausalLM"],
        "vocab_size": 97,
        "n_positions": 31,
        "n_embd": 24,
        "n_inner": 37,
        "n_layer": 3,
        "n_head": 4,
        "multi_query": False,
        "add_cross_attention": True,
    },
}

_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification")
_FIVE = {str(index): f"L{index}" for index in range(5)}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "gpt_bigcode": [
        {"multi_query": (None, False, True), "n_inner": (None, 37), "tie_word_embeddings": (None, False, True)},
        # transformers has no GPTBigCodeForQuestionAnswering.
        {"architectures": tuple([f"GPTBigCode{head}"] for head in _HEADS), "id2label": (None, _FIVE)},
    ],
    "gpt_bigcode+cross": [{"architectures": tuple([f"GPTBigCode{head}"] for head in _HEADS)}],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads, cross = draw(st.integers(1, 6)), draw(st.booleans())
    return {
        "model_type": "gpt_bigcode",
        "vocab_size": draw(st.integers(1, 40)),
        draw(st.sampled_from(("hidden_size", "n_embd"))): heads * draw(st.integers(1, 8)),
        draw(st.sampled_from(("num_hidden_layers", "n_layer"))): draw(st.integers(1, 4)),
        draw(st.sampled_from(("num_attention_heads", "n_head"))): heads,
        draw(st.sampled_from(("max_position_embeddings", "n_positions"))): draw(st.integers(1, 40)),
        "n_inner": draw(st.none() | st.integers(1, 40)),
        "multi_query": not cross and draw(st.booleans()),
        "add_cross_attention": cross,
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"gpt_bigcode": _random()}
