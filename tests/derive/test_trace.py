"""Traced regions against the classes of transformers on the meta device, at other sizes than the traced ones."""

from __future__ import annotations

import re
import sys
import types
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch

from verify.derive.building import classes, configurations
from verify.derive.errors import DeriveError
from verify.derive.formulas.text import axes, where
from verify.derive.regions.region import region
from verify.derive.tracing.trace import Traced, trace
from verify.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.derive.formulas.formula import Region

SMALL = {
    "vocab_size": 41, "hidden_size": 48, "intermediate_size": 20, "num_hidden_layers": 5, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 6, "pad_token_id": 1,
}  # fmt: skip
OTHER = {"vocab_size": 97, "hidden_size": 80, "intermediate_size": 36, "num_hidden_layers": 7, "head_dim": 10}

#: The type, where it is traced, and where the region must hold as well.
MODELS: dict[str, tuple[dict[str, Any], tuple[dict[str, Any], ...]]] = {
    "llama": (SMALL, (OTHER, {"num_attention_heads": 8, "num_key_value_heads": 1})),
    "gemma2": (SMALL, (OTHER,)),
    "bert": (SMALL, (OTHER, {"type_vocab_size": 5, "max_position_embeddings": 33})),
    "gpt2": (
        {"n_embd": 12, "n_head": 3, "n_layer": 4, "vocab_size": 31, "n_positions": 9},
        ({"n_embd": 24, "n_layer": 6}, {"vocab_size": 77, "n_positions": 5}),
    ),
    "t5": (
        {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 3, "num_decoder_layers": 5, "num_heads": 3,
         "vocab_size": 31},
        ({"num_layers": 4, "num_decoder_layers": 2, "d_ff": 7}, {"num_heads": 5, "relative_attention_num_buckets": 9}),
    ),
    "mixtral": (SMALL | {"num_local_experts": 3}, (OTHER | {"num_local_experts": 6},)),
    "deepseek_v3": (
        SMALL | {"num_key_value_heads": 4, "q_lora_rank": 7, "kv_lora_rank": 9, "qk_nope_head_dim": 6,
                 "qk_rope_head_dim": 4, "v_head_dim": 11, "n_routed_experts": 8, "n_shared_experts": 2, "n_group": 2,
                 "moe_intermediate_size": 13, "first_k_dense_replace": 2, "num_experts_per_tok": 2, "topk_group": 1},
        (OTHER | {"first_k_dense_replace": 3}, {"n_routed_experts": 16, "n_shared_experts": 1, "v_head_dim": 3}),
    ),
    "jamba": (
        SMALL | {"num_hidden_layers": 9, "attn_layer_period": 4, "attn_layer_offset": 1, "expert_layer_period": 2,
                 "expert_layer_offset": 1, "num_experts": 3, "mamba_dt_rank": 3, "num_experts_per_tok": 1},
        ({"num_hidden_layers": 11, "attn_layer_offset": 0, "num_experts": 5}, {"expert_layer_period": 3}),
    ),
    "qwen3_next": (
        SMALL | {"layer_types": ["linear_attention", "full_attention", "linear_attention", "full_attention",
                                 "linear_attention"], "num_experts": 4, "moe_intermediate_size": 6,
                 "shared_expert_intermediate_size": 10, "mlp_only_layers": [1], "decoder_sparse_step": 2,
                 "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 6,
                 "linear_value_head_dim": 8},
        ({"layer_types": ["full_attention"] * 4 + ["linear_attention"], "num_experts": 6},
         {"mlp_only_layers": [2], "linear_num_value_heads": 2}),
    ),
    "nemotron_h": (
        {"vocab_size": 41, "hidden_size": 48, "layers_block_type": ["mamba", "moe", "attention", "mlp", "mamba"],
         "num_attention_heads": 4, "head_dim": 6, "num_key_value_heads": 2, "mamba_num_heads": 4, "mamba_head_dim": 5,
         "n_groups": 2, "ssm_state_size": 7, "intermediate_size": 9, "n_routed_experts": 4, "moe_intermediate_size": 8,
         "moe_shared_expert_intermediate_size": 11},
        ({"layers_block_type": ["mlp", "attention", "mamba"] * 2, "hidden_size": 64}, {"ssm_state_size": 3}),
    ),
    "gemma3n_text": (
        SMALL | {"num_hidden_layers": 6, "intermediate_size": [20, 24, 28, 20, 24, 28], "num_kv_shared_layers": 2,
                 "activation_sparsity_pattern": [0.0] * 6, "hidden_size_per_layer_input": 5, "laurel_rank": 3,
                 "layer_types": ["sliding_attention", "full_attention"] * 3, "vocab_size_per_layer_input": 13},
        ({"intermediate_size": [8, 9, 10, 11, 12, 13]}, {"laurel_rank": 4, "altup_num_inputs": 3}),
    ),
    "granitemoehybrid": (
        SMALL | {"layer_types": ["mamba", "attention", "mamba", "mamba", "attention"], "num_local_experts": 3,
                 "mamba_n_heads": 4, "mamba_expand": 2, "mamba_d_head": 24, "shared_intermediate_size": 14},
        ({"layer_types": ["attention"] * 4 + ["mamba"]}, {"num_local_experts": 5, "mamba_d_state": 12}),
    ),
    "swin": (
        {"embed_dim": 6, "depths": [1, 2, 3], "num_heads": [1, 2, 3], "mlp_ratio": 2.5, "window_size": 3,
         "image_size": 24},
        ({"depths": [2, 1, 1]}, {"depths": [1, 1], "num_heads": [2, 3]}, {"mlp_ratio": 1.75, "embed_dim": 12}),
    ),
    "resnet": (
        {"hidden_sizes": [8, 16, 24, 28], "depths": [2, 3, 2, 4], "embedding_size": 4},
        ({"depths": [1, 4, 2, 1]}, {"hidden_sizes": [12, 16, 20, 28, 32], "depths": [1, 2, 1, 2, 3]}),
    ),
    "cvt": (
        {"embed_dim": [8, 12, 16], "depth": [1, 2, 3], "num_heads": [1, 2, 2], "cls_token": [False, True, True]},
        ({"embed_dim": [8, 16, 24], "depth": [2, 2, 4]}, {"mlp_ratio": [2.0, 3.0, 4.0]}),
    ),
    "dinov3_convnext": (
        {"hidden_sizes": [8, 12, 16, 20], "depths": [2, 3, 2, 4]},
        ({"depths": [1, 4, 2, 1]}, {"hidden_sizes": [4, 8, 12, 24]}),
    ),
    "fastspeech2_conformer_hifigan": (
        {"upsample_initial_channel": 32, "model_in_dim": 9, "upsample_kernel_sizes": [8, 8, 4, 4]},
        ({"upsample_kernel_sizes": [6, 8, 10, 4]}, {"model_in_dim": 7, "upsample_initial_channel": 64}),
    ),
    "clip": (
        {"text_config": {"num_hidden_layers": 3, "hidden_size": 12, "num_attention_heads": 2, "intermediate_size": 7,
                         "vocab_size": 19, "max_position_embeddings": 5},
         "vision_config": {"num_hidden_layers": 4, "hidden_size": 18, "num_attention_heads": 3, "intermediate_size": 8,
                           "image_size": 16, "patch_size": 8}, "projection_dim": 10},
        ({"projection_dim": 6, "vision_config": {"num_hidden_layers": 2, "image_size": 24}},),
    ),
}  # fmt: skip


