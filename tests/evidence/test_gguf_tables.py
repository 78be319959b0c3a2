"""The tables of GGUF names and sizes, held against the gguf package; and files that no converter writes any more."""

from pathlib import Path

import gguf_models
import pytest
from gguf.constants import GGML_QUANT_SIZES, MODEL_TENSORS, TENSOR_NAMES, GGMLQuantizationType
from gguf.tensor_mapping import TensorNameMap

from verify import pipeline
from verify.errors import FormatError, UnknownArchitectureError
from verify.evidence import gguf
from verify.evidence.files import Weights
from verify.evidence.gguf._types import DTYPES
from verify.evidence.gguf.architectures import known
from verify.evidence.local import LocalFiles
from verify.roles import Cause
from verify.tensor import Tensor
from verify.verification import Verdict, Verification

_ROUTED = {"blk.{}.ffn_gate_inp", "blk.{}.ffn_gate_exps", "blk.{}.ffn_up_exps", "blk.{}.ffn_down_exps"}
_NEXTN = {"eh_proj", "embed_tokens", "enorm", "hnorm", "shared_head_head", "shared_head_norm"}

#: What a table leaves out, because another is used where it is there, or because no converted model has it.
_LEFT_OUT = {
    "deepseek2": {"blk.{}.attn_k", "blk.{}.attn_v"},
    "falcon": {"blk.{}.attn_norm_2"},
    "glm4": {"blk.{}.attn_qkv", *(f"blk.{{}}.nextn.{name}" for name in _NEXTN)},
    "llama": _ROUTED,
    "minicpm": _ROUTED,
    "mistral3": _ROUTED,
    "mpt": {"blk.{}.ffn", "blk.{}.attn_q_norm", "blk.{}.attn_k_norm", "position_embd"},
    "phi2": {"blk.{}.ffn_norm"},
    "phi3": {"blk.{}.attn_q", "blk.{}.attn_k", "blk.{}.attn_v"},
    "phimoe": {"blk.{}.attn_qkv"},
}
_COMPUTED = {"rope_freqs", "rope_factors_long", "rope_factors_short", "blk.{}.attn_rot_embd"}

Shapes = dict[str, tuple[int, ...]]

LLAMA = {"block_count": 1, "embedding_length": 4, "feed_forward_length": 6, "attention.head_count": 2, "vocab_size": 5}
LLAMA_SHAPES = {
    "token_embd.weight": (5, 4),
    "blk.0.attn_norm.weight": (4,),
    "blk.0.attn_q.weight": (4, 4),
    "blk.0.attn_k.weight": (4, 4),
    "blk.0.attn_v.weight": (4, 4),
    "blk.0.attn_output.weight": (4, 4),
    "blk.0.ffn_norm.weight": (4,),
    "blk.0.ffn_gate.weight": (6, 4),
    "blk.0.ffn_up.weight": (6, 4),
    "blk.0.ffn_down.weight": (4, 6),
    "output_norm.weight": (4,),
    "output.weight": (5, 4),
}


def read(folder: Path, file: str = "model.gguf") -> Weights:
    return gguf.read(LocalFiles(folder), file)


def check(folder: Path) -> Verification:
    return pipeline.check(folder, evidence="header")


def shapes(tensors: tuple[Tensor, ...]) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tensor.shape for tensor in tensors}


def _reference(name: str) -> set[str]:
    """The modules of an architecture in the gguf package."""
    return {TENSOR_NAMES[tensor].replace("{bid}", "{}") for tensor in MODEL_TENSORS[gguf_models.ARCHITECTURES[name]]}


def test_the_element_types_are_those_of_the_reference() -> None:
    assert {int(number): (number.name, 8 * size, block) for number, (block, size) in GGML_QUANT_SIZES.items()} == {
        number: (dtype.name, dtype.bits, dtype.block) for number, dtype in DTYPES.items()
    }


def test_every_architecture_is_one_of_the_reference() -> None:
    assert known().keys() <= gguf_models.ARCHITECTURES.keys()


