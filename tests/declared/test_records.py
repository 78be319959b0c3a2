"""Every shipped record whose family exists: each number and each name is explained."""

import pytest

from verify import architectures
from verify.config import Config
from verify.declared import judge as judging
from verify.declared import names as naming
from verify.errors import UnknownArchitectureError
from verify.evidence import recorded
from verify.evidence.base import Declared, DeclaredKind
from verify.evidence.packing import scheme
from verify.roles import Cause

#: The models that must be tested; each family among them must exist.
PROMISED = frozenset(
    {
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
    }
)

#: Recorded numbers that nothing gives yet, and why.
OPEN = {
    # GPTQ packs eight weights into an I32 and stores scales and zero points: no formula for these yet.
    "CesarChaMal/Wizard-Vicuna-30B-Uncensored-GPTQ": {DeclaredKind.FILE_BYTES: 16_940_128_464},
}


def recorded_families() -> tuple[list[str], set[str]]:
    """The records whose family exists, and the families that are still missing."""
    there, missing = [], set()
    for model in recorded.known():
        model_type = str(recorded.read(model).config["model_type"])
        try:
            architectures.find(model_type)
        except UnknownArchitectureError:
            missing.add(model_type)
        else:
            there.append(model)
    return there, missing


TESTED, MISSING = recorded_families()


class TestRecords:
    """Every shipped record of a family that exists."""

    def test_all_promised_models_are_tested(self) -> None:
        assert set(TESTED) >= PROMISED
        assert not MISSING & {"llama", "mistral", "gpt2", "bert", "mixtral", "qwen3", "deepseek_v3"}

    @pytest.mark.parametrize("model", TESTED)
    def test_every_number_and_name_is_explained(self, model: str) -> None:
        evidence = recorded.read(model)
        family = architectures.find(str(evidence.config["model_type"]))
        formula = architectures.predict(family, Config(evidence.config))
        present = (
            naming.stored(formula, family.NAMES, evidence.names, scheme(evidence.config)) if evidence.names else None
        )
        checks = judging.judge(formula, evidence.declared, names_present=present, config=evidence.config)
        open_cases = {check.declared.kind: check.declared.value for check in checks if not check.explained}
        assert open_cases == OPEN.get(model, {})
        if evidence.names:
            differences = naming.names_differences(formula, family.NAMES, evidence.names, scheme(evidence.config))
            assert not differences

    @pytest.mark.parametrize(
        ("model", "elements"),
        [
            ("meta-llama/Llama-2-7b-hf", {(Cause.STORED_BUFFER, 32 * 64)}),
            ("meta-llama/Llama-2-13b-hf", {(Cause.STORED_BUFFER, 40 * 64)}),
            ("meta-llama/Llama-2-70b-hf", {(Cause.STORED_BUFFER, 80 * 64)}),
            ("openai-community/gpt2", {(Cause.STORED_BUFFER, 12 * 1024**2)}),
            ("sentence-transformers/all-MiniLM-L6-v2", {(Cause.STORED_BUFFER, 512)}),
            ("Qwen/Qwen3-0.6B", {(Cause.TIED_HEAD_STORED, 751_632_384 - 596_049_920)}),
            ("mistralai/Mistral-7B-v0.1", set()),
            ("mistralai/Mixtral-8x7B-v0.1", set()),
            (
                "deepseek-ai/DeepSeek-V3",
                {
                    (Cause.MTP_LAYER, 13_463_426_304),
                    (Cause.SCALES, 41_540_496 - 702_264),
                    (Cause.SCALES, 702_264),
                    (Cause.DECLARED, 0),
                },
            ),
        ],
    )
    def test_the_causes_are_those_worked_out_by_hand(self, model: str, elements: set[tuple[Cause, int]]) -> None:
        evidence = recorded.read(model)
        family = architectures.find(str(evidence.config["model_type"]))
        formula = architectures.predict(family, Config(evidence.config))
        present = (
            naming.stored(formula, family.NAMES, evidence.names, scheme(evidence.config)) if evidence.names else None
        )
        found = judging.findings(formula, evidence.declared, names_present=present, config=evidence.config)
        assert {(each.cause, each.elements) for each in found} == elements
        assert all(each.explained for each in found)

    @pytest.mark.parametrize("model", sorted(PROMISED))
    @pytest.mark.parametrize("shift", [-1, 1])
    def test_a_recorded_total_off_by_one_is_found_out(self, model: str, shift: int) -> None:
        evidence = recorded.read(model)
        family = architectures.find(str(evidence.config["model_type"]))
        formula = architectures.predict(family, Config(evidence.config))
        kinds = {DeclaredKind.HUB_TOTAL, DeclaredKind.INDEX_BYTES, DeclaredKind.PAYLOAD_BYTES}
        shifted = tuple(
            Declared(each.kind, each.value + shift, each.source) for each in evidence.declared if each.kind in kinds
        )
        assert shifted
        checks = judging.judge(formula, shifted, names_present=None, config=evidence.config)
        assert not any(check.explained for check in checks)
