"""Sparse decoders as their repositories have them: tensors by name and shape, written down from modelling files.

Each table says what a checkpoint of a tiny config holds; in a name, `[a,b]` stands for each of some layers and
`*` for each expert.
"""

import pytest

from verify import architectures
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.diff import diff
from verify.errors import ConfigError
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.explain import Finding, explain
from verify.formula import Formula
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor

Values = dict[str, object]
Shapes = dict[str, tuple[int, ...]]

_EXPERTS = 5

DEEPSEEK: Values = {
    "model_type": "deepseek", "architectures": ["DeepseekForCausalLM"], "vocab_size": 97, "hidden_size": 24,
    "intermediate_size": 37, "moe_intermediate_size": 11, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "n_routed_experts": _EXPERTS, "n_shared_experts": 2, "num_experts_per_tok": 3,
    "first_k_dense_replace": 1, "moe_layer_freq": 1,
}  # fmt: skip
#: deepseek-ai/deepseek-moe-16b-base, modeling_deepseek.py: DeepseekAttention, DeepseekMLP, DeepseekMoE.
DEEPSEEK_SHAPES: Shapes = {
    "model.embed_tokens.weight": (97, 24),
    "model.layers.[0,1,2,3].self_attn.q_proj.weight": (24, 24),
    "model.layers.[0,1,2,3].self_attn.k_proj.weight": (12, 24),
    "model.layers.[0,1,2,3].self_attn.v_proj.weight": (12, 24),
    "model.layers.[0,1,2,3].self_attn.o_proj.weight": (24, 24),
    "model.layers.[0,1,2,3].input_layernorm.weight": (24,),
    "model.layers.[0,1,2,3].post_attention_layernorm.weight": (24,),
    "model.layers.[0].mlp.gate_proj.weight": (37, 24),
    "model.layers.[0].mlp.up_proj.weight": (37, 24),
    "model.layers.[0].mlp.down_proj.weight": (24, 37),
    "model.layers.[1,2,3].mlp.gate.weight": (5, 24),
    "model.layers.[1,2,3].mlp.experts.*.gate_proj.weight": (11, 24),
    "model.layers.[1,2,3].mlp.experts.*.up_proj.weight": (11, 24),
    "model.layers.[1,2,3].mlp.experts.*.down_proj.weight": (24, 11),
    "model.layers.[1,2,3].mlp.shared_experts.gate_proj.weight": (22, 24),
    "model.layers.[1,2,3].mlp.shared_experts.up_proj.weight": (22, 24),
    "model.layers.[1,2,3].mlp.shared_experts.down_proj.weight": (24, 22),
    "model.norm.weight": (24,),
    "lm_head.weight": (97, 24),
}

MINIMAX: Values = {
    "model_type": "minimax_text_01", "architectures": ["MiniMaxText01ForCausalLM"], "vocab_size": 97,
    "hidden_size": 24, "intermediate_size": 37, "num_hidden_layers": 3, "num_attention_heads": 4, "head_dim": 10,
    "num_key_value_heads": 2, "num_local_experts": _EXPERTS, "num_experts_per_tok": 2, "attn_type_list": [0, 0, 1],
    "shared_intermediate_size": 0,
}  # fmt: skip
#: MiniMaxAI/MiniMax-Text-01, modeling_minimax_text_01.py: the lightning attention keeps no buffer.
MINIMAX_SHAPES: Shapes = {
    "model.embed_tokens.weight": (97, 24),
    "model.layers.[0,1].self_attn.qkv_proj.weight": (120, 24),
    "model.layers.[0,1].self_attn.output_gate.weight": (40, 24),
    "model.layers.[0,1].self_attn.norm.weight": (40,),
    "model.layers.[0,1].self_attn.out_proj.weight": (24, 40),
    "model.layers.[2].self_attn.q_proj.weight": (40, 24),
    "model.layers.[2].self_attn.k_proj.weight": (20, 24),
    "model.layers.[2].self_attn.v_proj.weight": (20, 24),
    "model.layers.[2].self_attn.o_proj.weight": (24, 40),
    "model.layers.[0,1,2].block_sparse_moe.gate.weight": (5, 24),
    "model.layers.[0,1,2].block_sparse_moe.experts.*.w1.weight": (37, 24),
    "model.layers.[0,1,2].block_sparse_moe.experts.*.w2.weight": (24, 37),
    "model.layers.[0,1,2].block_sparse_moe.experts.*.w3.weight": (37, 24),
    "model.layers.[0,1,2].input_layernorm.weight": (24,),
    "model.layers.[0,1,2].post_attention_layernorm.weight": (24,),
    "model.norm.weight": (24,),
    "lm_head.weight": (97, 24),
}