@pytest.mark.parametrize("name", sorted(known()))
def test_a_table_has_the_tensors_of_its_architecture(name: str) -> None:
    ours = {template.rpartition(".")[0] for template in known()[name].tensors}
    assert _reference(name) - ours - _COMPUTED - _LEFT_OUT.get(name, set()) == set()


@pytest.mark.parametrize("name", sorted(known()))
def test_names_are_those_that_the_reference_converts(name: str) -> None:
    names = TensorNameMap(gguf_models.ARCHITECTURES[name], 8)
    for template, target in known()[name].tensors.items():
        module = template.rpartition(".")[0]
        if module in _reference(name) and target.joined is None and not target.each:
            theirs = target.name.format(7).removesuffix(".weight").removesuffix(".bias").removesuffix("_bias")
            # The converter of BLOOM takes the prefix away.
            found = names.get_name(theirs) or names.get_name(theirs.removeprefix("transformer."))
            assert found == module.format(7), template


def test_a_plain_llama(tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES, LLAMA)
    found = read(tmp_path)
    assert found.config == {
        "model_type": "llama",
        "num_hidden_layers": 1,
        "hidden_size": 4,
        "intermediate_size": 6,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 5,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
    }
    assert (
        found.note
        == "no metadata for tie_word_embeddings, attention_bias, mlp_bias: taken from which tensors there are"
    )
    assert check(tmp_path).verdict is Verdict.EXACT
    assert check(tmp_path).measured_parameters == 2 * 20 + 4 * 16 + 3 * 24 + 3 * 4


@pytest.mark.parametrize(("architecture", "family"), [("mistral3", "mistral"), ("minicpm", "minicpm")])
def test_others_with_the_tensors_of_a_llama(architecture: str, family: str, tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", architecture, LLAMA_SHAPES, LLAMA)
    assert (check(tmp_path).verdict, check(tmp_path).family) == (Verdict.EXACT, family)


def test_the_first_deepseek_with_experts(tmp_path: Path) -> None:
    """A dense layer, then one with experts and shared ones."""
    dense = {"ffn_gate", "ffn_up", "ffn_down"}
    second = {
        name.replace("blk.0", "blk.1"): shape
        for name, shape in LLAMA_SHAPES.items()
        if name.startswith("blk.0.") and name.split(".")[2] not in dense
    }
    experts = {"ffn_gate_exps": (5, 3, 4), "ffn_up_exps": (5, 3, 4), "ffn_down_exps": (5, 4, 3), "ffn_gate_inp": (5, 4)}
    shared = {"ffn_gate_shexp": (6, 4), "ffn_up_shexp": (6, 4), "ffn_down_shexp": (4, 6)}
    second |= {f"blk.1.{name}.weight": shape for name, shape in (experts | shared).items()}
    keys = LLAMA | {"block_count": 2, "leading_dense_block_count": 1, "expert_count": 5, "expert_used_count": 2}
    keys |= {"expert_shared_count": 2, "expert_feed_forward_length": 3}
    gguf_models.write_shapes(tmp_path / "model.gguf", "deepseek", LLAMA_SHAPES | second, keys)
    checked = check(tmp_path)
    assert (checked.verdict, checked.family, checked.unread) == (Verdict.EXACT, "deepseek", ())


def test_layers_that_predict_further_tokens(tmp_path: Path) -> None:
    """GLM-4.5 counts them among its blocks."""
    attention = {"attn_norm": (4,), "post_attention_norm": (4,), "attn_output": (4, 4)}
    attention |= dict.fromkeys(("attn_q", "attn_k", "attn_v"), (4, 4))
    mlp = {"ffn_gate": (6, 4), "ffn_up": (6, 4), "ffn_down": (4, 6)}
    experts = {"ffn_gate_exps": (5, 3, 4), "ffn_up_exps": (5, 3, 4), "ffn_down_exps": (5, 4, 3), "ffn_gate_inp": (5, 4)}
    shared = {"ffn_gate_shexp": (3, 4), "ffn_up_shexp": (3, 4), "ffn_down_shexp": (4, 3)}
    further = {"nextn.eh_proj": (4, 8), "nextn.enorm": (4,), "nextn.hnorm": (4,), "nextn.shared_head_norm": (4,)}
    tensors = {f"blk.0.{name}.weight": shape for name, shape in (attention | mlp).items()}
    tensors |= {f"blk.1.{name}.weight": shape for name, shape in (attention | experts | shared | further).items()}
    tensors |= {"token_embd.weight": (5, 4), "output_norm.weight": (4,), "output.weight": (5, 4)}
    tensors["blk.1.exp_probs_b.bias"] = (5,)
    keys = LLAMA | {"block_count": 2, "nextn_predict_layers": 1, "leading_dense_block_count": 1, "expert_count": 5}
    keys |= {"expert_used_count": 2, "expert_shared_count": 1, "expert_feed_forward_length": 3}
    gguf_models.write_shapes(tmp_path / "model.gguf", "glm4moe", tensors, keys)
    checked = check(tmp_path)
    assert checked.verdict is Verdict.EXPLAINED, checked.findings
    assert {finding.cause for finding in checked.findings} == {Cause.MTP_LAYER}


def test_a_biased_llama(tmp_path: Path) -> None:
    biases = {f"blk.0.attn_{part}.bias": (4,) for part in ("q", "k", "v", "output")}
    mlp = {"blk.0.ffn_gate.bias": (6,), "blk.0.ffn_up.bias": (6,), "blk.0.ffn_down.bias": (4,)}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES | biases | mlp, LLAMA)
    assert check(tmp_path).verdict is Verdict.EXACT


