"""What the ledger must hold, and the famous verdicts, from arithmetic written out here."""

import re
from fractions import Fraction
from importlib import import_module
from types import ModuleType

import pytest

import verify.claims
from verify.claims import Row, Verdict, judged, ledger, sources
from verify.claims._facts import declared
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
    assert [round(float(share) * 100, 1) for share in map(Fraction, rows["D.2b"].values)] == [30.7, 61.8, 7.5]
    assert [round(float(share) * 100, 1) for share in map(Fraction, rows["D.2a"].values)] == [31.9, 64.2, 3.9]
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


def test_what_calculators_give_is_what_was_measured_of_them(rows: dict[str, Row]) -> None:
    """Ratios of their numbers to the truth, as measured by running them."""
    measured = {"LLMANALYSIS": (0.9929, 0.7664, 0.1523, 0.0441), "ACCELERATE": (1.0, 0.9805, 0.9346)}
    for key, ratios in measured.items():
        for place, ratio in enumerate(ratios, 1):
            deviation = rows[f"{key}.{place}"].deviation
            assert deviation is not None
            assert float(1 + deviation) == pytest.approx(ratio, abs=6e-5)


def test_what_the_files_of_llama_hold_is_recorded() -> None:
    assert declared("huggyllama/llama-7b", DeclaredKind.FILE_BYTES) == 13_476_961_836


def test_without_torch_only_what_must_run_is_not_checkable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.claims._tiny.find_spec", lambda _: None)
    found = {row.claim.id: row for row in judged(["D.3", "A.1", "C.9"])}
    missing = {name for name, row in found.items() if row.why == "Torch is not installed."}
    assert missing == {"D.3", "A.1b", "C.9a", "C.9b", "C.9d", "C.9g"}
    assert all(found[name].verdict is Verdict.NOT_CHECKABLE for name in missing)
    assert found["A.1a"].verdict is Verdict.HOLDS


def test_the_package_registers_nothing_by_hand() -> None:
    assert not set(sources()) & set(dir(verify.claims)) - {module.__name__.rpartition(".")[2] for module in MODULES}
