"""What a formula says of quantised checkpoints, against recorded numbers of real ones."""

import pytest
from msgspec.structs import replace
from quantised import FORMATS, LINEARS, LLAMA, check, checkpoint, config, gptq
from small_model import number

from verify.architectures import gpt_oss, llama
from verify.architectures._quantization import fp8_scales, mxfp4_scales, quantisation_extras
from verify.breakdown import expect, measure
from verify.config import Config
from verify.declared import judge
from verify.declared.check import DeclaredCheck
from verify.evidence import recorded
from verify.evidence.base import DeclaredKind
from verify.evidence.packing import scheme, unpack
from verify.explain import explain
from verify.formula import Formula
from verify.roles import Cause, Kind
from verify.tensor import DTYPES, Tensor

LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
}
LLAMA_3_1_8B = {**LLAMA_2_7B, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "damp_percent": 0.1}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "modules_to_not_convert": None}
BNB = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True}


def formula(values: dict[str, object]) -> tuple[Formula, Config]:
    """The Llama formula with what belongs to quantised weights."""
    read = Config(values)
    plain = llama.formula(read)
    kept = tuple(extra for extra in plain.extras if extra.cause is not Cause.SCALES)
    return replace(plain, extras=(*kept, *quantisation_extras(read, plain.terms))), read


def total(values: dict[str, object], recorded_total: int) -> DeclaredCheck:
    expected, read = formula(values)
    assert read.unread() == ()
    (found,) = judge.judge(
        expected, (number(DeclaredKind.HUB_TOTAL, recorded_total),), names_present=None, config=values
    )
    return found


@pytest.mark.parametrize(
    ("values", "section", "recorded_total"),
    [
        # TheBloke/Llama-2-7B-Chat-GPTQ: 32 x 64 rotary frequencies, 32 x (4 x 4096 + 2 x 11008 + 4096) zeros.
        (LLAMA_2_7B, GPTQ, 6_738_415_616 + 2_048 + 1_359_872),
        # RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16: 32 x (2 x 4096 + 2 x 1024 + 2 x 14336 + 4096) zeros.
        (LLAMA_3_1_8B, GPTQ, 8_030_261_248 + 1_376_256),
        # Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4 and hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4 show what is dense.
        (LLAMA_3_1_8B, GPTQ, 8_030_261_248),
        (LLAMA_3_1_8B, AWQ, 8_030_261_248),
        # RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8, one number for each tensor, not counted.
        (LLAMA_3_1_8B, {"quant_method": "fp8", "activation_scheme": "static"}, 8_030_261_248),
        (LLAMA_3_1_8B, {"quant_method": "fp8", "weight_block_size": None}, 8_030_261_248),
    ],
)  # fmt: skip
def test_recorded_totals_are_explained_to_the_last_element(
    values: dict[str, object], section: dict[str, object], recorded_total: int
) -> None:
    assert total({**values, "quantization_config": section}, recorded_total).explained


