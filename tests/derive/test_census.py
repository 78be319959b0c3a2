"""The census: one row a class, whatever becomes of it, and a file that an interrupted run goes on from."""

import os
import signal
import time
from pathlib import Path

import pytest

from verify.derive import census
from verify.derive.building import classes
from verify.derive.census import Row

ROWS = (
    Row("llama", "causal", "LlamaForCausalLM", "exact", 20, 1, 0.25, 0.5),
    Row("opt", "causal", "OPTForCausalLM", "piecewise", 20, 2, 0.75, 1.5),
    Row("odd", "causal", "Odd", "failed", cause="a cause, with a comma\nand a line", seconds=9.5),
    Row("gemma3n", "causal", "Gemma3n", "unbuildable", cause="needs timm"),
    Row("t5", "seq2seq", "T5ForConditionalGeneration", "unconfirmed", 3, 1, 0.5, 2.5, "d_kv", "why"),
)


@pytest.fixture(autouse=True)
def unwarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported beforehand."""
    monkeypatch.setattr(census, "warm", lambda: None)


def test_rows_come_back_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "census.csv"
    assert census.load(path) == {}
    census.save(path, ROWS)
    assert set(census.load(path).values()) == set(ROWS)
    assert [each.name for each in path.parent.iterdir()] == ["census.csv"]
    assert path.read_text().splitlines()[0].startswith("type,kind,class_name,result,configurations,regions,")


def test_a_summary_counts_what_can_be_built() -> None:
    lines = census.summary(ROWS).splitlines()
    # Two of three that can be built are right; medians of 0.0, 0.25, 0.75 and of 0.5, 1.5, 9.5.
    assert lines[2] == "| causal | 3 | 1 | 1 | 0 | 1 | 1 | 66.7 % | 0.25 s | 1.50 s |"
    assert lines[3] == "| seq2seq | 1 | 0 | 0 | 1 | 0 | 0 | 0.0 % | 0.50 s | 2.50 s |"
    assert lines[4].startswith("| all | 4 | 1 | 1 | 1 | 1 | 1 | 50.0 % |")


def test_each_type_has_a_row_for_each_kind_of_text_model_else_one() -> None:
    subjects = census.subjects()
    assert len(set(subjects)) == len(subjects)
    assert {name for name, _ in subjects} == set(classes.types(""))
    assert [kind for name, kind in subjects if name == "bart"] == ["causal", "seq2seq", "masked"]
    assert [kind for name, kind in subjects if name == "clip"] == ["multimodal"]
    assert census.subjects(["causal"], ["bart", "clip"]) == (("bart", "causal"),)
    assert {name for name, kind in subjects if kind == "causal"} == set(classes.types("causal"))


def test_whatever_happens_to_a_child_it_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, kind: str) -> Row:
        if name == "slow":
            time.sleep(60)
        if name == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "raises":
            raise RuntimeError("two\nlines")
        if name == "long":
            raise RuntimeError("x" * 10**6)
        return Row(name, kind, "Class", "exact", 20, 1)

    monkeypatch.setattr(census, "row", row)
    names = ("good", "slow", "dies", "raises", "long", "last")
    rows = {each.type: each for each in census.run([(name, "base") for name in names], seconds=2)}
    assert set(rows) == set(names)
    assert rows["good"] == rows["last"].__class__("good", "base", "Class", "exact", 20, 1)
    assert rows["slow"].cause == "not done after 2 s"
    assert rows["dies"].cause.startswith("ended with status ")
    assert rows["raises"].cause == "RuntimeError: two lines"
    assert len(rows["long"].cause) <= 300
    assert {each.result for each in rows.values()} == {"exact", "failed"}


def test_a_run_goes_on_where_it_stopped_and_repeats_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "census.csv"
    monkeypatch.setattr(census, "subjects", lambda *_: (("a", "base"), ("b", "base")))
    monkeypatch.setattr(census, "row", lambda name, kind: Row(name, kind, "New", "exact", 20, 1))
    census.save(path, [Row("a", "base", "Old", "failed")])
    assert census.main(["-o", str(path)]) == 0
    assert {each.type: each.class_name for each in census.load(path).values()} == {"a": "Old", "b": "New"}
    assert census.main(["-o", str(path), "--types", "a,b"]) == 0
    assert {each.class_name for each in census.load(path).values()} == {"New"}
    assert "| all | 2 | 2 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "kind", "result", "cause"),
    [
        ("llama", "causal", "exact", ""),
        ("sam_mask_decoder", "base", "unbuildable", "has no class"),
        ("gemma4_assistant", "causal", "unbuildable", "rejects the configuration"),
    ],
)
def test_the_row_of_a_type(name: str, kind: str, result: str, cause: str) -> None:
    found = census.row(name, kind)
    assert (found.type, found.kind, found.result) == (name, kind, result)
    assert cause in found.cause
    assert (found.configurations >= 20) is (result == "exact")