def keywords(target: classes.Target, config: dict[str, Any]) -> configurations.Keywords:
    return configurations.keywords(target.config_class, {"model_type": target.model_type, **config})


def measured(target: classes.Target, given: configurations.Keywords) -> dict[str, Counter[tuple[int, ...]]]:
    """What the class itself has on the meta device, by pattern: parameters once, and the rest of its state."""
    with torch.device("meta"):
        model = target.model_class(configurations.build(target.config_class, given))
    parameters = dict(model.named_parameters())
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - parameters.keys()
    buffers = {name: value for name, value in model.state_dict().items() if name not in parameters.keys() | tied}
    found: dict[str, Counter[tuple[int, ...]]] = {}
    for name, tensor in (parameters | buffers).items():
        pattern = re.sub(r"(^|[._])(0|[1-9][0-9]*)(?=\.|$)", r"\1{}", name)
        found.setdefault(pattern, Counter())[tuple(tensor.shape)] += 1
    return found


def merged(config: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return config | {key: config[key] | value if isinstance(value, dict) else value for key, value in change.items()}


@pytest.mark.parametrize("model_type", MODELS)
def test_a_region_holds_at_other_sizes(model_type: str) -> None:
    start, others = MODELS[model_type]
    target = classes.find(model_type)
    given = keywords(target, start)
    made = region(trace(target, given))
    assert made.shapes(configurations.flatten(given)) == measured(target, given)
    for change in others:
        moved = keywords(target, merged(start, change))
        values = configurations.flatten(moved)
        assert [condition.text for condition in made.flipped(values)] == []
        assert made.shapes(values) == measured(target, moved)


@pytest.mark.parametrize(
    ("model_type", "change"),
    [
        ("llama", {"attention_bias": True}),
        ("llama", {"tie_word_embeddings": True}),
        ("deepseek_v3", {"q_lora_rank": None}),
        ("jamba", {"num_experts": 1}),
        ("t5", {"feed_forward_proj": "gated-gelu"}),
        ("granitemoehybrid", {"num_local_experts": 0}),
    ],
)
def test_a_switch_that_changes_the_shapes_leaves_the_region(model_type: str, change: dict[str, Any]) -> None:
    start, _ = MODELS[model_type]
    target = classes.find(model_type)
    made = region(trace(target, keywords(target, start)))
    moved = keywords(target, start | change)
    assert made.shapes(configurations.flatten(keywords(target, start))) != measured(target, moved)
    assert made.flipped(configurations.flatten(moved))


def occurrences(model_type: str) -> dict[str, str]:
    target = classes.find(model_type)
    made = region(trace(target, keywords(target, MODELS[model_type][0])))
    return {term.pattern: f"[{where(term)}] {axes(term)}" for term in made.terms}


def test_deepseek_v3_is_worded_as_its_source() -> None:
    found = occurrences("deepseek_v3")
    layer = "model.layers.{}."
    assert found["model.embed_tokens.weight"] == "[once] vocab_size * hidden_size"
    assert found[f"{layer}self_attn.kv_a_proj_with_mqa.weight"] == (
        "[i < num_hidden_layers] (kv_lora_rank + qk_rope_head_dim) * hidden_size"
    )
    assert found[f"{layer}mlp.gate_proj.weight"] == "[i < first_k_dense_replace] intermediate_size * hidden_size"
    assert found[f"{layer}mlp.experts.gate_up_proj"] == (
        "[i >= first_k_dense_replace] n_routed_experts * (2*moe_intermediate_size) * hidden_size"
    )
    assert found[f"{layer}mlp.gate.e_score_correction_bias"] == "[i >= first_k_dense_replace] n_routed_experts"


def test_layer_predicates_are_those_of_the_source() -> None:
    jamba = occurrences("jamba")
    assert jamba["model.layers.{}.self_attn.k_proj.weight"] == (
        "[i % attn_layer_period == attn_layer_offset] (num_key_value_heads*head_dim) * hidden_size"
    )
    assert jamba["model.layers.{}.feed_forward.router.weight"] == (
        "[i % expert_layer_period == expert_layer_offset] num_experts * hidden_size"
    )
    qwen = occurrences("qwen3_next")
    assert qwen["model.layers.{}.self_attn.q_norm.weight"] == "[layer_types[i] == 'full_attention'] head_dim"
    assert qwen["model.layers.{}.mlp.gate.weight"] == (
        "[(i + 1) % decoder_sparse_step == 0 and i not in mlp_only_layers] num_experts * hidden_size"
    )
    swin = occurrences("swin")
    assert swin["swin.encoder.layers.{}.blocks.{}.mlp.fc1.bias"] == (
        "[i < len(depths); j < depths[i]] floor(2**i*embed_dim*mlp_ratio)"
    )


MADE = """
import itertools, math
import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel


class MadeModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        size, ratio = config.hidden_size, config.mlp_ratio
        BODY
        self.post_init()
"""


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Iterator[classes.Target]:
    """A class whose body is the parameter of the test, in a module of the name that models have."""
    from transformers import PreTrainedConfig

    name = "transformers.models.made.modeling_made"
    module = types.ModuleType(name)
    sys.modules[name] = module
    source = MADE.replace("BODY", request.param.replace("\n", "\n        "))
    exec(compile(source, "/transformers/models/made/modeling_made.py", "exec"), vars(module))  # noqa: S102 - our own
    config_class = type("MadeConfig", (PreTrainedConfig,), {"model_type": "made", "__module__": name})
    vars(module)["MadeModel"].config_class = config_class
    yield classes.Target("made", config_class, vars(module)["MadeModel"], "base")
    del sys.modules[name]


MADE_SIZES = {"hidden_size": 48, "num_layers": 5, "mlp_ratio": 2.5, "depths": [2, 3], "flag": True}


def traced(target: classes.Target, **change: Any) -> tuple[Traced, Region]:
    found = trace(target, MADE_SIZES | change)
    return found, region(found)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("self.a = nn.Linear(int(8 * size / 3), math.ceil(size / 7), bias=False)",
         "ceil(hidden_size/7) * ((8*hidden_size)//3)"),
        ("self.a = nn.Linear(int(size * ratio), 1, bias=False)", "1 * floor(hidden_size*mlp_ratio)"),
        ("self.a = nn.Embedding(math.floor(math.sqrt(size)), max(size, 50))",
         "floor(sqrt(hidden_size)) * max(50, hidden_size)"),
        ("self.a = nn.Embedding(int(np.prod((size, 3))), len(config.depths))", "(3*hidden_size) * len(depths)"),
        ("self.a = nn.Embedding(sum(config.depths), config.depths[-1])", "(depths[0] + depths[1]) * depths[-1]"),
        ("self.weight = nn.Parameter(torch.Tensor(size, 2))", "hidden_size * 2"),
        ("self.weight = nn.Parameter(torch.FloatTensor(1, size))", "1 * hidden_size"),
        ("self.weight = nn.Parameter(torch.normal(0, ratio, size=(size, 2)))", "hidden_size * 2"),
        ("self.register_buffer('kept', torch.arange(size // 2).expand((1, -1)))", "1 * (hidden_size//2)"),
        ("self.register_buffer('kept', torch.ones(size, dtype=torch.bool))", "hidden_size"),
        ("self.weight = nn.Parameter(torch.zeros(size, 3).view(-1).unsqueeze(0))", "1 * (3*hidden_size)"),
        ("self.weight = nn.Parameter(torch.cat([torch.ones(size), torch.ones(4)]))", "(hidden_size + 4)"),
    ],
    indirect=["made"],
)  # fmt: skip
def test_arithmetic_of_the_source_stays_symbolic(made: classes.Target, expected: str) -> None:
    found, formula = traced(made)
    assert [axes(term) for term in formula.terms] == [expected]
    assert found.concretised == ()


