"""Tiny GPT-2s."""

from collections.abc import Mapping

from hypothesis import strategies as st

Values = dict[str, object]

BASES: dict[str, Values] = {
    "gpt2": {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": 97,
        "n_positions": 31,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
    }
}

_HEADS = ("LMHeadModel", "DoubleHeadsModel", "Model", "ForSequenceClassification", "ForTokenClassification",
          "ForQuestionAnswering")  # fmt: skip

SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "gpt2": [
        {
            "tie_word_embeddings": (False, True),
            "n_inner": (None, 37),
            "add_cross_attention": (False, True),
            "architectures": tuple([f"GPT2{head}"] for head in _HEADS),
        },
        {
            "architectures": (["GPT2DoubleHeadsModel"],),
            "summary_use_proj": (False, True),
            "summary_proj_to_labels": (False, True),
        },
        {"architectures": (["GPT2ForTokenClassification"],), "num_labels": (None, 7)},
    ]
}


@st.composite
def _random(draw: st.DrawFn) -> Values:
    heads = draw(st.integers(1, 5))
    return {
        "model_type": "gpt2",
        "vocab_size": draw(st.integers(1, 40)),
        "n_positions": draw(st.integers(1, 40)),
        "n_layer": draw(st.integers(1, 4)),
        "n_head": heads,
        "n_embd": heads * draw(st.integers(1, 8)),
        "n_inner": draw(st.none() | st.integers(1, 40)),
        "tie_word_embeddings": draw(st.booleans()),
        "add_cross_attention": draw(st.booleans()),
    }


RANDOM: dict[str, st.SearchStrategy[Values]] = {"gpt2": _random()}