def test_a_bias_that_a_layer_lacks_is_missed(tmp_path: Path) -> None:
    biases = {f"blk.0.attn_{part}.bias": (4,) for part in ("q", "k", "v")}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES | biases, LLAMA)
    (finding,) = check(tmp_path).findings
    assert (finding.slot, finding.explained) == ("attention.o.bias", False)


def test_rotary_factors_are_no_parameters_and_said(tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", {"rope_freqs.weight": (1,)} | LLAMA_SHAPES, LLAMA)
    assert check(tmp_path).verdict is Verdict.EXACT
    assert "not counted: rope_freqs.weight, 1 elements" in read(tmp_path).note


def test_a_tensor_that_no_table_knows_is_shown(tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES | {"blk.0.{}.weight": (7,)}, LLAMA)
    (finding,) = check(tmp_path).findings
    assert (finding.slot, finding.elements, finding.explained) == ("blk.0.{}.weight", 7, False)


def test_a_name_with_the_marks_of_a_table_is_not_in_the_table(tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES | {"blk.{}.attn_q.weight": (4, 4)}, LLAMA)
    assert "blk.{}.attn_q.weight" in shapes(read(tmp_path).tensors)


def test_a_key_that_no_table_knows_is_shown(tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES, LLAMA | {"wings": 2})
    assert check(tmp_path).unread == ("gguf.wings",)


def test_two_keys_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    keys = LLAMA | {"attention.key_length": 2, "attention.value_length": 3}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES, keys)
    with pytest.raises(FormatError, match=r"attention\.value_length is 3 and head_dim 2; expected one value"):
        read(tmp_path)


def test_a_number_for_each_layer_is_one_number_where_they_are_equal(tmp_path: Path) -> None:
    keys = LLAMA | {"attention.head_count_kv": [2, 2], "feed_forward_length": [6]}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES, keys)
    assert check(tmp_path).verdict is Verdict.EXACT


def test_layers_that_differ_are_refused(tmp_path: Path) -> None:
    keys = LLAMA | {"attention.head_count_kv": [1, 2]}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES, keys)
    with pytest.raises(FormatError, match=r"attention\.head_count_kv is \[1, 2\]; expected one value for all layers"):
        read(tmp_path)


def test_an_unknown_architecture_is_named_with_the_known_ones(tmp_path: Path) -> None:
    gguf_models.write_shapes(tmp_path / "model.gguf", "clip", {"v.patch_embd.weight": (4, 4)}, {})
    with pytest.raises(
        UnknownArchitectureError, match=r"general\.architecture is 'clip'.*expected one of baichuan, bloom, "
    ):
        read(tmp_path)