def _each(shapes: Shapes) -> Shapes:
    """The table with every layer and every expert by its number."""
    spelled: Shapes = {}
    for name, shape in shapes.items():
        before, _, rest = name.partition("[")
        layers, _, after = rest.partition("]")
        for layer in layers.split(","):
            for expert in range(_EXPERTS if "*" in after else 1):
                spelled[f"{before}{layer}{after}".replace("*", str(expert))] = shape
    return spelled


def _measured(values: Values, shapes: Shapes) -> tuple[Formula, Breakdown]:
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in shapes.items()]
    family = architectures.find(str(values["model_type"]))
    return architectures.predict(family, Config(values)), measure(unpack(tensors, ""), family.NAMES)


def _findings(values: Values, shapes: Shapes) -> tuple[Finding, ...]:
    formula, measured = _measured(values, shapes)
    return explain(expect(formula.terms), formula.extras, measured)


@pytest.mark.parametrize(("values", "shapes"), [(DEEPSEEK, DEEPSEEK_SHAPES), (MINIMAX, MINIMAX_SHAPES)])
def test_formula_equals_what_the_published_code_holds(values: Values, shapes: Shapes) -> None:
    formula, measured = _measured(values, _each(shapes))
    assert measured.unclassified == ()
    assert diff(expect(formula.terms), measured.cells) == ()
    config = Config(values)
    architectures.find(str(values["model_type"])).formula(config)
    assert config.unread() == ()


def test_every_second_layer_of_a_deepseek_may_be_sparse() -> None:
    formula = architectures.find("deepseek").formula(Config({**DEEPSEEK, "moe_layer_freq": 2}))
    assert {term.indices for term in formula.terms if str(term.slot) == "experts.gate"} == {(2,)}
    assert {term.indices for term in formula.terms if str(term.slot) == "mlp.gate"} == {(0, 1, 3)}


def test_published_totals_are_reproduced() -> None:
    """DeepSeekMoE has 16.4B parameters (arXiv:2401.06066, abstract), MiniMax-Text-01 456B (arXiv:2501.08313)."""
    deepseek = {**DEEPSEEK, "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 10944,
                "moe_intermediate_size": 1408, "num_hidden_layers": 28, "num_attention_heads": 16,
                "num_key_value_heads": 16, "n_routed_experts": 64, "num_experts_per_tok": 6}  # fmt: skip
    assert round(architectures.find("deepseek").formula(Config(deepseek)).count() / 10**8) == 164
    minimax = {**MINIMAX, "vocab_size": 200064, "hidden_size": 6144, "intermediate_size": 9216,
               "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
               "num_local_experts": 32, "attn_type_list": [0, 0, 0, 0, 0, 0, 0, 1] * 10}  # fmt: skip
    assert round(architectures.find("minimax_text_01").formula(Config(minimax)).count() / 10**9) == 456


