"""The ledger in every format, and the committed one, which must be what the ledger says now."""

import csv
import json
from pathlib import Path

import pytest

from verify.claims import Row, Verdict, ledger
from verify.cli import main
from verify.render.claims import claims_csv, claims_json, claims_markdown, render

ROOT = Path(__file__).parents[2]
KEYS = {"id", "source", "statement", "published", "recomputed", "verdict", "why"}


def test_committed_claims_are_not_stale(tmp_path: Path) -> None:
    assert main(["claims", "--reports", str(tmp_path), "-q"]) == 0
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert sorted(made) == ["claims.csv", "claims.md"]
    stale = [name for name, text in made.items() if (ROOT / "reports" / name).read_text() != text]
    assert stale == [], "run `make reports` and commit what changed"


def test_json_is_a_list_of_rows_with_known_verdicts(rows: dict[str, Row]) -> None:
    found = json.loads(claims_json(list(rows.values())))
    assert [row["id"] for row in found] == [claim.id for claim, _ in ledger()]
    assert all(row.keys() == KEYS for row in found)
    assert {row["verdict"] for row in found} == {str(verdict) for verdict in Verdict}


def test_json_numbers_are_numbers(rows: dict[str, Row]) -> None:
    found = {row["id"]: row["recomputed"] for row in json.loads(claims_json(list(rows.values())))}
    assert found["A.9a"] == 6_573_522_944
    assert found["A.10a"] == [28_000_000_000, 14_000_000_000]
    assert found["D.2a"] == pytest.approx([31.869267, 64.236491, 3.890291], abs=1e-6)
    assert found["D.3"] == "gate_proj"
    assert found["A.12"] is None


def test_csv_has_a_line_for_each_claim(rows: dict[str, Row]) -> None:
    lines = list(csv.DictReader(claims_csv(list(rows.values())).splitlines()))
    assert [line["id"] for line in lines] == list(rows)
    assert {line["id"]: line["deviation"].lstrip("'") for line in lines}["A.9b"] == "-2.8 %"


def test_markdown_has_a_table_row_for_each_claim(rows: dict[str, Row]) -> None:
    text = claims_markdown(list(rows.values()))
    assert all(f"\n| {name} | " in text for name in rows)
    assert f"{len(rows)} claims: " in text
    columns = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(columns) == 1


def test_the_terminal_shows_what_was_published_and_what_is_right(rows: dict[str, Row]) -> None:
    text = render([rows["D.3"]], "table", width=100, color=False)
    assert "D.3  false" in text
    assert "published up_proj, recomputed gate_proj" in text
    assert text.endswith("1 claim: 1 false.\n")


def test_an_unknown_claim_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "A.99"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("verify: error: no claim 'A.99'")
    assert error.count("\n") == 1


def test_one_claim_needs_no_torch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.claims._tiny.find_spec", lambda _: None)
    assert main(["claims", "B.2", "--format", "json"]) == 0
    assert [row["verdict"] for row in json.loads(capsys.readouterr().out)] == ["inconsistent"] * 4
