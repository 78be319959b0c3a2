"""A changed formula shows which models moved, and in which slot."""

import json
import subprocess
from pathlib import Path

import pytest
from hub import shapes

from verify.architectures import llama
from verify.cli import main
from verify.config import Config
from verify.formula import Formula
from verify.regress import Move, compare, from_folder


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A repository whose reports say what the formulas say today."""
    config = {**shapes.LLAMA_2_7B, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4,
              "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 128}  # fmt: skip
    shapes.write_repository(tmp_path / "owner" / "small", config, shapes.llama(config))
    (tmp_path / "models.txt").write_text(str(tmp_path / "owner" / "small"))
    sweep(tmp_path, "reports")
    for command in (["init", "-q"], ["add", "reports"], ["commit", "-qm", "reports"]):
        author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *author, "-C", str(tmp_path), *command], check=True)  # noqa: S607 - git of the machine
    return tmp_path


def sweep(folder: Path, reports: str) -> None:
    main(["sweep", str(folder / "models.txt"), "--evidence", "header", "--reports", str(folder / reports), "-q"])


def regress(folder: Path, *more: str) -> int:
    return main(["regress", str(folder / "new"), "--old", str(folder / "reports"), *more])


def test_nothing_moved_is_0(committed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(committed, "new")
    assert regress(committed) == 0
    assert capsys.readouterr().out == "No model moved.\n"


def test_a_changed_formula_is_1_and_names_model_and_slot(
    committed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = llama.formula

    def without_final_norm(config: Config) -> Formula:
        whole = right(config)
        terms = tuple(term for term in whole.terms if str(term.slot) != "norm.final")
        return Formula(whole.name, whole.source, terms, whole.extras)

    monkeypatch.setattr(llama, "formula", without_final_norm)
    sweep(committed, "new")
    assert regress(committed, "--format", "json") == 1
    moves = json.loads(capsys.readouterr().out)["moves"]
    assert [(move["where"], move["before"], move["after"], move["difference"]) for move in moves] == [
        ("verdict", "exact", "unexplained", None),
        ("norm.final", "64", "0", -64),
    ]


def test_an_unknown_revision_is_one_line_and_3(committed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(committed, "new")
    assert regress(committed, "--base", "nowhere") == 3
    err = capsys.readouterr().err
    assert "nowhere" in err
    assert err.count("\n") == 1


def test_a_model_that_is_new_or_gone_has_moved(committed: Path) -> None:
    state = from_folder(committed / "reports")
    fewer = {"index.csv": state["index.csv"].splitlines()[0] + "\n"}
    gone = compare(state, fewer)
    assert gone[0].after == ""
    assert {move.where for move in gone} >= {"verdict", "attention.q"}
    assert Move("m", "w", "5", "").difference == -5
