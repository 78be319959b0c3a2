"""The JSON contract."""

import json
from collections.abc import Callable

import pytest

from verify.architectures import load
from verify.evidence.base import Evidence, Strength
from verify.render import json as render_json
from verify.verification import Verification

CHECK_KEYS = {
    "schema",
    "model",
    "revision",
    "evidence",
    "architecture",
    "formula",
    "expected",
    "measured",
    "difference",
    "ratio",
    "findings",
    "unread_config_keys",
    "unclassified",
    "verdict",
}
FORMULA_KEYS = {
    "schema",
    "model",
    "architecture",
    "model_type",
    "parameters",
    "buffers",
    "by_role",
    "text",
    "latex",
    "terms",
    "unread_config_keys",
}


def test_a_check_has_every_key_of_the_contract(llama_2_7b: Verification) -> None:
    result = json.loads(render_json.render(llama_2_7b))
    assert result.keys() >= CHECK_KEYS
    assert result["schema"] == 1
    assert result["evidence"] == {"kind": "header", "source": "local", "where": "models/llama"}
    assert result["expected"]["parameters"] == 6_738_415_616
    assert result["measured"]["parameters"] == 6_738_415_616
    assert result["measured"]["bytes"] == 13_476_831_232
    assert (result["difference"], result["ratio"], result["verdict"]) == (0, 1.0, "exact")
    assert result["expected"]["by_role"] == result["measured"]["by_role"]
    assert result["measured"]["by_role"] == {
        "embedding": 131_072_000,
        "attention": 2_147_483_648,
        "mlp": 4_328_521_728,
        "norm": 266_240,
        "head": 131_072_000,
    }


def test_elements_are_parameters_and_buffers_and_bookkeeping(tiny: Verification) -> None:
    measured = json.loads(render_json.render(tiny))["measured"]
    assert (measured["parameters"], measured["buffers"], measured["bookkeeping"]) == (1160, 2, 0)
    assert measured["elements"] == 1162
    assert measured["bytes"] == 1160 * 2 + 2 * 4


def test_an_approximation_has_a_ratio_of_six_digits_and_its_parts(approximation: Verification) -> None:
    result = json.loads(render_json.render(approximation))
    assert result["expected"]["parameters"] == 6_573_522_944
    assert result["difference"] == 164_892_672
    assert result["ratio"] == 0.975529
    gaps = {finding["slot"]: finding["elements"] for finding in result["findings"]}
    assert gaps == {"head.lm_head": 131_072_000, "mlp.gate": 33_554_432, "norm.input": 266_240}


def test_what_was_not_measured_is_null(without_tensors: Callable[..., Verification]) -> None:
    result = json.loads(render_json.render(without_tensors()))
    counts = ("parameters", "buffers", "bookkeeping", "elements", "bytes")
    assert [result["measured"][name] for name in counts] == [None] * 5
    assert result["difference"] is None
    assert result["ratio"] is None
    assert result["declared"][0]["value"] == 6_738_417_664
    assert result["declared"][0]["difference"] == 0


def test_findings_carry_cause_elements_and_slot(recorded: Verification) -> None:
    result = json.loads(render_json.render(recorded))
    assert result["findings"] == [
        {
            "cause": "stored buffer",
            "elements": 2048,
            "slot": "position.inv_freq",
            "explained": True,
            "detail": "rotary frequencies",
        }
    ]
    assert result["comparisons"][0]["agree"] is True
    assert result["notes"] == ["gated: no token; compared with the recorded totals"]


def test_hostile_names_come_back_unchanged_and_travel_as_ascii(
    hostile: Verification, hostile_names: tuple[str, ...]
) -> None:
    text = render_json.render(hostile)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    result = json.loads(text)
    assert result["unclassified"] == list(hostile_names)
    assert result["unread_config_keys"] == list(hostile_names)


def test_a_formula_has_every_key_of_the_contract(llama_2_7b: Verification) -> None:
    text = render_json.render_formula(
        llama_2_7b.exact, model="acme/llama", architecture="LlamaForCausalLM", model_type="llama", unread=("odd_key",)
    )
    result = json.loads(text)
    assert result.keys() >= FORMULA_KEYS
    assert (result["parameters"], result["buffers"]) == (6_738_415_616, 0)
    assert sum(result["by_role"].values()) == 6_738_415_616
    assert result["unread_config_keys"] == ["odd_key"]
    terms = {term["slot"]: term for term in result["terms"]}
    assert terms["attention.q"]["count"] == 536_870_912
    assert [axis["size"] for axis in terms["mlp.gate"]["axes"]] == [11008, 4096]
    assert terms["mlp.gate"]["axes"][0]["name"] == "intermediate_size"
    assert terms["mlp.gate"]["layers"]["indices"] == "0-31"
    assert terms["mlp.gate"]["layers"]["count"] == 32
    assert terms["head.lm_head"]["layers"] is None
    assert "copies" not in terms["head.lm_head"]


def test_the_text_of_a_formula_evaluates_to_its_count(llama_2_7b: Verification) -> None:
    result = json.loads(render_json.render_formula(llama_2_7b.exact, model="m", architecture="", model_type="llama"))
    for key, text in (("name", result["text"]), ("letter", result["text_by_letters"])):
        values = {symbol[key]: symbol["value"] for symbol in result["symbols"]}
        assert eval(text, {"__builtins__": {}}, values) == 6_738_415_616  # noqa: S307  text of our own formula


def test_a_breakdown_has_a_row_per_layer_type_or_per_layer(llama_2_7b: Verification) -> None:
    rows = json.loads(render_json.render_breakdown(llama_2_7b))["rows"]
    query = next(row for row in rows if row["layer_type"] == "attention.q")
    assert (query["layer"], query["tensors"], query["measured"], query["share"]) == (None, 32, 536_870_912, 0.079673)
    layered = json.loads(render_json.render_breakdown(llama_2_7b, layers=True))["rows"]
    assert len(layered) == 3 + 32 * 9
    assert [row["layer"] for row in layered[1:10]] == [0] * 9


def test_families_are_listed_with_their_sources() -> None:
    (family,) = json.loads(render_json.render_families([("llama", load("llama"), ["owner/name"])]))["families"]
    assert family["family"] == "llama"
    assert "granite" in family["aliases"]
    assert "arXiv" in family["source"]


def test_an_unchecked_model_has_a_reason() -> None:
    result = json.loads(render_json.render_unchecked("acme/gated", "gated; log in"))
    assert result == {"schema": 1, "model": "acme/gated", "verdict": "unchecked", "reason": "gated; log in"}


@pytest.mark.parametrize("strength", list(Strength))
def test_every_kind_of_evidence_is_named(strength: Strength, without_tensors: Callable[..., Verification]) -> None:
    found = without_tensors(evidence=Evidence("m", strength, "recorded", ""))
    assert json.loads(render_json.render(found))["evidence"]["kind"] == strength
