"""What the ledger must hold, and the famous verdicts, from arithmetic written out here."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from types import ModuleType

import pytest

import verify.claims
from verify.claims import Row, Verdict, judged, ledger, sources
from verify.claims._backward import ITEMS
from verify.claims._calculators import MODELS
from verify.claims._facts import declared, exactly, parameters
from verify.claims.llama2_breakdown import LORA_TARGETS
from verify.errors import UsageError
from verify.evidence.base import DeclaredKind

#: Every claim of the four articles that the project started from.
WANTED = [
    f"{article}.{place}" for article, most in (("A", 13), ("B", 9), ("C", 9), ("D", 4)) for place in range(1, most + 1)
]
MODULES = [import_module(f"verify.claims.{name}") for name in sources()]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_module_is_one_source_with_its_claims(module: ModuleType) -> None:
    assert module.CLAIMS
    assert all((module.SOURCE.title, module.SOURCE.author, module.SOURCE.where))
    for claim in module.CLAIMS:
        assert re.fullmatch(rf"{module.SOURCE.key}\.[1-9][0-9]*[a-z]?", claim.id)
        assert claim.statement.endswith(".")
        assert claim.recompute or claim.own or claim.reason
        assert claim.published or claim.reason


def test_ids_are_unique_and_no_two_sources_share_a_key() -> None:
    ids = [claim.id for claim, _ in ledger()]
    assert len(ids) == len(set(ids))
    keys = [module.SOURCE.key for module in MODULES]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("wanted", WANTED)
def test_every_claim_of_the_articles_has_a_row(wanted: str) -> None:
    assert any(re.fullmatch(rf"{re.escape(wanted)}[a-z]?", claim.id) for claim, _ in ledger())


@pytest.mark.parametrize(
    "system",
    ["7B", "13B", "33B", "65B", "Llama-2-7b-chat", "4 bit", "768, N = 12, V = 50,000", "GPT-3 175B", "T5", "GLM",
     "BERT", "4k positions", "Adam in FP32", "Adam in mixed precision", "LoRA", "GPT-4", "Gemini", "Claude 3",
     "double quant"],
)  # fmt: skip
def test_every_system_that_the_articles_name_has_a_row(system: str) -> None:
    assert any(system in claim.statement for claim, _ in ledger())


def test_the_order_is_that_of_the_numbers() -> None:
    ids = [claim.id for claim, _ in ledger()]
    assert ids.index("A.9c") < ids.index("A.10a") < ids.index("A.13") < ids.index("B.1a") < ids.index("D.4a")
    assert ids.index("D.4a") < ids.index("BERT.1") < ids.index("GPT3.9") < ids.index("GPT3.10")


def test_an_id_names_a_row_a_claim_or_a_source() -> None:
    assert [row.claim.id for row in judged(["a.9A"])] == ["A.9a"]
    assert [row.claim.id for row in judged(["A.9", "C.3"])] == ["A.9a", "A.9b", "A.9c", "C.3"]
    assert {row.source.key for row in judged(["bert"])} == {"BERT"}


@pytest.mark.parametrize("wanted", ["A.99", "A.", "", "nothing"])
def test_an_id_that_is_not_there_is_an_error_in_one_line(wanted: str) -> None:
    with pytest.raises(UsageError, match="no claim"):
        judged([wanted])


def test_all_are_judged_and_each_verdict_occurs(rows: dict[str, Row]) -> None:
    assert {row.verdict for row in rows.values()} == set(Verdict)
    for row in rows.values():
        assert row.why.endswith(".")
        assert "\n" not in row.why
        assert bool(row.values) == (row.verdict is not Verdict.NOT_CHECKABLE)


#: Verdict and recomputed numbers, worked out by hand.
_E = 1 * 1024 * 768
EXPECTED = {
    "A.1a": ("holds", 4 * 4096**2),
    "A.1c": ("false", 2 * 8192**2 + 2 * 8192 * 8 * 128),
    "A.2b": ("approximate", 3 * 4096 * 11008),
    "A.3b": ("false", 65 * 4096),
    "A.6b": ("holds", 16_777_216),
    "A.7": ("approximate", 124_439_808),
    "A.9a": ("inconsistent", 6_573_522_944),
    "A.9b": ("approximate", 6_738_415_616),
    "A.9c": ("holds", 6_738_415_616),
    "A.11a": ("holds", 13_476_961_836),
    "A.13": ("false", 10**9),
    "B.1f": ("approximate", 123_417_600 + 12 * 4 * 768 + 2 * 768 + 1024 * 768),
    "B.2a": ("inconsistent", 4_722_432),
    "B.2b": ("inconsistent", 7_084_800),
    "B.2c": ("inconsistent", 85_017_600),
    "B.2d": ("inconsistent", 123_417_600),
    "B.3a": ("inconsistent", 4 * 123_417_600),
    "B.3b": ("inconsistent", 2 * 123_417_600),
    "B.5g": ("approximate", 16 * 124_242_432 + 4 * 148 + 2 * 8 * 1024),
    "B.6a": ("inconsistent", 2 * 4 + 2 + 2 + 2 + 8 + 2),
    "B.9a": ("inconsistent", 12 * 12288**2 + 13 * 12288),
    "B.9b": ("inconsistent", 96 * (12 * 12288**2 + 13 * 12288)),
    "B.9c": ("false", (50257 + 2048) * 12288),
    "B.9d": ("holds", 96 * (12 * 12288**2 + 13 * 12288) + (50257 + 2048) * 12288 + 2 * 12288),
    "C.5a": ("approximate", 124_439_808),
    "C.6b": ("holds", 6_738_415_616),
    "C.6c": ("holds", 13_015_864_320),
    "C.6d": ("holds", 32_528_943_616),
    "C.6e": ("approximate", 65_285_660_672),
    "C.7": ("holds", 174_604_259_328),
    "BLOOM.11": ("inconsistent", 176_247_271_424),
    "DEEPSEEKV3.3": ("holds", 671_026_404_352 - 58 * 248 * 3 * 7168 * 2048 - 129_280 * 7168),
    "POPE.1": ("holds", 2 * 2 * 118 * 48 * 128 * 512 * 2048),
    "ZERO.2": ("approximate", 16 * 1_557_611_200),
    "GPT2.1": ("false", 124_439_808),
    "GPT3.8": ("approximate", 174_604_259_328),
    "GPT3.12": ("inconsistent", 24 * 128),
    "OPT.2": ("false", 331_196_416),
    "MIXTRAL.1": ("holds", 46_702_792_704),
    "MIXTRAL.2": ("holds", 46_702_792_704 - 32 * 6 * 3 * 4096 * 14336),
    "DEEPSEEKV3.1": ("holds", 671_026_404_352),
    "DEEPSEEKV3.2": ("approximate", 671_026_404_352 - 58 * 248 * 3 * 7168 * 2048),
    "HFMEM.1": ("false", 61 * (512 + 64) * 163_840 * 2),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_famous_verdicts(name: str, rows: dict[str, Row]) -> None:
    verdict, value = EXPECTED[name]
    assert (rows[name].verdict, rows[name].values) == (verdict, (value,))


def test_the_table_of_llamas_holds(rows: dict[str, Row]) -> None:
    assert rows["C.6a"].verdict is Verdict.HOLDS
    assert rows["C.6a"].values == (6_442_450_944, 12_582_912_000, 31_897_681_920, 64_424_509_440)


def test_the_shares_of_a_model_loaded_in_four_bit_are_not_those_of_the_model(rows: dict[str, Row]) -> None:
    attention, mlp, tokens, norms = 32 * 4 * 4096**2, 32 * 3 * 4096 * 11008, 2 * 32000 * 4096, 65 * 4096
    packed = attention // 2 + mlp // 2 + tokens + norms
    whole = attention + mlp + tokens + norms
    assert (packed, whole) == (3_500_412_928, 6_738_415_616)
    assert rows["D.2b"].values == tuple(Fraction(part, packed) for part in (attention // 2, mlp // 2, tokens))
    assert rows["D.2a"].values == tuple(Fraction(part, whole) for part in (attention, mlp, tokens))
    assert [round(float(Fraction(share)) * 100, 1) for share in rows["D.2b"].values] == [30.7, 61.8, 7.5]
    assert [round(float(Fraction(share)) * 100, 1) for share in rows["D.2a"].values] == [31.9, 64.2, 3.9]
    assert (rows["D.2a"].verdict, rows["D.2b"].verdict) == (Verdict.FALSE, Verdict.HOLDS)
    assert all(share in rows["D.2a"].why for share in ("30.7", "61.8", "7.5"))


def test_the_two_numbers_for_a_layer_of_gpt3_are_both_said(rows: dict[str, Row]) -> None:
    assert f"{8 * 12288**2 + 8 * 12288 * 49152 + 2 * 12288:,}" in rows["B.9a"].why
    assert "1,812,099,072" in rows["B.9a"].why


def test_a_running_llama_settles_what_goes_through_silu(rows: dict[str, Row]) -> None:
    assert (rows["D.3"].verdict, rows["D.3"].values) == (Verdict.FALSE, ("gate_proj",))


def test_running_models_settle_the_other_behaviours(rows: dict[str, Row]) -> None:
    assert [rows[name].verdict for name in ("A.1b", "A.5c", "C.9a", "C.9b", "C.9d")] == [Verdict.HOLDS] * 5


def test_the_exponent_is_computed(rows: dict[str, Row]) -> None:
    assert float(Fraction(rows["B.8b"].values[0])) == pytest.approx(1.1 ** (1 / 0.07))
    assert "1.931e+14" in rows["B.8a"].why


def test_adam_keeps_sixteen_bytes_a_parameter_and_a_counter_for_each_tensor(rows: dict[str, Row]) -> None:
    count, tensors = 124_242_432, 2 + 12 * 12 + 2
    assert rows["B.5a"].values == (4 * count,)
    assert rows["B.5b"].values == (8 * count + 4 * tensors,)
    for name in ("B.5e", "B.5f"):
        assert rows[name].values == (16 * count + 4 * tensors,)
        assert rows[name].verdict is Verdict.APPROXIMATE


#: Parameters of the models that calculators were tried on, by the implementations on the meta device.
TRUTH = {
    "gpt2": 124_439_808,
    "Llama-2-7b": 6_738_415_616,
    "Llama-3.1-8B": 8_030_261_248,
    "Llama-3.2-1B": 1_235_814_400,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen3-8B": 8_190_735_360,
    "gemma-2-2b": 2_614_341_888,
    "Mixtral-8x7B": 46_702_792_704,
    "DeepSeek-V3": 671_026_404_352,
}
#: What the programs gave when they were run, over the truth; in the order of the models, 0 where one refuses.
RATIOS = {
    "ACCELERATE": (1.0, 0.9805, 0.9346, 1.0, 0.9284, 0.9240, 1.0, 0.9972, 0.9986),
    "LLMANALYSIS": (0.9929, 0.7664, 0.9346, 0.7828, 0.6788, 0.7028, 0.8064, 0.1523, 0.0441),
    "VRAMCALC": (0, 1.0, 1.0, 1.0, 1.0, 0, 1.0, 0, 0),
    "FTUNEAI": (1.2205, 0.9806, 0.9346, 1.0001, 0.9284, 0.9241, 1.0176, 0.1523, 0.0561),
    "RESOURCEPLANNER": (0.6825, 0.9561, 0.8023, 0.6516, 0.5667, 0.8849, 0.6335, 0.1379, 0.0560),
    "GPUESTIMATOR": (1.3030, 0.7859, 0.8663, 1.0768, 0.8313, 0.8894, 1.0848, 0.1321, 0.0455),
    "MEMPLANNER": (0, 0, 0, 0, 0, 0, 0, 0, 1.0),
    "VRAMSCOUT": (1.2204, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0, 0),
}


def test_calculators_were_tried_on_these_models() -> None:
    assert {name: parameters(values) for name, values in MODELS.items()} == TRUTH


@pytest.mark.parametrize("key", RATIOS)
def test_what_a_calculator_gives_is_what_was_measured_of_it(key: str, rows: dict[str, Row]) -> None:
    found = [row for row in rows.values() if row.source.key == key]
    named = {model: ratio for model, ratio in zip(TRUTH, RATIOS[key], strict=True) if ratio}
    assert len(found) == len(named)
    for row, (model, ratio) in zip(found, named.items(), strict=True):
        assert f" {model} " in row.claim.statement
        assert row.values == (TRUTH[model],)
        assert row.deviation is not None
        assert float(1 + row.deviation) == pytest.approx(ratio, abs=6e-5)


@pytest.mark.parametrize("model", ["gpt2", "Llama-3.2-1B", "gemma-2-2b"])
def test_a_model_without_its_head_is_what_accelerate_builds(model: str, rows: dict[str, Row]) -> None:
    import torch
    from transformers import CONFIG_MAPPING, AutoModel

    values = dict(MODELS[model])
    settings = CONFIG_MAPPING[str(values["model_type"])].from_dict(values)
    with torch.device("meta"):
        built = AutoModel.from_config(settings)
    row = next(row for row in rows.values() if row.source.key == "ACCELERATE" and f" {model} " in row.claim.statement)
    assert row.claim.published == (exactly(sum(each.numel() for each in built.parameters())),)


def test_the_default_targets_of_lora_are_those_of_peft() -> None:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as DEFAULTS

    assert {name: set(slots) for name, slots in LORA_TARGETS.items()} == {
        name: set(DEFAULTS[name]) for name in LORA_TARGETS
    }


def test_peft_itself_says_where_lora_goes(rows: dict[str, Row]) -> None:
    assert rows["D.4a"].verdict is Verdict.HOLDS
    # Two layers of two matrices of 32 x 32, each with two of rank 8.
    assert f"trains {2 * 2 * 8 * (32 + 32):,} parameters" in rows["D.4a"].why
    assert f"{32 * 2 * 8 * (4096 + 4096):,} of 6,738,415,616" in rows["D.4a"].why


def test_single_layers_keep_what_they_need(rows: dict[str, Row]) -> None:
    e, tokens = 8 * 768, 8
    expected = {
        "B.6c": Fraction(4 * e + 2 * 4 * tokens, e),  # its input, and mean and deviation of each token
        "B.6d": Fraction(2),
        "B.6e": Fraction(4 * 12),
        "B.6f": Fraction(2),
        "B.6g": Fraction(2),
        "B.6h": Fraction(2 * 4),
        "B.6i": Fraction(2 * 4),
        "B.6j": Fraction(4 * tokens * 50_000 + 8 * tokens + 4, tokens * 50_000),  # and labels, and how many count
    }
    assert {name: Fraction(rows[name].values[0]) for name in expected} == expected
    assert sum(2 * item.bytes if item.layer == "norm" else item.bytes for item in ITEMS if item.unit == "E") == 24


def test_operations_of_a_step_are_exactly_those_of_korthikanti(rows: dict[str, Row]) -> None:
    layers = 12 * (2 * 12 * 768**2 + 4 * 1024 * 768)
    assert rows["KORTHIKANTI.4"].verdict is Verdict.HOLDS
    assert rows["KORTHIKANTI.4"].values == (3 * 1024 * (layers + 2 * 768 * 50_000),)


def test_what_remains_of_a_forward_pass_is_the_masked_half(rows: dict[str, Row]) -> None:
    weights, half = 1024 * 2 * 12 * 12 * 768**2, 2 * 12 * 768 * 1024**2
    assert rows["KAPLAN.2"].values == (weights + 2 * half,)
    assert rows["KAPLAN.2"].why.endswith(f"without it, it is {weights + half:,}.")
    assert rows["KAPLAN.2"].published == f"{weights + half:,} operations"
    assert rows["KAPLAN.3"].values == (3 * (weights + 2 * half),)


def test_what_remains_of_a_layer_beyond_34sbh_is_named(rows: dict[str, Row]) -> None:
    sbh, ass = 1024 * 768, 12 * 1024**2
    assert rows["KORTHIKANTI.5"].values == (36 * sbh + 6 * ass + 2 * 2 * 2 * 1024,)


def test_what_the_files_of_llama_hold_is_recorded() -> None:
    assert declared("huggyllama/llama-7b", DeclaredKind.FILE_BYTES) == 13_476_961_836


#: Runs `verify claims` as where torch and what rests on it are not installed.
_WITHOUT = """
import importlib.util, sys
find = importlib.util.find_spec
gone = {"torch", "transformers", "accelerate", "peft"}
importlib.util.find_spec = lambda name, package=None: None if name in gone else find(name, package)
sys.modules.update(dict.fromkeys(gone))  # an import of one fails
from verify.cli import main
sys.exit(main(["claims", "--format", "json"]))
"""


def test_without_torch_what_must_run_is_not_checkable_and_the_rest_is_judged(rows: dict[str, Row]) -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = {row["id"]: row for row in json.loads(done.stdout)}
    assert found.keys() == rows.keys()
    missing = {name for name, row in found.items() if "not installed" in row["why"]}
    assert {"A.1b", "A.5c", "B.4a", "B.6b", "B.6c", "B.7", "C.9a", "D.3", "D.4a", "PALM.4", "ZERO.3"} <= missing
    assert {found[name]["verdict"] for name in missing} == {"not checkable"}
    others = found.keys() - missing
    assert {name: found[name]["verdict"] for name in others} == {name: str(rows[name].verdict) for name in others}
    assert all("measured" not in rows[name].why.lower() for name in others)


def test_the_package_registers_nothing_by_hand() -> None:
    assert not set(sources()) & set(dir(verify.claims)) - {module.__name__.rpartition(".")[2] for module in MODULES}
