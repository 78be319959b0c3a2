"""The transformers classes on the meta device: what they hold, and how bad input is refused."""

import subprocess
import sys
import warnings

import pytest

from verify.errors import ConfigError, FormatError, UnavailableError, UnknownArchitectureError, VerifyError
from verify.evidence import meta
from verify.evidence.base import Strength

Values = dict[str, object]

LLAMA_2_7B: Values = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 4096,
    "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008, "torch_dtype": "float16",
}  # fmt: skip
DEEPSEEK_V3: Values = {
    "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "torch_dtype": "bfloat16",
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}  # fmt: skip
TINY: Values = {
    "model_type": "llama", "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 12,
}  # fmt: skip
BERT: Values = {**TINY, "model_type": "bert", "max_position_embeddings": 7}


def test_llama_2_7b_at_full_size() -> None:
    evidence = meta.read(LLAMA_2_7B, model="meta-llama/Llama-2-7b-hf")
    assert sum(tensor.elements for tensor in evidence.tensors) == 6_738_415_616
    assert {tensor.dtype.name for tensor in evidence.tensors} == {"F16"}
    assert (evidence.strength, evidence.source) == (Strength.META, "meta")
    assert evidence.where.startswith("transformers 5.")
    assert evidence.where.endswith("LlamaForCausalLM")


def test_deepseek_v3_at_full_size_without_remote_code_and_unquantised() -> None:
    evidence = meta.read(DEEPSEEK_V3, model="deepseek-ai/DeepSeek-V3")
    elements = {tensor.name: tensor.elements for tensor in evidence.tensors}
    buffers = sum(count for name, count in elements.items() if name.endswith("e_score_correction_bias"))
    assert (sum(elements.values()) - buffers, buffers) == (671_026_404_352, 58 * 256)
    assert "quantization_config" not in evidence.config
    assert "auto_map" not in evidence.config


def test_the_config_that_is_given_stays_as_it_is() -> None:
    before = {**DEEPSEEK_V3, "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
    meta.read(DEEPSEEK_V3, model="tiny")
    assert before == DEEPSEEK_V3


def test_tied_parameters_are_listed_once_and_named() -> None:
    evidence = meta.read({**TINY, "tie_word_embeddings": True}, model="tiny")
    names = [tensor.name for tensor in evidence.tensors]
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names
    assert evidence.note == "tied: lm_head.weight = model.embed_tokens.weight"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (TINY, "LlamaForCausalLM"),
        (BERT, "BertForMaskedLM"),
        ({**BERT, "model_type": "t5", "d_model": 8, "num_layers": 1}, "T5ForConditionalGeneration"),
        ({**TINY, "architectures": []}, "LlamaForCausalLM"),
        ({**TINY, "architectures": None}, "LlamaForCausalLM"),
        ({**TINY, "architectures": ["LlamaModel"]}, "LlamaModel"),
    ],
)
def test_the_class_named_is_built_or_the_usual_one(values: Values, expected: str) -> None:
    assert meta.read(values, model="tiny").where.endswith(f", {expected}")


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({}, UnknownArchitectureError, "model_type None is not in transformers"),
        ({"model_type": "llama9"}, UnknownArchitectureError, "model_type 'llama9' is not in transformers"),
        ({"model_type": 3}, UnknownArchitectureError, "model_type 3 is not"),
        ({**TINY, "architectures": ["LlamaForTelepathy"]}, UnknownArchitectureError, "names LlamaForTelepathy"),
        ({**TINY, "architectures": ["LlamaConfig"]}, UnknownArchitectureError, "no model class"),
        ({**TINY, "architectures": ["os.system"]}, UnknownArchitectureError, "no model class"),
        ({**TINY, "architectures": ["BertModel"]}, ConfigError, "names BertModel and model_type is llama"),
        ({**TINY, "hidden_size": "8"}, ConfigError, "config class of llama rejects .*hidden_size"),
        ({**TINY, "hidden_size": 9}, ConfigError, "not a multiple"),
        ({**TINY, "intermediate_size": -1}, ConfigError, "LlamaForCausalLM rejects config.json"),
        ({**BERT, "hidden_act": "telepathy"}, ConfigError, "BertForMaskedLM rejects config.json"),
    ],
)
def test_bad_input_is_one_clear_line(values: Values, error: type[VerifyError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        meta.read(values, model="tiny")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_missing_packages_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta, "find_spec", lambda name: None if name == "accelerate" else object())
    assert not meta.available()
    with pytest.raises(UnavailableError, match=r"accelerate not installed.*pip install 'verify-params\[meta\]'"):
        meta.read(TINY, model="tiny")


def test_a_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta, "available", lambda: True)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnavailableError, match="transformers cannot be imported"):
        meta.read(TINY, model="tiny")


def test_nothing_is_said_and_nothing_stays_switched_off(capfd: pytest.CaptureFixture[str]) -> None:
    """A decoder in a class for masked text, and a removed key: transformers logs or warns about both."""
    from transformers.utils import logging

    before = logging.get_verbosity(), list(warnings.filters)
    meta.read({**BERT, "is_decoder": True, "rope_scaling": {"type": "linear", "factor": 2.0}}, model="tiny")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), list(warnings.filters)) == before


def test_asking_whether_it_is_available_imports_nothing_heavy() -> None:
    code = (
        "import sys; from verify.evidence import meta; assert meta.available();"
        "assert not {'torch', 'transformers', 'accelerate'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("float32", "F32"), ("float64", "F64"), ("float16", "F16"), ("bfloat16", "BF16"), ("bool", "BOOL"),
     ("uint8", "U8"), ("int8", "I8"), ("int64", "I64"), ("uint16", "U16"), ("complex64", "C64"),
     ("float8_e4m3fn", "F8_E4M3"), ("float8_e5m2", "F8_E5M2"), ("float8_e4m3fnuz", "F8_E4M3FNUZ"),
     ("float8_e5m2fnuz", "F8_E5M2FNUZ"), ("float8_e8m0fnu", "F8_E8M0")],
)  # fmt: skip
def test_dtypes_have_the_names_of_safetensors(dtype: str, name: str) -> None:
    import torch

    tensor = torch.empty(2, 3, dtype=getattr(torch, dtype), device="meta")
    assert meta._tensor("x", tensor).dtype.name == name


def test_a_dtype_that_no_file_can_hold_is_refused() -> None:
    import torch

    with pytest.raises(FormatError, match="x is complex128"):
        meta._tensor("x", torch.empty(2, dtype=torch.complex128, device="meta"))
