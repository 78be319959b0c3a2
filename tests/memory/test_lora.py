"""What an adapter adds: its matrices, what is trained, and the operations of a run, equal to what PEFT's model has."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from memory.test_activations import QUIET, TINY
from memory.tiny import without_peak
from memory.truth import BUILT, Values
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PEFT_DEFAULTS

from verify import architectures
from verify.adapters.targets import DEFAULTS
from verify.config import Config
from verify.errors import ConfigError, UsageError
from verify.formula import Formula
from verify.memory import lora, lora_compute, states
from verify.memory.adapters import adapter as measured_adapter
from verify.memory.base import Category, Lora, Mode, Setting
from verify.memory.check import MemoryCheck, check
from verify.memory.measure import measure
from verify.verification import Verdict

STEP = Setting(2, 6, optimizer="sgd")


def expected(values: Values, adapter: Lora) -> Formula:
    family, config = architectures.find(str(values["model_type"])), Config(values)
    return lora.adapter(family.formula(config), family.NAMES, config, adapter)


def operations(values: Values, setting: Setting) -> dict[str, int]:
    known, config = architectures.find(str(values["model_type"])), Config(values)
    work = lora_compute.predict(known.formula(config), known.NAMES, config, setting)
    return {"forward": work.forward.value, "backward": work.backward.value}


def checked(folder: Path, values: Values, setting: Setting, *, run: bool = True) -> MemoryCheck:
    file = folder / "config.json"
    file.write_text(json.dumps(values))
    return check(str(file), setting, measure=run)


def test_default_targets_are_those_of_peft() -> None:
    known = set(architectures.known())
    theirs = {name: tuple(found) for name, found in PEFT_DEFAULTS.items() if name in known}
    assert dict(DEFAULTS) == theirs


@pytest.mark.parametrize("name", [name for name in BUILT if BUILT[name]["model_type"] in DEFAULTS])
def test_default_adapters_have_the_parameters_that_peft_makes(name: str) -> None:
    assert expected(BUILT[name], Lora(3)).count() == measured_adapter(BUILT[name], Lora(3)).trained


@pytest.mark.parametrize(
    ("family", "target", "elements"),
    [
        ("gpt2", "c_attn", 2 * 5 * (24 + 3 * 24)),  # turned and fused
        ("gpt2", "c_proj", 2 * 5 * (24 + 24 + 4 * 24 + 24)),  # of attention and of the MLP
        ("llama", "down_proj", 2 * 5 * (40 + 24)),
        ("deepseek_v3", "kv_b_proj", 2 * 5 * (9 + 6 * (3 + 7))),
        ("bert", "cls.predictions.transform.dense", 5 * (24 + 24)),
    ],
)
def test_rank_times_in_and_out(family: str, target: str, elements: int) -> None:
    found = expected(TINY[family], Lora(5, (target,)))
    assert found.count() == elements == measured_adapter(TINY[family], Lora(5, (target,))).trained
    assert found.total().value == elements


def test_a_fused_module_has_one_adapter_for_all_that_it_computes() -> None:
    a, b = expected(TINY["gpt2"], Lora(5)).terms
    assert (a.shape, b.shape) == ((5, 24), (72, 5))
    assert [axis.text() for axis in b.axes] == ["3*hidden_size", "r"]


@pytest.mark.parametrize(
    ("family", "targets", "optimizer"),
    [("llama", (), "adamw"), ("gpt2", (), "adafactor"), ("deepseek_v3", ("q_a_proj", "o_proj"), "adafactor")],
)
def test_adapters_are_float32_whatever_the_model_is(family: str, targets: tuple[str, ...], optimizer: str) -> None:
    setting = replace(STEP, precision="bf16", optimizer=optimizer, lora=Lora(3, targets))
    known, config = architectures.find(family), Config(TINY[family])
    rows = {
        each.category: each.size.value for each in states.predict(known.formula(config), known.NAMES, config, setting)
    }
    found = without_peak(measure(TINY[family], setting))
    assert rows == {category: count for category, count in found.items() if category is not Category.ACTIVATIONS}
    assert rows[Category.GRADIENTS] == 4 * measured_adapter(TINY[family], Lora(3, targets)).trained


@pytest.mark.parametrize(
    ("family", "targets"), [("llama", ("k_proj", "down_proj")), ("gpt2", ("mlp.c_proj",)), ("bert", ("output.dense",))]
)
def test_checkpointing_computes_the_last_layer_again_for_its_adapter(family: str, targets: tuple[str, ...]) -> None:
    setting = replace(STEP, checkpointing="full", lora=Lora(3, targets))
    values = {**TINY[family], **QUIET.get(family, {})}
    assert operations(values, setting) == measure(values, setting).flops


@pytest.mark.parametrize("name", ["bloom", "gpt_neo", "mpt", "opt+350m", "qwen3", "roberta"])
def test_operations_of_other_families_with_default_adapters(name: str) -> None:
    setting = replace(STEP, lora=Lora(3))
    assert operations(BUILT[name], setting) == measure(BUILT[name], setting).flops


def test_an_adapter_run_is_what_the_formulas_say(tmp_path: Path) -> None:
    found = checked(tmp_path, TINY["llama"], replace(STEP, optimizer="adamw", lora=Lora()))
    assert found.verdict is Verdict.EXACT
    assert {line.verdict for line in (*found.lines[:-1], *found.flops)} == {Verdict.EXACT}
    assert found.published == found.rules == ()  # they speak of runs that train every weight
    assert "r" in found.lines[0].formula
    assert "peft" in found.lines[3].source


def test_a_prefill_with_an_adapter_is_what_the_formulas_say(tmp_path: Path) -> None:
    setting = Setting(2, 6, Mode.INFERENCE, dtype="bfloat16", lora=Lora(3))
    found = checked(tmp_path, TINY["llama"], setting)
    assert found.verdict is Verdict.EXACT
    assert [line.name for line in found.flops] == ["forward"]


def test_what_has_no_formula_is_measured_and_not_judged(tmp_path: Path) -> None:
    found = checked(tmp_path, BUILT["gptj"], replace(STEP, lora=Lora(3)))
    rows = {line.name: line for line in (*found.lines, *found.flops)}
    assert rows["gradients"].verdict is Verdict.EXACT
    for name in ("activations", "forward", "backward"):
        assert rows[name].verdict is Verdict.UNCHECKED
        assert rows[name].measured
        assert "gptj" in rows[name].note
    assert found.verdict is Verdict.UNCHECKED
    assert found.terms == ()


def test_an_adapter_on_an_embedding_is_not_judged(tmp_path: Path) -> None:
    found = checked(tmp_path, TINY["gpt2"], replace(STEP, lora=Lora(3, ("wte",))), run=False)
    names = [line.name for line in (*found.lines, *found.flops) if line.value is None]
    assert names == ["parameters", "gradients", "optimizer state", "activations", "forward", "backward"]
    assert found.lines[0].note == "an adapter on wte, embedding.tokens, has no formula; expected a linear layer"


@pytest.mark.parametrize(
    ("family", "target", "message"),
    [
        ("llama", "norm", "an adapter on norm, norm.final, has no formula"),
        ("gpt2", "lm_head", "an adapter on lm_head, which is the embedding, has no formula"),
        ("mixtral", "w1", "an adapter on w1 of a mixture of experts has no formula"),
        ("deepseek_v3", "shared_experts.up_proj", "an adapter on shared_experts.up_proj of a mixture of experts"),
    ],
)
def test_what_is_no_linear_layer_of_its_own_is_refused(family: str, target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        expected(TINY[family], Lora(8, (target,)))


def test_names_that_no_layer_has_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^no linear layer of llama is named c_attn; expected such as q_proj, k_proj"):
        checked(tmp_path, TINY["llama"], replace(STEP, lora=Lora(8, ("q_proj", "c_attn"))))
    with pytest.raises(UsageError, match=r"^PEFT has no default targets for deepseek_v3; give some"):
        checked(tmp_path, TINY["deepseek_v3"], replace(STEP, lora=Lora()))


def test_operations_of_an_adapter_that_reads_an_encoder_are_refused() -> None:
    values = BUILT["gpt_bigcode+cross"]
    with pytest.raises(ConfigError, match="an adapter on attention to an encoder"):
        operations(values, replace(STEP, lora=Lora()))


def test_without_an_adapter_operations_are_those_of_the_model() -> None:
    found = operations(TINY["llama"], STEP)
    assert found["backward"] == 2 * found["forward"]