def test_the_vocabulary_is_that_of_the_embedding_where_nothing_else_tells(tmp_path: Path) -> None:
    keys = {key: value for key, value in LLAMA.items() if key != "vocab_size"}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", LLAMA_SHAPES, keys)
    assert check(tmp_path).verdict is Verdict.EXACT
    assert read(tmp_path).note.endswith("no metadata for the vocabulary: its size is that of the embedding itself")


def test_quantised_blocks_keep_their_type_their_shape_and_their_bytes(tmp_path: Path) -> None:
    wide = {name: tuple(256 if axis == 4 else axis for axis in shape) for name, shape in LLAMA_SHAPES.items()}
    types = {
        "token_embd.weight": GGMLQuantizationType.Q6_K,
        "blk.0.attn_q.weight": GGMLQuantizationType.Q4_K,
        "blk.0.attn_k.weight": GGMLQuantizationType.IQ2_XXS,
        "output.weight": GGMLQuantizationType.BF16,
    }
    keys = LLAMA | {"embedding_length": 256}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", wide, keys, dtypes=types)
    checked = check(tmp_path)
    assert checked.verdict is Verdict.EXACT
    assert checked.measured is not None
    others = 256 * (2 * 256 + 3 * 6 + 3) * 4
    assert checked.measured.bits == 8 * (5 * 210 + 256 * 144 + 256 * 66 + 5 * 256 * 2 + others)
    by_name = {tensor.name: tensor.dtype.name for tensor in read(tmp_path).tensors}
    assert by_name["model.layers.0.self_attn.q_proj.weight"] == "Q4_K"


def test_the_copy_of_a_tied_head_is_explained(tmp_path: Path) -> None:
    """The converter wrote one for GPT-2 until 2024."""
    keys = {"block_count": 1, "embedding_length": 4, "attention.head_count": 2, "vocab_size": 5, "context_length": 7}
    linear: Shapes = {"attn_qkv": (12, 4), "attn_output": (4, 4), "ffn_up": (16, 4), "ffn_down": (4, 16)}
    layer = {f"blk.0.{name}.weight": shape for name, shape in linear.items()}
    layer |= {f"blk.0.{name}.bias": shape[:1] for name, shape in linear.items()}
    norms = {
        f"{name}.{end}": (4,)
        for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
        for end in ("weight", "bias")
    }
    outside = {"token_embd.weight": (5, 4), "position_embd.weight": (7, 4), "output.weight": (5, 4)}
    gguf_models.write_shapes(tmp_path / "model.gguf", "gpt2", layer | norms | outside, keys)
    checked = check(tmp_path)
    assert checked.verdict is Verdict.EXPLAINED
    assert [(finding.cause, finding.elements) for finding in checked.findings] == [(Cause.TIED_HEAD_STORED, 20)]


@pytest.mark.parametrize(
    ("architecture", "packed"), [("baichuan", "self_attn.W_pack"), ("internlm2", "attention.wqkv")]
)
def test_queries_keys_and_values_are_put_together_again(architecture: str, packed: str, tmp_path: Path) -> None:
    types = {"blk.0.attn_q.weight": GGMLQuantizationType.F16}
    gguf_models.write_shapes(tmp_path / "model.gguf", architecture, LLAMA_SHAPES, LLAMA, dtypes=types)
    checked = check(tmp_path)
    assert (checked.verdict, checked.findings) == (Verdict.EXACT, ())
    whole = next(tensor for tensor in read(tmp_path).tensors if packed in tensor.name)
    assert (whole.name, whole.shape) == (f"model.layers.0.{packed}.weight", (12, 4))
    assert (whole.dtype.name, whole.bits) == ("F16+F32", 16 * 16 + 32 * 32)


