"""Tiny configurations of every family: the product of the switches that its modelling code has.

All sizes differ from each other, so that an axis in the wrong place never passes.
"""

from collections.abc import Iterator, Mapping
from itertools import product

import pytest

Values = dict[str, object]

_ROTARY: Values = {
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
_HEADS = ("ForCausalLM", "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_LABELS: Values = {"id2label": {str(index): f"L{index}" for index in range(5)}}

BASES: dict[str, Values] = {
    "llama": {**_ROTARY, "model_type": "llama", "architectures": ["LlamaForCausalLM"]},
    "mistral": {**_ROTARY, "model_type": "mistral", "architectures": ["MistralForCausalLM"]},
    "qwen3": {**_ROTARY, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 6},
    "mixtral": {
        **_ROTARY,
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "num_local_experts": 3,
        "num_experts_per_tok": 2,
    },
    "deepseek_v3": {
        **_ROTARY,
        "model_type": "deepseek_v3",
        "architectures": ["DeepseekV3ForCausalLM"],
        "num_hidden_layers": 3,
        "num_key_value_heads": 4,
        "moe_intermediate_size": 11,
        "n_routed_experts": 6,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "n_group": 2,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "q_lora_rank": 9,
        "kv_lora_rank": 13,
        "qk_nope_head_dim": 5,
        "qk_rope_head_dim": 2,
        "v_head_dim": 7,
    },
    "gpt2": {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": 97,
        "n_positions": 31,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
    },
    "bert": {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 31,
        "type_vocab_size": 3,
    },
}

BASES["gpt-sw3"] = {**BASES["gpt2"], "model_type": "gpt-sw3"}

_DIVISORS = {"num_key_value_heads": (1, 2, 4)}
_TIED = {"tie_word_embeddings": (False, True)}
_CROSS = {"add_cross_attention": (False, True), "is_decoder": (True,)}
_BERT_HEADS = ("ForPreTraining", "ForMaskedLM", "LMHeadModel", "ForNextSentencePrediction", "ForMultipleChoice",
               "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "Model")  # fmt: skip
_GPT2_HEADS = ("LMHeadModel", "DoubleHeadsModel", *_HEADS[1:])

#: For each family, switches whose product is tried, and class names that are tried beside them.
SWITCHES: dict[str, list[Mapping[str, tuple[object, ...]]]] = {
    "llama": [
        {**_DIVISORS, **_TIED, "attention_bias": (False, True), "mlp_bias": (False, True), "head_dim": (None, 10)},
        {"architectures": tuple([f"Llama{head}"] for head in _HEADS), "id2label": (None, _LABELS["id2label"])},
    ],
    "mistral": [
        {**_DIVISORS, **_TIED, "head_dim": (None, 10)},
        {"architectures": tuple([f"Mistral{head}"] for head in _HEADS)},
    ],
    "qwen3": [
        {**_DIVISORS, **_TIED, "attention_bias": (False, True), "head_dim": (6, 10)},
        {"architectures": tuple([f"Qwen3{head}"] for head in _HEADS), "id2label": (None, _LABELS["id2label"])},
    ],
    "mixtral": [
        {**_DIVISORS, **_TIED, "head_dim": (None, 10), "num_local_experts": (2, 5)},
        {"architectures": tuple([f"Mixtral{head}"] for head in _HEADS), "id2label": (None, _LABELS["id2label"])},
    ],
    "deepseek_v3": [
        {
            **_TIED,
            "q_lora_rank": (None, 9),
            "attention_bias": (False, True),
            "first_k_dense_replace": (0, 1, 3),
            "n_shared_experts": (1, 2),
        },
        # transformers has no DeepseekV3ForQuestionAnswering.
        {"architectures": tuple([f"DeepseekV3{head}"] for head in _HEADS[:4])},
    ],
    "gpt2": [
        {
            **_TIED,
            "n_inner": (None, 37),
            "add_cross_attention": (False, True),
            "architectures": tuple([f"GPT2{head}"] for head in _GPT2_HEADS),
        },
        {
            "architectures": (["GPT2DoubleHeadsModel"],),
            "summary_use_proj": (False, True),
            "summary_proj_to_labels": (False, True),
        },
    ],
    "bert": [
        {
            **_TIED,
            **_CROSS,
            "architectures": tuple([f"Bert{head}"] for head in _BERT_HEADS),
            "id2label": (None, _LABELS["id2label"]),
        },
    ],
}


def cases() -> Iterator[tuple[str, Values]]:
    """Every configuration with a name that says what is switched."""
    for family, groups in SWITCHES.items():
        for group in groups:
            for chosen in product(*group.values()):
                changes = dict(zip(group, chosen, strict=True))
                values = {**BASES[family], **changes}
                # A null is left out, except where the modelling code tells it from a missing key.
                values = {key: value for key, value in values.items() if value is not None or key == "q_lora_rank"}
                label = "-".join(_short(value) for value in changes.values())
                yield f"{family}-{label}", values


def _short(value: object) -> str:
    return f"{len(value)}labels" if isinstance(value, dict) else value[0] if isinstance(value, list) else str(value)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test that asks for them one case, or the base configuration of one family."""
    if "case" in metafunc.fixturenames:
        named = list(cases())
        metafunc.parametrize("case", [values for _, values in named], ids=[name for name, _ in named])
    if "base" in metafunc.fixturenames:
        metafunc.parametrize("base", BASES.values(), ids=BASES)


@pytest.fixture
def tiny() -> dict[str, Values]:
    """The base configuration of each family."""
    return BASES
