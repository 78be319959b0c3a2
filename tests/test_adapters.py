"""Adapters that PEFT saved, from the command line: what adapter_config.json predicts is what the file holds."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import IA3Config, LoHaConfig, LoraConfig, PeftConfig, PromptTuningConfig
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PEFT_DEFAULTS
from peft_adapters import HIDDEN, INNER, LAYERS, NARROW, VOCAB, Saved, save

import verify
from verify import architectures
from verify.adapters.targets import DEFAULTS
from verify.cli import main
from verify.errors import UsageError
from verify.roles import Cause
from verify.verification import Verdict

CAUSAL: dict[str, Any] = {"task_type": "CAUSAL_LM", "r": 2}


def lora(**keys: Any) -> LoraConfig:
    return LoraConfig(**{**CAUSAL, **keys})


def checked(saved: Saved, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["check", str(saved.folder), "--format", "json", *options])
    out, err = capsys.readouterr()
    assert err == ""
    return code, json.loads(out)


#: What PEFT saves, by a name: the model, the adapter, and what differs in the model.
CASES: dict[str, tuple[str, PeftConfig, dict[str, Any]]] = {
    "usual targets": ("Llama", LoraConfig(r=2), {}),
    "usual targets of gpt2, fused and turned": ("GPT2", lora(fan_in_fan_out=True), {}),
    "usual targets of bert": ("Bert", LoraConfig(r=2), {}),
    "usual targets of t5": ("T5", LoraConfig(r=2, task_type="SEQ_2_SEQ_LM"), {}),
    "usual targets of gemma2": ("Gemma2", lora(), {}),
    "all linear layers": ("Llama", lora(target_modules="all-linear"), {}),
    "all linear layers of gpt2": ("GPT2", lora(target_modules="all-linear", use_dora=True), {}),
    "all linear layers of t5": ("T5", LoraConfig(r=2, target_modules="all-linear", modules_to_save=["shared"]), {}),
    "a pattern": ("Llama", lora(target_modules=r"^model\.layers\.\d+\.(?:self_attn|mlp)\.(?:q|up)_proj$"), {}),
    "a pattern that excludes": ("Llama", lora(target_modules=r"^model(?!.*(lm_head|embed)).*_proj"), {}),
    "what is excluded": ("Llama", lora(target_modules="all-linear", exclude_modules=["o_proj"]), {}),
    "a pattern of what is excluded": ("Llama", lora(target_modules=["q_proj"], exclude_modules=r".*\.1\..*"), {}),
    "some layers": ("Llama", lora(layers_to_transform=[0, 2]), {}),
    "one layer of a list": ("Llama", lora(layers_to_transform=1, layers_pattern="layers"), {}),
    "ranks by name": ("Llama", lora(rank_pattern={"model.layers.0.self_attn.q_proj": 5, "v_proj": 3}), {}),
    "ranks by pattern": ("Llama", lora(rank_pattern={r"^model\.layers\.[12]\..*": 7, "v_proj": 3}), {}),
    "magnitudes and all biases": ("Llama", lora(use_dora=True, bias="all"), {"attention_bias": True}),
    "biases of what is adapted": ("Llama", lora(bias="lora_only"), {"attention_bias": True}),
    "biases of the adapter": ("Llama", lora(lora_bias=True), {}),
    "all biases of bert": ("Bert", LoraConfig(r=2, bias="all"), {}),
    "a classifier and all biases": (
        "Bert", LoraConfig(r=2, bias="all", task_type="SEQ_CLS"), {"head": "ForSequenceClassification"}
    ),
    "a classifier": ("Llama", LoraConfig(r=2, task_type="SEQ_CLS"), {"head": "ForSequenceClassification"}),
    "a bare model": ("Llama", LoraConfig(r=2, task_type="FEATURE_EXTRACTION"), {"head": "Model"}),
    "modules saved whole": ("Llama", lora(modules_to_save=["lm_head", "embed_tokens", "norm"]), {}),
    "a tied head saved whole": ("Llama", lora(modules_to_save=["lm_head"]), {"tie_word_embeddings": True}),
    "a block saved whole": ("Llama", lora(target_modules="all-linear", modules_to_save=["mlp"]), {}),
    "embedding and head": ("Llama", lora(target_modules=["embed_tokens", "q_proj", "lm_head"]), {}),
    "embedding by pattern": ("Llama", lora(target_modules=r".*(embed_tokens|q_proj)", use_dora=True), {}),
    "a tied head": ("Llama", lora(target_modules=["lm_head", "q_proj"]), {"tie_word_embeddings": True}),
    "embedding of gpt2": ("GPT2", lora(target_modules=["wte", "c_proj"]), {}),
    "some tokens": ("Llama", lora(trainable_token_indices=[1, 2, 3]), {}),
    "some tokens of both": ("Llama", lora(trainable_token_indices={"embed_tokens": [1, 2], "lm_head": [3]}), {}),
    "attention of experts": ("Mixtral", lora(target_modules=["q_proj", "o_proj"]), {}),
    "stacks of experts": ("Mixtral", lora(target_modules=["w1", "w2", "w3", "q_proj"]), {}),
    "a stack of experts": ("Mixtral", lora(target_modules=["q_proj"], target_parameters=["experts.down_proj"]), {}),
    "experts and routers": ("Mixtral", lora(target_modules="all-linear"), {}),
    "factors": ("Llama", IA3Config(task_type="CAUSAL_LM"), {}),
    "factors of gpt2": ("GPT2", IA3Config(task_type="CAUSAL_LM"), {}),
    "Hadamard products": (
        "Llama", LoHaConfig(r=3, target_modules=["q_proj", "down_proj"], rank_pattern={"q_proj": 5}), {}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_peft_saves_is_what_is_predicted(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, adapter, keys = CASES[name]
    saved = save(tmp_path, model, adapter, **keys)
    code, result = checked(saved, capsys, "--strict")
    assert (code, result["verdict"]) == (0, "exact")
    assert result["expected"]["parameters"] == result["measured"]["parameters"] == saved.stored
    assert result["unread_config_keys"] == []


@pytest.mark.parametrize(
    ("model", "adapter", "elements"),
    [
        ("Llama", lora(), LAYERS * 2 * ((HIDDEN + HIDDEN) + (HIDDEN + NARROW))),
        ("GPT2", lora(r=5), LAYERS * 5 * (HIDDEN + 3 * HIDDEN)),
        (
            "Llama",
            lora(target_modules=["down_proj"], rank_pattern={"layers.1.mlp.down_proj": 7}),
            11 * (INNER + HIDDEN),
        ),
        ("Llama", lora(modules_to_save=["lm_head"], target_modules=["q_proj"]), VOCAB * HIDDEN + LAYERS * 4 * HIDDEN),
    ],
)
def test_rank_times_in_and_out(model: str, adapter: LoraConfig, elements: int, tmp_path: Path) -> None:
    saved = save(tmp_path, model, adapter)
    found = verify.check(saved.folder)
    assert found.verdict is Verdict.EXACT
    assert found.expected_parameters == elements == saved.trained


def test_default_targets_are_those_of_peft() -> None:
    known = set(architectures.known())
    theirs = {name: tuple(found) for name, found in PEFT_DEFAULTS.items() if name in known}
    assert dict(DEFAULTS) == theirs


def test_targets_that_are_not_named_are_those_of_peft(tmp_path: Path) -> None:
    saved = save(tmp_path, "Llama", lora())
    saved.configure(target_modules=None)
    assert verify.check(saved.folder).verdict is Verdict.EXACT


def test_torch_files_are_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora(), saving={"safe_serialization": False})
    assert not list(saved.folder.glob("*.safetensors"))
    code, result = checked(saved, capsys, "--strict")
    assert (code, result["measured"]["parameters"]) == (0, saved.trained)


def test_breakdown_and_notes_say_what_is_trained(tmp_path: Path) -> None:
    found = verify.check(save(tmp_path, "Llama", lora()).folder)
    rows = {row.layer_type: (row.tensors, row.expected, row.measured) for row in found.rows()}
    assert rows == {
        "attention.q.lora_A": (LAYERS, LAYERS * 2 * HIDDEN, LAYERS * 2 * HIDDEN),
        "attention.q.lora_B": (LAYERS, LAYERS * 2 * HIDDEN, LAYERS * 2 * HIDDEN),
        "attention.v.lora_A": (LAYERS, LAYERS * 2 * HIDDEN, LAYERS * 2 * HIDDEN),
        "attention.v.lora_B": (LAYERS, LAYERS * 2 * NARROW, LAYERS * 2 * NARROW),
    }
    assert len(found.rows(layers=True)) == LAYERS * 4
    base = 2 * VOCAB * HIDDEN + LAYERS * (2 * HIDDEN * (HIDDEN + NARROW) + 3 * HIDDEN * INNER + 2 * HIDDEN) + HIDDEN
    trained = LAYERS * 2 * (3 * HIDDEN + NARROW)
    (note,) = found.notes
    assert note.startswith(
        f"LoRA on llama of rank 2: {trained:,} parameters, {100 * trained / base:.4g} % of the {base:,}"
    )
    assert str(tmp_path / "base") in note
    assert {str(term.slot): [axis.text() for axis in term.axes] for term in found.exact.terms} == {
        "attention.q.lora_A": ["r", "hidden_size"],
        "attention.q.lora_B": ["head_dim*num_attention_heads", "r"],
        "attention.v.lora_A": ["r", "hidden_size"],
        "attention.v.lora_B": ["head_dim*num_key_value_heads", "r"],
    }


def test_a_matrix_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora())
    tensors = saved.tensors()
    del tensors["base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"]
    saved.store(tensors)
    code, result = checked(saved, capsys)
    (finding,) = result["findings"]
    assert (code, result["verdict"]) == (1, "unexplained")
    assert (finding["cause"], finding["slot"], finding["elements"]) == (
        Cause.MISSING, "attention.v.lora_B", -2 * NARROW,
    )  # fmt: skip


def test_another_rank_than_the_file_has_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora())
    saved.configure(r=4)
    code, result = checked(saved, capsys)
    assert code == 1
    assert {finding["slot"] for finding in result["findings"]} == {
        "attention.q.lora_A", "attention.q.lora_B", "attention.v.lora_A", "attention.v.lora_B",
    }  # fmt: skip
    assert {finding["cause"] for finding in result["findings"]} == {Cause.SHAPE}


def test_another_base_model_is_unexplained(tmp_path: Path) -> None:
    saved = save(tmp_path / "a", "Llama", lora())
    wider = save(tmp_path / "b", "Llama", lora(), hidden_size=2 * HIDDEN)
    found = verify.check(saved.folder, base=str(wider.base))
    assert found.verdict is Verdict.UNEXPLAINED
    assert "attention.q.lora_A" in {finding.slot for finding in found.findings}
    assert verify.check(wider.folder, base=str(wider.base / "config.json")).verdict is Verdict.EXACT


def test_an_adapter_on_what_is_not_targeted_is_named(tmp_path: Path) -> None:
    saved = save(tmp_path, "Llama", lora(target_modules=["q_proj", "k_proj"]))
    saved.configure(target_modules=["q_proj"])
    found = verify.check(saved.folder)
    assert {(finding.cause, finding.slot) for finding in found.findings} == {
        (Cause.EXTRA, "attention.k.lora_A"),
        (Cause.EXTRA, "attention.k.lora_B"),
    }


def test_a_tensor_without_the_prefix_of_peft_is_unclassified(tmp_path: Path) -> None:
    saved = save(tmp_path, "Llama", lora())
    saved.store({**saved.tensors(), "model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(2, HIDDEN)})
    (finding,) = verify.check(saved.folder).findings
    assert finding.cause is Cause.UNCLASSIFIED


def test_embeddings_saved_besides_are_explained(tmp_path: Path) -> None:
    saved = save(tmp_path, "Llama", lora(), saving={"save_embedding_layers": True})
    found = verify.check(saved.folder)
    assert found.verdict is Verdict.EXPLAINED
    assert [(each.cause, each.elements) for each in found.findings] == [(Cause.BASE_STORED, VOCAB * HIDDEN)] * 2


def test_experts_that_the_targets_do_not_reach_are_explained(tmp_path: Path) -> None:
    saved = save(tmp_path, "Qwen2Moe", lora(target_modules=["q_proj", "gate_proj", "up_proj", "down_proj"]))
    found = verify.check(saved.folder)
    assert (found.verdict, [each.cause for each in found.findings]) == (Verdict.EXPLAINED, [Cause.EXPERTS_PLAIN])
    assert found.measured_parameters == saved.trained


def test_experts_one_by_one_are_predicted(tmp_path: Path) -> None:
    """As PEFT saved them while transformers had a module for each."""
    saved = save(tmp_path, "Mixtral", lora(target_modules=["q_proj"]))
    into = {"w1": (HIDDEN, INNER), "w3": (HIDDEN, INNER), "w2": (INNER, HIDDEN)}
    tensors = saved.tensors()
    for layer in range(LAYERS):
        for expert in range(4):
            for name, (from_, to) in into.items():
                module = f"base_model.model.model.layers.{layer}.block_sparse_moe.experts.{expert}.{name}"
                tensors[f"{module}.lora_A.weight"] = torch.zeros(2, from_)
                tensors[f"{module}.lora_B.weight"] = torch.zeros(to, 2)
    saved.store(tensors)
    saved.configure(target_modules=["q_proj", "w1", "w2", "w3"])
    found = verify.check(saved.folder)
    assert found.verdict is Verdict.EXACT
    assert found.measured_parameters == LAYERS * 2 * (2 * HIDDEN + 4 * 3 * (HIDDEN + INNER))


@pytest.mark.parametrize("format_", ["table", "csv", "markdown", "json"])
def test_every_report_shows_an_adapter(format_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora(rank_pattern={"v_proj": 3}))
    reports = tmp_path / "reports"
    assert main(["check", str(saved.folder), "--format", format_, "--reports", str(reports)]) == 0
    out, _ = capsys.readouterr()
    assert "LoRA" in out or format_ == "csv"
    assert len(list(reports.rglob("*.*"))) >= 4


def test_another_kind_of_adapter_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    assert main(["check", str(saved.folder)]) == 3
    _, err = capsys.readouterr()
    assert "peft_type 'PROMPT_TUNING' has no formula" in err
    assert len(err.strip().splitlines()) == 1


def test_layers_without_an_adapter_are_no_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora(layers_to_transform=[0, 2]))
    assert main(["check", "--lint", str(saved.folder)]) == 0
    assert "CLEAN" in capsys.readouterr().out


def test_the_formula_of_an_adapter_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora(target_modules=["q_proj"], layers_to_transform=[0, 2]))
    assert main(["formula", str(saved.folder), "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["parameters"] == 2 * 2 * (HIDDEN + HIDDEN)
    assert [term["layers"]["indices"] for term in result["terms"]] == ["0,2"] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("memory", "--no-measure"), "is an adapter; expected its base model"),
        (("check", "--evidence", "meta"), "is an adapter, and its config alone was asked for"),
        (("check", "--formula", "12Lh^2"), "--formula 12Lh^2 for an adapter"),
    ],
)
def test_what_an_adapter_has_not_is_refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = save(tmp_path, "Llama", lora())
    assert main([*arguments, str(saved.folder)]) == 2
    assert said in capsys.readouterr().err


def test_a_base_model_for_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    saved = save(tmp_path, "Llama", lora())
    with pytest.raises(UsageError, match="which is no adapter"):
        verify.check(saved.base / "config.json", base="owner/name")


def test_weights_of_an_adapter_without_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(tmp_path, "Llama", lora())
    (saved.folder / "adapter_config.json").unlink()
    assert main(["check", str(saved.folder)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "adapter_config.json: no such file" in err