def test_parts_that_do_not_fit_together_stay_apart(tmp_path: Path) -> None:
    broken = LLAMA_SHAPES | {"blk.0.attn_q.weight": (4, 5)}
    gguf_models.write_shapes(tmp_path / "model.gguf", "baichuan", broken, LLAMA)
    assert {"blk.0.attn_q.weight", "blk.0.attn_k.weight"} <= shapes(read(tmp_path).tensors).keys()
    gguf_models.write_shapes(
        tmp_path / "model.gguf",
        "baichuan",
        {name: shape for name, shape in LLAMA_SHAPES.items() if name != "blk.0.attn_k.weight"},
        LLAMA,
    )
    assert check(tmp_path).verdict is Verdict.UNEXPLAINED


def test_experts_one_by_one_as_in_the_first_mixtrals(tmp_path: Path) -> None:
    mlp = {f"blk.0.ffn_{part}.weight" for part in ("gate", "up", "down")}
    experts = {
        f"blk.0.ffn_{part}.{index}.weight": (4, 6) if part == "down" else (6, 4)
        for part in ("gate", "up", "down")
        for index in range(3)
    }
    others = {name: shape for name, shape in LLAMA_SHAPES.items() if name not in mlp}
    tensors = others | experts | {"blk.0.ffn_gate_inp.weight": (3, 4)}
    keys = LLAMA | {"expert_count": 3, "expert_used_count": 2}
    gguf_models.write_shapes(tmp_path / "model.gguf", "llama", tensors, keys)
    checked = check(tmp_path)
    assert (checked.verdict, checked.family) == (Verdict.EXACT, "mixtral")


@pytest.mark.parametrize(
    ("norms", "groups"), [(("attn_norm", "attn_norm_2"), 2), (("attn_norm",), 2), (("attn_norm",), 1)]
)
def test_the_three_falcons(norms: tuple[str, ...], groups: int, tmp_path: Path) -> None:
    """40B has two norms and several key/value heads, Falcon 2 one and several, 7B one and one."""
    keys = LLAMA | {"attention.head_count_kv": groups, "feed_forward_length": 16}
    linear: Shapes = {
        "attn_qkv": (4 + 2 * groups * 2, 4),
        "attn_output": (4, 4),
        "ffn_up": (16, 4),
        "ffn_down": (4, 16),
    }
    tensors = {f"blk.0.{name}.weight": shape for name, shape in linear.items()}
    tensors |= {f"blk.0.{name}.{end}": (4,) for name in norms for end in ("weight", "bias")}
    tensors |= {"token_embd.weight": (5, 4), "output_norm.weight": (4,), "output_norm.bias": (4,)}
    gguf_models.write_shapes(tmp_path / "model.gguf", "falcon", tensors, keys)
    assert (check(tmp_path).verdict, check(tmp_path).findings) == (Verdict.EXACT, ())


def test_latent_attention_as_it_was_before_april_2025(tmp_path: Path) -> None:
    """The expansion in one tensor, and the sizes of a head under the usual keys."""
    keys = LLAMA | {
        "attention.kv_lora_rank": 3,
        "attention.key_length": 5 + 2,
        "attention.value_length": 7,
        "rope.dimension_count": 2,
        "leading_dense_block_count": 1,
        "expert_count": 4,
        "expert_used_count": 2,
        "expert_shared_count": 1,
        "expert_feed_forward_length": 9,
    }
    attention: Shapes = {"blk.0.attn_q.weight": (2 * 7, 4), "blk.0.attn_output.weight": (4, 2 * 7)}
    attention |= {"blk.0.attn_kv_a_mqa.weight": (3 + 2, 4), "blk.0.attn_kv_a_norm.weight": (3,)}
    attention |= {"blk.0.attn_kv_b.weight": (2 * (5 + 7), 3)}
    others = {
        name: shape
        for name, shape in LLAMA_SHAPES.items()
        if name not in {"blk.0.attn_k.weight", "blk.0.attn_v.weight"}
    }
    gguf_models.write_shapes(tmp_path / "model.gguf", "deepseek2", others | attention, keys)
    checked = check(tmp_path)
    assert (checked.verdict, checked.findings, checked.unread) == (Verdict.EXACT, (), ())
