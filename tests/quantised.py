"""Small Llamas as quantised checkpoints store them, written down from the documentation of each format.

Nothing here knows the code that unpacks them: each function gives the tensors of one linear layer of `out x in`,
the one that holds its values first.
"""

from collections.abc import Callable, Mapping

from verify.architectures import llama
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.evidence.packing import scheme, unpack
from verify.explain import Finding, explain
from verify.formula import Formula
from verify.tensor import DTYPES, Tensor

Shape = tuple[int, ...]
Stored = tuple[str, str, Shape]  # the end of the name, dtype, shape
Writer = Callable[[int, int], list[Stored]]

LLAMA: Mapping[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 384,
    "vocab_size": 320,
}
LINEARS = {
    "self_attn.q_proj": (128, 128),
    "self_attn.k_proj": (64, 128),
    "self_attn.v_proj": (64, 128),
    "self_attn.o_proj": (128, 128),
    "mlp.gate_proj": (384, 128),
    "mlp.up_proj": (384, 128),
    "mlp.down_proj": (128, 384),
}
OTHERS = {
    "model.embed_tokens.weight": (320, 128),
    "model.norm.weight": (128,),
    "lm_head.weight": (320, 128),
    **{
        f"model.layers.{layer}.{name}.weight": (128,)
        for layer in (0, 1)
        for name in ("input_layernorm", "post_attention_layernorm")
    },
}
#: 2 x 320 x 128 + 5 x 128, and 2 x (2 x 128^2 + 2 x 64 x 128 + 3 x 384 x 128).
QUANTISED = 2 * (2 * 128**2 + 2 * 64 * 128 + 3 * 384 * 128)
PARAMETERS = 2 * 320 * 128 + 5 * 128 + QUANTISED