def test_kimi_k2_is_a_deepseek_v3() -> None:
    """Kimi-K2 has the sizes of a DeepSeek-V3 with other numbers, and no layer that predicts further tokens."""
    values: Values = {
        "architectures": ["DeepseekV3ForCausalLM"], "vocab_size": 163840, "hidden_size": 7168,
        "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 64,
        "n_routed_experts": 384, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1,
        "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "num_nextn_predict_layers": 0,
    }  # fmt: skip
    kimi, deepseek = (
        architectures.find(kind).formula(Config({**values, "model_type": kind})) for kind in ("kimi_k2", "deepseek_v3")
    )
    assert kimi.terms == deepseek.terms
    assert Cause.MTP_LAYER not in {extra.cause for extra in kimi.extras}
    assert round(kimi.count() / 10**12) == 1  # "1 trillion total parameters", arXiv:2507.20534, abstract


GLM: Values = {
    "model_type": "glm4_moe", "architectures": ["Glm4MoeForCausalLM"], "vocab_size": 97, "hidden_size": 24,
    "intermediate_size": 37, "moe_intermediate_size": 11, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 10, "n_routed_experts": _EXPERTS, "n_shared_experts": 1,
    "num_experts_per_tok": 3, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1,
}  # fmt: skip
#: The layer after the last one of a GLM-4.5, with its own copies of embedding and output layer.
GLM_PREDICTOR: Shapes = {
    "model.layers.[3].enorm.weight": (24,),
    "model.layers.[3].hnorm.weight": (24,),
    "model.layers.[3].eh_proj.weight": (24, 48),
    "model.layers.[3].self_attn.q_proj.weight": (40, 24),
    "model.layers.[3].self_attn.k_proj.weight": (20, 24),
    "model.layers.[3].self_attn.v_proj.weight": (20, 24),
    "model.layers.[3].self_attn.o_proj.weight": (24, 40),
    "model.layers.[3].input_layernorm.weight": (24,),
    "model.layers.[3].post_attention_layernorm.weight": (24,),
    "model.layers.[3].mlp.gate.weight": (5, 24),
    "model.layers.[3].mlp.gate.e_score_correction_bias": (5,),
    "model.layers.[3].mlp.experts.*.gate_proj.weight": (11, 24),
    "model.layers.[3].mlp.experts.*.up_proj.weight": (11, 24),
    "model.layers.[3].mlp.experts.*.down_proj.weight": (24, 11),
    "model.layers.[3].mlp.shared_experts.gate_proj.weight": (11, 24),
    "model.layers.[3].mlp.shared_experts.up_proj.weight": (11, 24),
    "model.layers.[3].mlp.shared_experts.down_proj.weight": (24, 11),
    "model.layers.[3].shared_head.norm.weight": (24,),
}
GLM_COPIES: Shapes = {
    "model.layers.[3].embed_tokens.weight": (97, 24),
    "model.layers.[3].shared_head.head.weight": (97, 24),
}


@pytest.mark.parametrize("groups", [0, 1, 2])
def test_a_prediction_layer_is_explained_with_its_copies_and_without(groups: int) -> None:
    shapes = {tensor.name: tensor.shape for tensor in meta.read(GLM, model="tiny").tensors}
    for more in (GLM_PREDICTOR, GLM_COPIES)[:groups]:
        shapes |= _each(more)
    findings = _findings(GLM, shapes)
    assert [(finding.cause, finding.explained) for finding in findings] == [(Cause.MTP_LAYER, True)] * groups


def test_half_a_prediction_layer_is_not_explained() -> None:
    shapes = {tensor.name: tensor.shape for tensor in meta.read(GLM, model="tiny").tensors} | _each(GLM_PREDICTOR)
    del shapes["model.layers.3.mlp.experts.4.up_proj.weight"]
    assert not all(finding.explained for finding in _findings(GLM, shapes))


GPT_OSS: Values = {
    "model_type": "gpt_oss", "architectures": ["GptOssForCausalLM"], "vocab_size": 201088, "hidden_size": 2880,
    "intermediate_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8,
    "head_dim": 64, "num_local_experts": 32, "num_experts_per_tok": 4,
    "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]},
}  # fmt: skip