@pytest.mark.parametrize(
    ("made", "what"),
    [
        ("self.a = nn.Linear(int(torch.tensor(float(size), device='cpu').item()), 2)", "torch.tensor"),
        ("self.a = nn.Linear(int(np.linspace(1, size, 3)[1]), 2)", "numpy.linspace"),
        ("self.a = nn.Linear(int(math.exp(ratio)), 2)", "math.exp"),
    ],
    indirect=["made"],
)
def test_what_loses_its_expression_is_recorded_with_its_line(made: classes.Target, what: str) -> None:
    found, _ = traced(made)
    assert any(what in f"{action} {place}" for action, place in found.concretised)
    assert all(place == "modeling_made.py:13" for _, place in found.concretised)


@pytest.mark.parametrize(
    "made",
    ["if size > 40 and config.flag:\n    self.a = nn.Linear(size, 2)\nelse:\n    self.b = nn.Linear(3, size)"],
    indirect=True,
)
def test_conditions_say_where_they_were_made(made: classes.Target) -> None:
    _, formula = traced(made)
    assert [(condition.text, condition.where) for condition in formula.conditions] == [
        ("hidden_size > 40", "modeling_made.py:13"),
        ("flag == True", "modeling_made.py:13"),
    ]
    assert formula.flipped(MADE_SIZES | {"hidden_size": 40})


