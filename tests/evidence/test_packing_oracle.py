"""The layouts are those of the classes in transformers, whose tensors are unpacked here as a file would hold them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from quantised import LLAMA, PARAMETERS, config

import verify
from verify.evidence.packing import scheme, unpack
from verify.roles import Cause
from verify.tensor import DTYPES, Tensor
from verify.verification import Verdict

NAMES = {
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e8m0fnu: "F8_E8M0", torch.float32: "F32", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.int8: "I8", torch.uint8: "U8", torch.uint32: "U32",
}  # fmt: skip


def stored(module: torch.nn.Module, prefix: str = "a.") -> list[Tensor]:
    return [
        Tensor(prefix + name, DTYPES[NAMES[value.dtype]], tuple(value.shape))
        for name, value in module.state_dict().items()
    ]


def weight(module: torch.nn.Module, section: Mapping[str, object]) -> tuple[int, ...]:
    (found,) = (
        tensor
        for tensor, _ in unpack(stored(module), scheme({"quantization_config": section})).tensors
        if tensor.name == "a.weight"
    )
    return found.shape


@pytest.mark.parametrize(("out", "into"), [(384, 128), (130, 64), (1, 300)])
@pytest.mark.parametrize("block", [(128, 128), (64, 32), None])
@pytest.mark.parametrize("activations", ["dynamic", "static"])
@pytest.mark.parametrize("scale", ["float", "ue8m0"])
def test_fine_grained_fp8(out: int, into: int, block: tuple[int, int] | None, activations: str, scale: str) -> None:
    from transformers.integrations.finegrained_fp8 import FP8Linear

    section = {"quant_method": "fp8", "activation_scheme": activations, "weight_block_size": block and list(block)}
    with torch.device("meta"):
        layer = FP8Linear(into, out, block_size=block, activation_scheme=activations, scale_fmt=scale, has_bias=True)
    assert weight(layer, section) == (out, into)


@pytest.mark.parametrize("precision", ["fp8", "fp4"])
def test_experts_in_one_tensor(precision: str) -> None:
    from transformers import MixtralConfig
    from transformers.integrations.finegrained_fp8 import FP8Experts

    values = MixtralConfig(hidden_size=256, intermediate_size=64, num_local_experts=3)
    with torch.device("meta"):
        experts = FP8Experts(values, block_size=(128, 128), expert_dtype=precision)
    section = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    shapes = {
        tensor.name: tensor.shape
        for tensor, _ in unpack(stored(experts), scheme({"quantization_config": section})).tensors
    }
    assert shapes == {"a.gate_up_proj": (3, 128, 256), "a.down_proj": (3, 256, 64)}


def test_fbgemm() -> None:
    from transformers.integrations.fbgemm_fp8 import FbgemmFp8Linear

    with torch.device("meta"):
        layer = FbgemmFp8Linear(96, 160, bias=True)
    assert weight(layer, {"quant_method": "fbgemm_fp8"}) == (160, 96)


def test_eetq() -> None:
    from transformers.integrations.eetq import EetqLinear

    with torch.device("meta"):
        layer = EetqLinear(96, 160, bias=True)
    assert weight(layer, {"quant_method": "eetq"}) == (160, 96)


@pytest.mark.parametrize(("bits", "group"), [(2, 32), (4, 64), (8, 96)])
def test_metal(bits: int, group: int) -> None:
    from transformers.integrations.metal_quantization import MetalLinear

    layer = MetalLinear(192, 160, bits=bits, group_size=group)
    assert weight(layer, {"quant_method": "metal", "bits": bits, "group_size": group}) == (160, 192)


def test_mxfp4_has_the_axes_that_unpacking_the_numbers_gives() -> None:
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    blocks = torch.zeros((2, 96, 3, 16), dtype=torch.uint8)
    scales = torch.full((2, 96, 3), 127, dtype=torch.uint8)
    tensors = [
        Tensor("a.down_proj_blocks", DTYPES["U8"], tuple(blocks.shape)),
        Tensor("a.down_proj_scales", DTYPES["U8"], tuple(scales.shape)),
    ]
    ((found, size),) = unpack(tensors, scheme({"quantization_config": {"quant_method": "mxfp4"}})).tensors
    assert found.shape == tuple(convert_moe_packed_tensors(blocks, scales).shape) == (2, 96, 96)
    assert size == 4 * 2 * 96 * 96


def test_a_checkpoint_that_transformers_wrote_in_fp8_is_explained(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.integrations.finegrained_fp8 import replace_with_fp8_linear
    from transformers.utils.quantization_config import FineGrainedFP8Config

    values = config("fp8", model_type="llama")
    model = LlamaForCausalLM(LlamaConfig.from_dict({**LLAMA, "dtype": "bfloat16"}))
    section = FineGrainedFP8Config(weight_block_size=(128, 128))
    model = replace_with_fp8_linear(model, modules_to_not_convert=["lm_head"], quantization_config=section)
    state = {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in model.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**values, "model_type": "llama"}))
    found = verify.check(str(tmp_path), evidence="header")
    scales = [finding for finding in found.findings if finding.cause is Cause.SCALES]
    assert [finding.elements for finding in scales] == [2 * (1 + 1 + 1 + 1 + 3 + 3 + 3)]
    assert (found.verdict, found.measured_parameters) == (Verdict.EXPLAINED, PARAMETERS)