def test_gpt_oss_has_the_elements_and_bytes_that_were_recorded() -> None:
    """openai/gpt-oss-20b: 1,804,459,584 in BF16, 19,110,297,600 in MXFP4, 13,761,264,768 bytes."""
    config = Config(GPT_OSS)
    formula = architectures.predict(architectures.find("gpt_oss"), config)
    packed = sum(term.count for term in formula.terms if str(term.slot) in {"experts.gate_up", "experts.down"})
    (scales,) = (extra.count for extra in formula.extras if extra.cause is Cause.SCALES)
    assert (formula.count() - packed, packed, scales) == (1_804_459_584, 19_110_297_600, 597_196_800)
    assert 2 * (formula.count() - packed) + packed // 2 + scales == 13_761_264_768
    assert config.unread() == ()


#: Sizes of a sparse decoder that every family reads; the rest is what the class has by default.
_TINY: Values = {"vocab_size": 97, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
                 "num_key_value_heads": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("qwen3_moe", {"mlp_only_layers": [1, "2"]}, "mlp_only_layers is"),
        ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 5}, "num_experts_per_tok 5 is more than num_experts 4"),
        ("qwen3_moe", {"decoder_sparse_step": 0}, "decoder_sparse_step is 0"),
        ("qwen2_moe", {"num_attention_heads": 5, "num_key_value_heads": 5}, "hidden_size 24 is not divisible by"),
        ("gpt_oss", {"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide"),
        ("gpt_oss", {"experts_per_token": 3, "num_experts_per_tok": 4}, "num_experts_per_tok is 4 and experts_per"),
        ("glm4_moe", {"first_k_dense_replace": 4}, "first_k_dense_replace 4 is more than num_hidden_layers 3"),
        ("deepseek_v2", {"num_experts_per_tok": 65}, "num_experts_per_tok 65 is more than n_routed_experts 64"),
        ("deepseek_v2", {}, "num_experts_per_tok is missing"),
        ("deepseek_v32", {"q_lora_rank": None}, "q_lora_rank is null"),
        ("deepseek_v32", {"mlp_layer_types": ["dense"]}, "mlp_layer_types has 1 entries and num_hidden_layers is 3"),
        ("glm_moe_dsa", {"mlp_layer_types": ["dense", "moe", "sparse"]}, "mlp_layer_types holds 'moe'"),
        ("glm_moe_dsa", {"indexer_types": ["full"] * 4}, "indexer_types has 4 entries"),
        ("glm_moe_dsa", {"index_topk_pattern": "FSX"}, "index_topk_pattern is 'FSX'"),
        ("glm4_moe_lite", {"first_k_dense_replace": 2}, "first_k_dense_replace is 2"),
        ("minimax", {"layer_types": ["full_attention"]}, "layer_types has 1 entries"),
        ("minimax", {"attn_type_list": [0, 1, 2]}, "attn_type_list holds '2'"),
        ("minimax", {"shared_intermediate_size": 7}, "shared_intermediate_size is 7"),
        ("mimo_v2_flash", {"n_shared_experts": 1}, "n_shared_experts is 1"),
        ("mimo_v2_flash", {"hybrid_layer_pattern": [0, 1]}, "hybrid_layer_pattern has 2 entries"),
        ("mimo_v2_flash", {"swa_num_key_value_heads": 3}, "swa_num_key_value_heads 3 does not divide"),
        ("ernie4_5_moe", {"moe_k": 65}, "moe_k 65 is more than moe_num_experts 64"),
        ("llama4_text", {"interleave_moe_layer_step": 0}, "interleave_moe_layer_step is 0"),
        ("llama4", {"text_config": _TINY}, "vision_config is missing"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(kind: str, changes: Values, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        architectures.find(kind).formula(Config({"model_type": kind, **_TINY, **changes}))
    assert "\n" not in str(caught.value)