@pytest.mark.parametrize(
    "made",
    [
        """self.a = nn.Linear(size, 2)
self.b = nn.Linear(size, 2)
self.b.weight = self.a.weight
self.layers = nn.ModuleList(nn.Linear(d, i + 1) for i, d in enumerate(config.depths))"""
    ],
    indirect=True,
)  # fmt: skip
def test_a_tied_parameter_counts_once_and_lists_may_have_any_length(made: classes.Target) -> None:
    _, formula = traced(made)
    values = MADE_SIZES | {"depths": (4, 7, 9)}
    assert formula.flipped(values) == ()
    assert formula.count(values) == 2 * 48 + 2 * 2 + (4 * 1 + 1) + (7 * 2 + 2) + (9 * 3 + 3)


@pytest.mark.parametrize(
    "made",
    [
        """self.layers = nn.ModuleList(nn.Linear(size, 1, bias=False) for _ in range(config.num_layers - 1))
self.layers.append(nn.Linear(3, 1, bias=False))"""
    ],
    indirect=True,
)
def test_a_module_after_those_of_a_loop_is_the_last(made: classes.Target) -> None:
    _, formula = traced(made)
    assert [where(term) for term in formula.terms] == ["i != num_layers - 1", "i == num_layers - 1"]
    assert formula.count(MADE_SIZES | {"num_layers": 7}) == 6 * 48 + 3


