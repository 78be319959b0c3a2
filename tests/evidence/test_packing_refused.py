"""What cannot be unpacked is refused in one line that names the tensor or the key, and what was expected."""

import re
from collections.abc import Mapping

import pytest
from quantised import FORMATS, LLAMA, check, checkpoint, config

from verify.errors import FormatError
from verify.evidence.packing import scheme, unpack
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor

Q = "model.layers.0.self_attn.q_proj"

#: For each fixture a part of the first layer's q_proj with a shape that does not fit the weight.
WRONG_SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "gptq": {"scales": (3, 128), "qzeros": (2, 15), "g_idx": (127,), "qweight": (16, 129)},
    "awq": {"scales": (2, 127), "qzeros": (3, 16), "qweight": (127, 16)},
    "int8": {"SCB": (127,), "weight_format": (2,)},
    "nf4": {"weight.absmax": (257,), "weight.quant_map": (15,), "weight": (8100, 1)},
    "nf4 double": {"weight.nested_absmax": (2,), "weight.nested_quant_map": (255,)},
    "pack-quantized": {
        "weight_scale": (128, 3), "weight_zero_point": (17, 2), "weight_g_idx": (64,), "weight_shape": (3,),
    },
    "float-quantized": {"weight_scale": (127, 1)},
    "int-quantized": {"weight_scale": (128, 1), "input_scale": (128,)},
    "naive-quantized": {"weight_scale": (2, 1)},
    "nvfp4-pack-quantized": {"weight_scale": (128, 9), "weight_global_scale": (2,), "input_global_scale": (128,)},
    "mxfp4-pack-quantized": {"weight_scale": (128, 8)},
    "fp8": {"weight_scale_inv": (1, 2)},
    "fp8 static": {"activation_scale": (128,), "weight_scale_inv": (1, 1)},
    "fbgemm": {"weight_scale": (128,)},
    "nvfp4": {"weight_scale": (128, 16), "weight_scale_2": (128,), "input_scale": (2,)},
    "modelopt fp8": {"weight_scale": (127,)},
    "mlx": {"scales": (128, 4), "biases": (127, 2), "weight": (128, 15)},
    "eetq": {"weight_scales": (127,), "weight": (128, 127)},
    "hqq": {"scale": (255, 1), "zero": (257, 1), "W_q": (127, 64), "shape": (1, 2)},
}  # fmt: skip
#: A part without which the values cannot be read.
NEEDED = {
    "gptq": "scales", "awq": "qzeros", "int8": "SCB", "nf4": "weight.absmax", "nf4 double": "weight.nested_quant_map",
    "pack-quantized": "weight_shape", "float-quantized": "weight_scale", "int-quantized": "weight_scale",
    "naive-quantized": "weight_scale", "nvfp4-pack-quantized": "weight_global_scale",
    "mxfp4-pack-quantized": "weight_scale", "fp8": "weight_scale_inv", "fp8 static": "weight_scale_inv",
    "fbgemm": "weight_scale", "nvfp4": "weight_scale_2", "modelopt fp8": "weight_scale", "mlx": "biases",
    "eetq": "weight_scales", "hqq": "zero",
}  # fmt: skip
#: A part in an element type that the scheme never writes.
WRONG_DTYPES = {
    "gptq": ("qweight", "F16"), "awq": ("qweight", "U8"), "int8": ("SCB", "F16"), "nf4": ("weight.quant_map", "U8"),
    "nf4 double": ("weight.absmax", "BF16"), "pack-quantized": ("weight_packed", "BF16"),
    "float-quantized": ("weight", "U32"), "int-quantized": ("weight", "I32"),
    "naive-quantized": ("weight_scale", "I32"), "nvfp4-pack-quantized": ("weight_packed", "I8"),
    "mxfp4-pack-quantized": ("weight_packed", "F32"), "fp8": ("weight_scale_inv", "I32"),
    "fp8 static": ("activation_scale", "I8"), "fbgemm": ("weight", "BF16"), "nvfp4": ("weight_scale_2", "U8"),
    "modelopt fp8": ("weight", "I8"), "mlx": ("weight", "I32"), "eetq": ("weight", "F16"), "hqq": ("scale", "U8"),
}  # fmt: skip


def complaint(name: str, tensors: list[Tensor]) -> str:
    with pytest.raises(FormatError) as caught:
        unpack(tensors, scheme(config(name)))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_fixture_is_tried() -> None:
    assert WRONG_SHAPES.keys() == NEEDED.keys() == WRONG_DTYPES.keys() == FORMATS.keys()


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in WRONG_SHAPES.items() for part in parts])
def test_a_part_that_does_not_fit_its_weight(name: str, part: str) -> None:
    wrong = WRONG_SHAPES[name][part]
    tensors = [
        tensor._replace(shape=wrong) if tensor.name == f"{Q}.{part}" else tensor
        for tensor in checkpoint(FORMATS[name][0])
    ]
    assert Q in complaint(name, tensors)


@pytest.mark.parametrize("name", FORMATS)
def test_a_part_that_is_missing(name: str) -> None:
    tensors = [tensor for tensor in checkpoint(FORMATS[name][0]) if tensor.name != f"{Q}.{NEEDED[name]}"]
    assert Q in complaint(name, tensors)


