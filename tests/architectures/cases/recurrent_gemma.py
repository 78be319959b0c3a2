"""Tiny RecurrentGemma configurations: recurrences and attention, widths, biases."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "recurrent_gemma": {
        "model_type": "recurrent_gemma",
        "architectures": ["RecurrentGemmaForCausalLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 74,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "lru_width": 20,
        "conv1d_width": 3,
    },
}

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "recurrent_gemma": [
        {
            "num_key_value_heads": (None, 1, 2),
            "attention_bias": (False, True),
            "tie_word_embeddings": (None, False),
            "lru_width": (None, 28),
            "intermediate_size": (74, 75),
        },
        {
            "block_types": (None, ["attention"], ["recurrent"], ["attention", "recurrent"]),
            "architectures": (["RecurrentGemmaForCausalLM"], ["RecurrentGemmaModel"]),
        },
    ],
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    """Heads that divide the width of the model and of the recurrence."""
    groups = draw(st.integers(1, 3))
    heads = groups * draw(st.integers(1, 3))
    kinds = st.sampled_from(("recurrent", "attention"))
    return {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": heads * 4 * draw(st.integers(1, 4)),
        "intermediate_size": draw(st.integers(2, 60)),
        "num_hidden_layers": draw(st.integers(1, 5)),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "lru_width": heads * draw(st.integers(1, 8)),
        "conv1d_width": draw(st.integers(1, 5)),
        "block_types": draw(st.lists(kinds, min_size=1, max_size=4)),
        "attention_bias": draw(st.booleans()),
        "tie_word_embeddings": draw(st.booleans()),
    }


RANDOM = {"recurrent_gemma": _random().map(lambda values: {**BASES["recurrent_gemma"], **values})}