@pytest.mark.parametrize(
    "made",
    [("self.a = nn.Sequential(*(x for i in range(config.num_layers)"
     " for x in (nn.Linear(size, 2), nn.ReLU())[: 1 + int(i % 2 == 0)]))")],
    indirect=True,
)  # fmt: skip
def test_modules_that_no_index_follows_pin_their_number(made: classes.Target) -> None:
    """Never a wrong number: where they had to be listed, the formula holds for as many of them only."""
    _, formula = traced(made)
    assert formula.count(MADE_SIZES | {"hidden_size": 50}) == 5 * (50 * 2 + 2)
    assert [condition.text for condition in formula.flipped(MADE_SIZES | {"num_layers": 4})] == ["num_layers == 5"]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("raise KeyError('experts')", "KeyError: 'experts'"),
        ("self.a = nn.Linear(size, None)", "TypeError"),
        ("config.missing", "AttributeError"),
    ],
    indirect=["made"],
)
def test_a_class_that_fails_is_an_error_with_its_place(made: classes.Target, reason: str) -> None:
    with pytest.raises(DeriveError, match=r"modeling_made\.py:13") as error:
        traced(made)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_that_the_class_rejects_is_no_derivation() -> None:
    target = classes.find("llama")
    with pytest.raises(ConfigError, match="LlamaConfig rejects"):
        trace(target, configurations.keywords(target.config_class) | {"hidden_size": "wide"})


@pytest.mark.parametrize(
    "made", ["self.a = nn.Embedding(len(config.depths[: config.num_layers - 4]), 3)"], indirect=True
)
def test_a_slice_that_ends_at_a_difference_says_that_it_is_not_negative(made: classes.Target) -> None:
    _, found = traced(made)
    assert "num_layers - 4 >= 0" in {condition.text for condition in found.conditions}
    assert found.flipped({**MADE_SIZES, "num_layers": 3})


@pytest.mark.parametrize(
    "made",
    [
        "self.a = nn.Linear(3 if isinstance(config.patch, int) else 5, size)",
        "self.a = nn.Linear(3 if not isinstance(config.patch, list | tuple) else 5, size)",
    ],
    indirect=True,
)
def test_a_formula_for_a_number_is_not_used_where_the_source_asks_for_a_list(made: classes.Target) -> None:
    _, formula = traced(made, patch=7)
    assert formula.flipped(MADE_SIZES | {"patch": 9}) == ()
    assert [each.text for each in formula.flipped(MADE_SIZES | {"patch": (9, 9)})] == ["patch == 7"]
    assert formula.flipped(MADE_SIZES | {"patch": None})
    _, other = traced(made, patch=[7, 7])
    assert other.flipped(MADE_SIZES | {"patch": 9})
    assert other.count(MADE_SIZES | {"patch": (9, 9)}) == 5 * 48 + 48