def gptq(out: int, into: int) -> list[Stored]:
    """4 bits, groups of 64: eight values of a column of the transposed weight in a word."""
    return [
        ("qweight", "I32", (into // 8, out)),
        ("qzeros", "I32", (into // 64, out // 8)),
        ("scales", "F16", (into // 64, out)),
        ("g_idx", "I32", (into,)),
    ]


def awq(out: int, into: int) -> list[Stored]:
    """4 bits, groups of 64: eight values of a row of the transposed weight in a word."""
    return [
        ("qweight", "I32", (into, out // 8)),
        ("qzeros", "I32", (into // 64, out // 8)),
        ("scales", "F16", (into // 64, out)),
    ]


def int8(out: int, into: int) -> list[Stored]:
    """LLM.int8()."""
    return [("weight", "I8", (out, into)), ("SCB", "F32", (out,)), ("weight_format", "U8", ())]


def nf4(out: int, into: int) -> list[Stored]:
    """NF4 with its absmax in F32 for each 64 values."""
    return [
        ("weight", "U8", (out * into // 2, 1)),
        ("weight.absmax", "F32", (out * into // 64,)),
        ("weight.quant_map", "F32", (16,)),
        ("weight.quant_state.bitsandbytes__nf4", "U8", (82,)),
    ]


def nf4_double(out: int, into: int) -> list[Stored]:
    """NF4 with its absmax in bytes."""
    values, _, quant_map, state = nf4(out, into)
    return [
        values,
        ("weight.absmax", "U8", (out * into // 64,)),
        quant_map,
        ("weight.nested_absmax", "F32", (-(-out * into // 64 // 256),)),
        ("weight.nested_quant_map", "F32", (256,)),
        state,
    ]


def packed(out: int, into: int) -> list[Stored]:
    """compressed-tensors in 4 bits with zero points and an order of activation, groups of 64."""
    return [
        ("weight_packed", "I32", (out, into // 8)),
        ("weight_scale", "BF16", (out, into // 64)),
        ("weight_zero_point", "I32", (out // 8, into // 64)),
        ("weight_g_idx", "I32", (into,)),
        ("weight_shape", "I64", (2,)),
    ]


def float_channel(out: int, into: int) -> list[Stored]:
    """compressed-tensors in FP8 with a scale for each row."""
    return [("weight", "F8_E4M3", (out, into)), ("weight_scale", "BF16", (out, 1))]


def int_tensor(out: int, into: int) -> list[Stored]:
    """compressed-tensors in INT8 with a scale for the tensor and one for its input."""
    return [("weight", "I8", (out, into)), ("weight_scale", "F32", (1,)), ("input_scale", "F32", (1,))]


def float_block(out: int, into: int) -> list[Stored]:
    """compressed-tensors in FP8 with a scale for each block of 128 x 128."""
    return [("weight", "F8_E4M3", (out, into)), ("weight_scale", "BF16", (-(-out // 128), into // 128))]


def nvfp4_packed(out: int, into: int) -> list[Stored]:
    """compressed-tensors in NVFP4."""
    return [
        ("weight_packed", "U8", (out, into // 2)),
        ("weight_scale", "F8_E4M3", (out, into // 16)),
        ("weight_global_scale", "F32", (1,)),
        ("input_global_scale", "F32", (1,)),
    ]


def mxfp4_packed(out: int, into: int) -> list[Stored]:
    """compressed-tensors in MXFP4."""
    return [("weight_packed", "U8", (out, into // 2)), ("weight_scale", "U8", (out, into // 32))]


def fp8_block(out: int, into: int) -> list[Stored]:
    """Fine-grained FP8, blocks of 128 x 128."""
    return [("weight", "F8_E4M3", (out, into)), ("weight_scale_inv", "F32", (-(-out // 128), into // 128))]


def fp8_static(out: int, into: int) -> list[Stored]:
    """FP8 with a number for the weight and one for its input."""
    return [
        ("weight", "F8_E4M3", (out, into)),
        ("weight_scale_inv", "BF16", ()),
        ("activation_scale", "BF16", ()),
    ]


def fp8_row(out: int, into: int) -> list[Stored]:
    """FBGEMM."""
    return [("weight", "F8_E4M3", (out, into)), ("weight_scale", "F32", (out, 1))]


def nvfp4(out: int, into: int) -> list[Stored]:
    """NVFP4 as the Model Optimizer writes it."""
    return [
        ("weight", "U8", (out, into // 2)),
        ("weight_scale", "F8_E4M3", (out, into // 16)),
        ("weight_scale_2", "F32", ()),
        ("input_scale", "F32", ()),
    ]


def fp8_modelopt(out: int, into: int) -> list[Stored]:
    """FP8 as the Model Optimizer writes it."""
    return [("weight", "F8_E4M3", (out, into)), ("weight_scale", "F32", ()), ("input_scale", "F32", ())]


def mlx(out: int, into: int) -> list[Stored]:
    """4 bits, groups of 64."""
    return [
        ("weight", "U32", (out, into // 8)),
        ("scales", "BF16", (out, into // 64)),
        ("biases", "BF16", (out, into // 64)),
    ]


def eetq(out: int, into: int) -> list[Stored]:
    """The transposed weight with a scale for each output."""
    return [("weight", "I8", (into, out)), ("weight_scales", "F16", (out,))]


def hqq(out: int, into: int) -> list[Stored]:
    """4 bits, groups of 64 along the rows."""
    groups = out * into // 64
    return [
        ("W_q", "U8", (groups // 2, 64)),
        ("scale", "BF16", (groups, 1)),
        ("zero", "BF16", (groups, 1)),
        ("shape", "I64", (2,)),
        ("nbits", "I64", ()),
        ("packing", "U8", (7,)),
    ]


def group(**weights: object) -> dict[str, object]:
    return {"config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


#: For each fixture the way a layer is written and the `quantization_config` that says so.
FORMATS: dict[str, tuple[Writer, dict[str, object]]] = {
    "gptq": (gptq, {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": True}),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm", "zero_point": True}),
    "int8": (int8, {"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False}),
    "nf4": (nf4, {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
    "nf4 double": (
        nf4_double,
        {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
    ),
    "pack-quantized": (
        packed,
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            **group(num_bits=4, type="int", strategy="group", group_size=64, symmetric=False, actorder="group"),
        },
    ),
    "float-quantized": (
        float_channel,
        {
            "quant_method": "compressed-tensors",
            "format": "float-quantized",
            **group(num_bits=8, type="float", strategy="channel"),
        },
    ),
    "int-quantized": (
        int_tensor,
        {
            "quant_method": "compressed-tensors",
            "format": "int-quantized",
            **group(num_bits=8, type="int", strategy="tensor"),
        },
    ),
    "naive-quantized": (
        float_block,
        {
            "quant_method": "compressed-tensors",
            "format": "naive-quantized",
            **group(num_bits=8, type="float", strategy="block", block_structure=[128, 128]),
        },
    ),
    "nvfp4-pack-quantized": (
        nvfp4_packed,
        {
            "quant_method": "compressed-tensors",
            "format": "nvfp4-pack-quantized",
            **group(num_bits=4, type="float", strategy="tensor_group", group_size=16),
        },
    ),
    "mxfp4-pack-quantized": (
        mxfp4_packed,
        {
            "quant_method": "compressed-tensors",
            "format": "mxfp4-pack-quantized",
            **group(num_bits=4, type="float", strategy="group", group_size=32),
        },
    ),
    "fp8": (fp8_block, {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}),
    "fp8 static": (fp8_static, {"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": None}),
    "fbgemm": (fp8_row, {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}),
    "nvfp4": (nvfp4, {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16}),
    "modelopt fp8": (
        fp8_modelopt,
        {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
    ),
    "mlx": (mlx, {"bits": 4, "group_size": 64}),
    "eetq": (eetq, {"quant_method": "eetq", "weights": "int8"}),
    "hqq": (
        hqq,
        {
            "quant_method": "hqq",
            "quant_config": {
                "weight_quant_params": {"nbits": 4, "group_size": 64, "axis": 1},
                "scale_quant_params": None,
                "zero_quant_params": None,
            },
        },
    ),
}
#: Schemes that keep all values in one line, so that the axes of a weight are not in the header.
FLAT = ("nf4", "nf4 double", "hqq")


def config(name: str, **changes: object) -> dict[str, object]:
    """The config.json of a fixture."""
    return {**LLAMA, "quantization_config": {**FORMATS[name][1], **changes}}


def checkpoint(write: Writer) -> list[Tensor]:
    """The tensors of the small Llama with all its linear layers written in one way."""
    tensors = [Tensor(name, DTYPES["BF16"], shape) for name, shape in OTHERS.items()]
    for layer in (0, 1):
        for module, (out, into) in LINEARS.items():
            tensors += [
                Tensor(f"model.layers.{layer}.{module}.{end}", DTYPES[dtype], shape)
                for end, dtype, shape in write(out, into)
            ]
    return tensors


def formula(values: Mapping[str, object]) -> Formula:
    return llama.formula(Config(values))


def check(values: Mapping[str, object], tensors: list[Tensor]) -> tuple[Breakdown, tuple[Finding, ...]]:
    """Hold a checkpoint against the Llama formula."""
    expected = formula(values)
    measured = measure(unpack(tensors, scheme(values)), llama.NAMES)
    return measured, explain(expect(expected.terms), expected.extras, measured)