@pytest.mark.parametrize("name", FORMATS)
def test_a_part_of_another_element_type(name: str) -> None:
    part, dtype = WRONG_DTYPES[name]
    tensors = [
        tensor._replace(dtype=DTYPES[dtype]) if tensor.name == f"{Q}.{part}" else tensor
        for tensor in checkpoint(FORMATS[name][0])
    ]
    assert re.search(rf"{re.escape(Q)}\S* is {dtype}", complaint(name, tensors))


@pytest.mark.parametrize("name", FORMATS)
def test_parts_without_their_weight_are_shown_and_not_explained(name: str) -> None:
    tensors = checkpoint(FORMATS[name][0])
    values = next(tensor for tensor in tensors if tensor.name.startswith(Q))
    beside = {tensor.name for tensor in tensors if tensor.name.startswith(Q)} - {values.name}
    _, findings = check(config(name), [tensor for tensor in tensors if tensor is not values])
    lost = [found for found in findings if not found.explained]
    assert {found.slot for found in lost if found.cause is Cause.UNCLASSIFIED} == beside
    assert any(found.cause is Cause.SHAPE or found.cause is Cause.MISSING for found in lost)


def test_two_tensors_that_are_the_same_part() -> None:
    twice = checkpoint(FORMATS["fp8"][0])
    assert "same part" in complaint("fp8", [*twice, next(one for one in twice if one.name.startswith(Q))])


def test_a_packed_weight_beside_a_plain_one() -> None:
    tensors = [*checkpoint(FORMATS["gptq"][0]), Tensor(f"{Q}.weight", DTYPES["F16"], (128, 128))]
    assert f"{Q}.weight stands beside {Q}.qweight; expected no weight there" in complaint("gptq", tensors)


def test_the_message_says_what_was_found_and_what_would_fit() -> None:
    tensors = [Tensor("a.weight", DTYPES["F8_E4M3"], (256, 128), "x.safetensors")]
    tensors.append(Tensor("a.weight_scale_inv", DTYPES["F32"], (1, 1), "x.safetensors"))
    assert complaint("fp8", tensors) == (
        "x.safetensors: a.weight_scale_inv has shape [1, 1]; expected [2, 1]; "
        "compare the file with its quantization_config"
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"quant_method": "quark"}, "quantization_config.quant_method is 'quark'; expected awq, bitsandbytes, "),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, "'auto-round'"),
        ({"quant_method": ["gptq"]}, r"\['gptq'\]"),
        ({"bits": 4}, "quant_method is None"),
        ("fp8", "quantization_config is 'fp8'; expected an object"),
        ({"quant_method": "gptq"}, "quantization_config.bits is None; expected a whole number"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "checkpoint_format is 'marlin'"),
        ({"quant_method": "gptq", "bits": 4, "is_marlin_format": True}, "is_marlin_format"),
        ({"quant_method": "gptq", "bits": 4, "group_size": -2}, "group_size is -2"),
        ({"quant_method": "gptq", "bits": 0}, "bits is 0"),
        ({"quant_method": "gptq", "bits": True}, "bits is True"),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {"x": 1}}, "dynamic is .*expected an object of objects"),
        ({"quant_method": "awq", "version": "gemv_fast"}, "version is 'gemv_fast'; expected 'gemm'"),
        ({"quant_method": "bitsandbytes"}, "load_in_8bit is False, load_in_4bit is False"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "int4"}, "'int4'"),
        ({"quant_method": "compressed-tensors", "format": "marlin-24"}, "format is 'marlin-24'"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "config_groups is empty"),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"W4A16": {"weights": None}}},
            "config_groups.W4A16.weights is None",
        ),
        (
            {"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}},
            "format is 'sparse-24-bitmask'",
        ),
        ({"quant_method": "fp8", "weight_block_size": [128]}, r"weight_block_size is \[128\]"),
        ({"quant_method": "fp8", "activation_scheme": "token"}, "activation_scheme is 'token'"),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "quant_algo is 'W4A8_AWQ'"),
        (
            {
                "quant_method": "modelopt",
                "quant_algo": "MIXED_PRECISION",
                "quantized_layers": {"x": {"quant_algo": "Q"}},
            },
            r"quantized_layers\['x'\].quant_algo is 'Q'",
        ),
        ({"bits": 4, "group_size": 64, "mode": "nf4"}, "mode is 'nf4'"),
        ({"quant_method": "eetq", "weights": "int4"}, "weights is 'int4'"),
        ({"quant_method": "hqq"}, "quant_config is None"),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 3}}}, "nbits is 3"),
        (
            {"quant_method": "hqq", "quant_config": {"weight_quant_params": None, "scale_quant_params": {}}},
            "scale_quant_params is set",
        ),
    ],
)  # fmt: skip
def test_a_config_that_is_not_known(section: object, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        scheme({**LLAMA, "quantization_config": section})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"text_config": {"quantization_config": {"quant_method": "fp8"}}},
        {"quantization_config": {"quant_method": "fp8"}, "text_config": {}},
        {"quantization": {"bits": 4}},
        {"quantization_config": {"load_in_8bit": True}},
        {"quantization_config": {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}},
    ],
)
def test_the_scheme_is_found_where_writers_put_it(values: dict[str, object]) -> None:
    method = scheme(values)
    assert method
    assert method.name in {"fp8", "mlx", "bitsandbytes int8", "modelopt"}