@pytest.mark.parametrize(
    "made", ["self.a = nn.Linear(config.text.hidden_size, int(not isinstance(config.text, dict)))"], indirect=True
)
def test_a_formula_for_one_class_of_a_section_is_not_used_for_another(made: classes.Target) -> None:
    from transformers import LlamaConfig

    part = configurations.keywords(LlamaConfig) | {configurations.CLASS: "LlamaConfig"}
    keywords = MADE_SIZES | {"text": part}
    formula = region(trace(made, keywords))
    values = configurations.flatten(keywords)
    assert formula.flipped(values) == ()
    assert [each.text for each in formula.flipped(values | {"text": "MistralConfig"})] == ["text == 'LlamaConfig'"]
    assert formula.flipped(values | {"text": None})


@pytest.mark.parametrize(
    "made",
    [("self.layers = nn.ModuleList(nn.Linear(size, 2 if i in config.sources[i + 1:] else 1, bias=False)"
     " for i in range(config.num_layers))")],
    indirect=True,
)  # fmt: skip
def test_what_is_asked_of_a_slice_of_a_list_is_a_rule_for_layers(made: classes.Target) -> None:
    _, formula = traced(made, sources=[0, 0, 2, 2, 2])
    values = MADE_SIZES | {"num_layers": 4, "sources": (0, 1, 1, 1)}
    # Layer 1 alone is the source of a later one.
    assert formula.flipped(values) == ()
    assert formula.count(values) == 48 + 48 * 2 + 48 + 48
    assert {part.text("i") for term in formula.terms for part in term.repeats} == {
        "i in sources[i + 1:]", "i not in sources[i + 1:]",
    }  # fmt: skip


@pytest.mark.parametrize(
    "made",
    ["self.parts = nn.ModuleDict({})\nfor word in config.words:\n    self.parts[str(word)] = nn.Linear(size, 1)"],
    indirect=True,
)
def test_words_that_name_modules_are_what_a_formula_is_for(made: classes.Target) -> None:
    _, formula = traced(made, words=["en_XX", "de_DE"])
    assert [(each.text, each.where) for each in formula.conditions] == [
        ("words == ('en_XX', 'de_DE')", "modeling_made.py:14")
    ]
    assert formula.count(MADE_SIZES | {"words": ("en_XX", "de_DE")}) == 2 * 49
    assert formula.flipped(MADE_SIZES | {"words": ("en_XX",)})


@pytest.mark.parametrize(
    "made",
    [("points = list(itertools.product(range(size), range(size)))\n"
     "self.a = nn.Linear(len({abs(x - y) for x, y in points}), 1, bias=False)")],
    indirect=True,
)  # fmt: skip
def test_pairs_of_places_keep_the_size_of_the_picture(made: classes.Target) -> None:
    _, formula = traced(made)
    assert [each.text for each in formula.conditions] == ["hidden_size == 48"]
    assert formula.count(MADE_SIZES) == 48


@pytest.mark.parametrize(
    "made",
    [
        """self.layers = nn.ModuleList()
for i in range(config.num_layers):
    sizes = (config.depths[i - 1], size) if i == 2 else (1, 1)
    self.layers.append(nn.Linear(*sizes, bias=False) if i > 1 else nn.Identity())"""
    ],
    indirect=True,
)
def test_an_entry_that_a_single_module_reads_has_the_index_of_the_source(made: classes.Target) -> None:
    _, formula = traced(made, num_layers=3, depths=[2, 3, 4])
    assert [axes(term) for term in formula.terms] == ["hidden_size * depths[i - 1]"]
    assert formula.count(MADE_SIZES | {"num_layers": 3, "depths": (5, 7, 9, 11)}) == 48 * 7