def test_the_state_of_four_bits_is_what_the_hub_counted_but_for_its_texts() -> None:
    """unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit showed 8,248,929,342 until huggingface.js pull request 2323.

    Of the 218,668,094 elements beyond the parameters, 77,374 are 2 x 38,687 bytes of JSON text: 224 texts of 34,368
    bytes in all, and 4,319 digits of 224 offsets, which are data.
    """
    expected, _ = formula({**LLAMA_3_1_8B, "quantization_config": BNB})
    (extra,) = (extra for extra in expected.extras if extra.cause is Cause.SCALES)
    assert extra.count == 2 * 109_051_904 + 425_984 + 224 * (16 + 256)
    assert 8_030_261_248 + extra.count + 2 * 38_687 == 8_248_929_342
    assert not total({**LLAMA_3_1_8B, "quantization_config": BNB}, 8_248_929_342).explained
    single, _ = formula({**LLAMA_3_1_8B, "quantization_config": {**BNB, "bnb_4bit_use_double_quant": False}})
    assert [extra.count for extra in single.extras if extra.cause is Cause.SCALES] == [109_051_904 + 224 * 16]
    eight, _ = formula({**LLAMA_3_1_8B, "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}})
    assert all(extra.cause is not Cause.SCALES for extra in eight.extras)


def test_gpt_oss_in_bytes() -> None:
    """The index of gpt-oss-20b says 13,761,264,768 bytes."""
    values = Config(recorded.read("openai/gpt-oss-20b").config)
    expected = gpt_oss.formula(values)
    (scales,) = mxfp4_scales(values, expected.terms)
    experts = sum(term.count for term in expected.terms if str(term.slot) in {"experts.gate_up", "experts.down"})
    assert (expected.count() - experts, experts, scales.count) == (1_804_459_584, 19_110_297_600, 597_196_800)
    assert 2 * 1_804_459_584 + experts // 2 + scales.count == 13_761_264_768
    assert [extra.terms for extra in quantisation_extras(values, expected.terms)] == [scales.terms]


def test_zero_biases_in_a_file_are_explained_where_the_formula_has_none() -> None:
    tensors = checkpoint(lambda out, into: [*gptq(out, into), ("bias", "F16", (out,))])
    expected, _ = formula(config("gptq"))
    measured = measure(unpack(tensors, scheme(config("gptq"))), llama.NAMES)
    findings = explain(expect(expected.terms), expected.extras, measured)
    assert all(found.explained for found in findings)
    zeros = 2 * sum(out for out, _ in LINEARS.values())
    assert [found.elements for found in findings] == [zeros, measured.total(Kind.BOOKKEEPING)]


def test_zero_biases_are_not_expected_beside_real_ones() -> None:
    expected, _ = formula({**LLAMA, "attention_bias": True, "quantization_config": GPTQ})
    (extra,) = (extra for extra in expected.extras if extra.cause is Cause.SCALES)
    assert {str(term.slot) for term in extra.terms} == {"mlp.gate.bias", "mlp.up.bias", "mlp.down.bias"}


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_block_counts_as_read(name: str) -> None:
    values = config(name)
    if name == "mlx":
        values["quantization"] = values.pop("quantization_config")
    _, read = formula(values)
    assert read.unread() == ()


def test_fp8_scales_are_predicted_only_where_no_listed_module_would_have_one() -> None:
    outside = ["lm_head", "model.layers.0.input_layernorm", "model.layers.3.mlp.gate", "model.visual.merger.mlp.0"]
    predicted, read = formula(config("fp8", modules_to_not_convert=outside))
    assert any(extra.cause is Cause.SCALES for extra in predicted.extras)
    assert read.unread() == ()
    unknown, read = formula(config("fp8", ignored_layers=[*outside, "model.layers.0.self_attn.o_proj"]))
    assert all(extra.cause is not Cause.SCALES for extra in unknown.extras)
    assert read.unread() == ()


def test_fp8_scales_are_those_of_the_older_function() -> None:
    values = Config(recorded.read("Qwen/Qwen3-8B-FP8").config)
    terms = llama.formula(Config({**LLAMA_3_1_8B})).terms
    assert quantisation_extras(values, terms) == fp8_scales(values, terms)


def test_scales_that_the_formula_predicts_must_be_as_predicted() -> None:
    """A weight of another size takes its scale with it: they fit each other, and not the formula."""
    tensors = checkpoint(FORMATS["fp8"][0])
    name = "model.layers.1.mlp.up_proj.weight"
    wrong = {name: (512, 128), f"{name}_scale_inv": (4, 1)}
    changed = [tensor._replace(shape=wrong.get(tensor.name, tensor.shape)) for tensor in tensors]
    expected, _ = formula(config("fp8"))
    measured = measure(unpack(changed, scheme(config("fp8"))), llama.NAMES)
    lost = {found.slot for found in explain(expect(expected.terms), expected.extras, measured) if not found.explained}
    assert {"mlp.up", "mlp.up.weight_scale_inv"} <= lost


def test_a_bias_that_is_no_zero_of_gptq_is_not_explained_elsewhere() -> None:
    bias = [Tensor("model.layers.0.mlp.up_proj.bias", DTYPES["F16"], (384,))]
    _, findings = check(config("awq"), [*checkpoint(FORMATS["awq"][0]), *bias])
    assert [found.slot for found in findings if not found.explained] == ["mlp.up.bias"]
