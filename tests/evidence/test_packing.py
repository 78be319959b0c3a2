"""Quantised checkpoints are unpacked to the weights that they stand for, to the last element."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quantised import (
    FLAT,
    FORMATS,
    LINEARS,
    LLAMA,
    OTHERS,
    PARAMETERS,
    QUANTISED,
    Writer,
    awq,
    check,
    checkpoint,
    config,
    fp8_modelopt,
    fp8_row,
    gptq,
    mlx,
    nf4,
    nvfp4,
    packed,
)

from verify.architectures import gpt_oss, llama
from verify.breakdown import expect, measure
from verify.config import Config
from verify.evidence import packing
from verify.evidence.packing import scheme, unpack
from verify.explain import explain
from verify.roles import Cause, Kind
from verify.tensor import DTYPES, Tensor

LAYER = "model.layers.0"
WEIGHTS = {f"model.layers.{layer}.{module}.weight": shape for layer in (0, 1) for module, shape in LINEARS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_each_weight_has_its_logical_shape(name: str) -> None:
    write, _ = FORMATS[name]
    unpacked = unpack(checkpoint(write), scheme(config(name)))
    shapes = {tensor.name: tensor.shape for tensor, _ in unpacked.tensors}
    if name in FLAT:
        assert unpacked.flat == set(WEIGHTS)
        assert shapes == {**OTHERS, **{weight: (out * into,) for weight, (out, into) in WEIGHTS.items()}}
    else:
        assert shapes == {**OTHERS, **WEIGHTS}


@pytest.mark.parametrize("name", FORMATS)
def test_stored_elements_logical_parameters_and_bookkeeping_are_three_counts(name: str) -> None:
    write, _ = FORMATS[name]
    tensors = checkpoint(write)
    beside = 2 * sum(
        Tensor(end, DTYPES[dtype], shape).elements
        for out, into in LINEARS.values()
        for end, dtype, shape in write(out, into)[1:]
    )
    measured, findings = check(config(name), tensors)
    assert measured.total() == PARAMETERS
    assert measured.total(Kind.BOOKKEEPING) == beside
    assert measured.elements == sum(tensor.elements for tensor in tensors)
    assert measured.bits == sum(tensor.bits for tensor in tensors)
    assert [(found.cause, found.elements, found.explained) for found in findings] == [(Cause.SCALES, beside, True)]


def test_what_is_packed_in_one_line_is_compared_by_size_and_said_so() -> None:
    _, (found,) = check(config("nf4"), checkpoint(nf4))
    assert "14 weights are packed in one line" in found.detail
    wider = [(end, dtype, shape) for end, dtype, shape in nf4(132, 128)]

    def write(out: int, into: int) -> list[tuple[str, str, tuple[int, ...]]]:
        return wider if (out, into) == (128, 128) else nf4(out, into)

    _, findings = check(config("nf4"), checkpoint(write))
    wrong = {found.slot: found.elements for found in findings if not found.explained}
    assert wrong == {"attention.q": 2 * 4 * 128, "attention.o": 2 * 4 * 128}


def test_the_storage_of_four_bits_may_be_any_element_type() -> None:
    tensors = [
        tensor._replace(dtype=DTYPES["BF16"], shape=(tensor.elements // 2, 1)) if tensor.shape[1:] == (1,) else tensor
        for tensor in checkpoint(nf4)
    ]
    assert check(config("nf4", bnb_4bit_quant_storage="bfloat16"), tensors)[0].total() == PARAMETERS


@pytest.mark.parametrize(("bits", "words"), [(2, 8), (3, 12), (4, 16), (8, 32)])
def test_gptq_packs_any_width_of_its_own(bits: int, words: int) -> None:
    stored = {"qweight": (words, 64), "qzeros": (2, 64 * bits // 32), "scales": (2, 64), "g_idx": (128,)}
    tensors = [
        Tensor(f"{LAYER}.self_attn.k_proj.{end}", DTYPES["F16" if end == "scales" else "I32"], shape)
        for end, shape in stored.items()
    ]
    ((weight, size),) = unpack(tensors, scheme(config("gptq", bits=bits))).tensors
    assert (weight.shape, size) == ((64, 128), 64 * 128 * bits)


def test_gptq_with_one_group_for_each_column() -> None:
    def write(out: int, into: int) -> list[tuple[str, str, tuple[int, ...]]]:
        values, *_ = gptq(out, into)
        return [values, ("qzeros", "I32", (1, out // 8)), ("scales", "F16", (1, out)), ("g_idx", "I32", (into,))]

    assert check(config("gptq", group_size=-1), checkpoint(write))[0].total() == PARAMETERS


def test_gptq_writes_a_bias_for_each_layer_that_only_the_formula_can_tell_from_a_real_one() -> None:
    """As in Llama-2-7B-Chat-GPTQ, whose 6,739,777,536 elements count 1,359,872 zeros."""
    tensors = checkpoint(lambda out, into: [*gptq(out, into), ("bias", "F16", (out,))])
    unpacked = unpack(tensors, scheme(config("gptq")))
    biases = [tensor.shape for tensor, _ in unpacked.tensors if tensor.name.rpartition(".")[2] == "bias"]
    assert sorted(biases) == sorted(2 * [(out,) for out, _ in LINEARS.values()])


def mixed(first: Writer, others: Writer) -> list[Tensor]:
    """The projections of the feed-forward layers in one way, attention in another."""
    kept = [tensor for tensor in checkpoint(others) if ".mlp." not in tensor.name]
    return kept + [tensor for tensor in checkpoint(first) if ".mlp." in tensor.name]


def test_modelopt_may_mix_its_formats() -> None:
    """As nvidia/Qwen3.6-27B-NVFP4 does: attention in FP8, the rest in NVFP4, scales for the cache."""
    layers = {f"{LAYER}.self_attn.q_proj": {"quant_algo": "FP8"}, "lm_head": {"quant_algo": "W4A16_NVFP4"}}
    values = config("nvfp4", quant_algo="MIXED_PRECISION", quantized_layers=layers, kv_cache_scheme={"num_bits": 8})
    scales = [Tensor(f"{LAYER}.self_attn.{part}_proj.{part}_scale", DTYPES["F32"], ()) for part in "kv"]
    measured, (found,) = check(values, mixed(nvfp4, fp8_modelopt) + scales)
    assert (measured.total(), found.explained) == (PARAMETERS, True)


def test_scales_of_the_cache_may_stand_beside_layers_that_keep_their_precision() -> None:
    plain = [(name, shape) for name, shape in WEIGHTS.items() if ".self_attn." in name]
    tensors = [tensor for tensor in checkpoint(nvfp4) if ".self_attn." not in tensor.name]
    tensors += [Tensor(name, DTYPES["BF16"], shape) for name, shape in plain]
    tensors += [Tensor(f"{LAYER}.self_attn.{part}_scale", DTYPES["F32"], (1,)) for part in "kv"]
    measured, (found,) = check(config("nvfp4"), tensors)
    assert (measured.total(), found.explained) == (PARAMETERS, True)


def test_groups_of_compressed_tensors_may_have_widths_of_their_own() -> None:
    def eight(out: int, into: int) -> list[tuple[str, str, tuple[int, ...]]]:
        return [
            ("weight_packed", "I32", (out, into // 4)),
            ("weight_scale", "BF16", (out, 1)),
            ("weight_shape", "I64", (2,)),
        ]

    groups = {
        "group_0": {"targets": ["re:.*mlp.*"], "weights": {"num_bits": 4, "strategy": "group", "group_size": 64}},
        "group_1": {
            "targets": [name.removesuffix(".weight") for name in WEIGHTS if "self_attn" in name],
            "weights": {"num_bits": 8, "strategy": "channel"},
        },
    }
    measured, (found,) = check(config("pack-quantized", config_groups=groups), mixed(packed, eight))
    assert (measured.total(), found.explained) == (PARAMETERS, True)


def test_mlx_gives_single_layers_a_width_of_their_own_and_packs_the_embedding() -> None:
    own = f"{LAYER}.mlp.down_proj"
    stored = {
        **{f"{own}.{end}": shape for end, shape in (("scales", (128, 12)), ("biases", (128, 12)))},
        "model.embed_tokens.scales": (320, 2),
        "model.embed_tokens.biases": (320, 2),
    }
    words = {f"{own}.weight": (128, 384 * 6 // 32), "model.embed_tokens.weight": (320, 16)}
    left = [tensor for tensor in checkpoint(mlx) if tensor.name not in {*stored, *words}]
    tensors = left + [Tensor(name, DTYPES["U32"], shape) for name, shape in words.items()]
    tensors += [Tensor(name, DTYPES["F16"], shape) for name, shape in stored.items()]
    section = {"bits": 4, "group_size": 64, own: {"bits": 6, "group_size": 32}, "lm_head": False}
    measured, (found,) = check({**LLAMA, "quantization": section, "quantization_config": section}, tensors)
    assert (measured.total(), found.explained) == (PARAMETERS, True)


GPT_OSS = {
    "architectures": ["GptOssForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 96,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "vocab_size": 100,
    "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
}


def mxfp4() -> list[Tensor]:
    mlp = "model.layers.0.mlp.experts"
    attention = "model.layers.0.self_attn"
    plain = {
        "model.embed_tokens.weight": (100, 64), "model.norm.weight": (64,), "lm_head.weight": (100, 64),
        "model.layers.0.input_layernorm.weight": (64,), "model.layers.0.post_attention_layernorm.weight": (64,),
        f"{attention}.q_proj.weight": (32, 64), f"{attention}.q_proj.bias": (32,), f"{attention}.sinks": (2,),
        f"{attention}.k_proj.weight": (16, 64), f"{attention}.k_proj.bias": (16,),
        f"{attention}.v_proj.weight": (16, 64), f"{attention}.v_proj.bias": (16,),
        f"{attention}.o_proj.weight": (64, 32), f"{attention}.o_proj.bias": (64,),
        "model.layers.0.mlp.router.weight": (4, 64), "model.layers.0.mlp.router.bias": (4,),
        f"{mlp}.gate_up_proj_bias": (4, 192), f"{mlp}.down_proj_bias": (4, 64),
    }  # fmt: skip
    blocks = {
        f"{mlp}.gate_up_proj_blocks": (4, 192, 2, 16),
        f"{mlp}.gate_up_proj_scales": (4, 192, 2),
        f"{mlp}.down_proj_blocks": (4, 64, 3, 16),
        f"{mlp}.down_proj_scales": (4, 64, 3),
    }
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in plain.items()]
    return tensors + [Tensor(name, DTYPES["U8"], shape) for name, shape in blocks.items()]


def test_mxfp4_is_unpacked_in_the_orientation_of_the_module_and_its_scales_are_as_predicted() -> None:
    expected = gpt_oss.formula(Config(GPT_OSS))
    measured = measure(unpack(mxfp4(), scheme(GPT_OSS)), gpt_oss.NAMES)
    (found,) = explain(expect(expected.terms), expected.extras, measured)
    assert (found.cause, found.elements, found.explained) == (Cause.SCALES, 4 * 192 * 2 + 4 * 64 * 3, True)
    assert measured.total() == expected.count()


def test_names_alone_tell_which_tensor_belongs_to_which_weight() -> None:
    names = ["a.qweight", "a.scales", "a.bias", "norm.weight"]
    assert packing.owners(names, scheme(config("gptq"))) == {
        "a.qweight": ("a.weight", ""),
        "a.scales": ("a.weight", "scales"),
    }
    assert packing.owners([f"{LAYER}.mlp.experts.down_proj_blocks"], scheme(GPT_OSS)) == {
        f"{LAYER}.mlp.experts.down_proj_blocks": (f"{LAYER}.mlp.experts.down_proj", "")
    }
    cache = ["b.k_scale", "b.k_proj.weight", "b.k_proj.weight_scale"]
    assert packing.owners(cache, scheme(config("nvfp4")))["b.k_scale"] == ("b.k_proj.weight", "k_scale")
    assert packing.owners(names, "") == {}


@given(st.integers(1, 40), st.integers(1, 20), st.sampled_from([gptq, awq, packed, mlx, nvfp4, fp8_row]))
def test_packing_and_unpacking_give_the_same_axes(out: int, into: int, write: Writer) -> None:
    """Law: whatever the axes, as long as groups and words are whole, the logical shape is that of the layer."""
    name = next(name for name, (writer, _) in FORMATS.items() if writer is write)
    shape = (32 * out, 64 * into)
    tensors = [Tensor(f"a.{end}", DTYPES[dtype], stored) for end, dtype, stored in write(*shape)]
    ((weight, size),) = unpack(tensors, scheme(config(name))).tensors
    assert (weight.name, weight.shape, size) == ("a.weight", shape, tensors[0].bits)


@pytest.mark.parametrize("method", packing.methods())
def test_each_scheme_says_where_its_layout_is_documented(method: str) -> None:
    module = packing.methods()[method]
    assert ".py" in module.SOURCE
    assert module.__doc__


def test_what_is_not_quantised_stays_as_it_is() -> None:
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in {**OTHERS, **WEIGHTS}.items()]
    for method in ("", scheme(LLAMA)):
        unpacked = unpack(tensors, method)
        assert sorted(unpacked.tensors) == sorted((tensor, tensor.bits) for tensor in tensors)
        assert (unpacked.bookkeeping, unpacked.scheme, unpacked.elements) == ((), "", PARAMETERS)
    assert llama.NAMES.find(next(iter(WEIGHTS))) is not None
    assert sum(tensor.elements for tensor in tensors if tensor.name in WEIGHTS) == QUANTISED
