"""Three differences in `verify check`: formula, implementation and file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import verify
from verify import cli
from verify.architectures._blocks import buffer, linear
from verify.breakdown import Breakdown, expect
from verify.render import json as as_json
from verify.render import markdown, terminal
from verify.render.drawing import drawn
from verify.render.triangulation import draw
from verify.roles import Kind
from verify.symbols import Size
from verify.tensor import DTYPES, Tensor
from verify.triangulate import Line, Sides, Step, Triangulation, rows
from verify.verification import Verdict, Verification

VALUES = {
    "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2, "tie_word_embeddings": False,
}  # fmt: skip
EXPERT = 24 * 16


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixtral")
    transformers.MixtralForCausalLM(transformers.MixtralConfig.from_dict(VALUES)).save_pretrained(folder)
    return folder


def changed(source: Path, folder: Path, tensors: dict[str, torch.Tensor], *without: str) -> Path:
    """A copy of a checkpoint with other tensors."""
    known = load_file(source / "model.safetensors")
    kept = {name: tensor for name, tensor in known.items() if name not in without}
    save_file({**kept, **tensors}, folder / "model.safetensors")
    (folder / "config.json").write_bytes((source / "config.json").read_bytes())
    return folder


def known(found: Verification) -> Triangulation:
    assert found.triangulation is not None
    return found.triangulation


def agreement(found: Verification) -> dict[tuple[str, str], tuple[bool, str]]:
    return {(pair.left, pair.right): (pair.agree, pair.note) for pair in found.comparisons}


def test_three_sides_that_agree(mixtral: Path) -> None:
    found = verify.check(str(mixtral))
    assert found.verdict is Verdict.EXACT
    three = known(found)
    assert [row for row in three.rows if row.differ] == []
    assert three.total == Sides("all parameters", "parameter", *[found.expected_parameters] * 3)
    merged = [(line.tensors, line.elements, line.why) for line in three.lines if line.step is Step.MERGED]
    assert merged == [
        (2 * 3 * 4, 2 * 3 * 4 * EXPERT, "MergeModulelist, Concatenate"),
        (3 * 4, 3 * 4 * EXPERT, "MergeModulelist"),
    ]
    assert agreement(found)["implementation", "file"] == (True, "")


def test_what_the_implementation_ignores_is_its_own_finding(mixtral: Path, tmp_path: Path) -> None:
    """No Mixtral was stored with rotary frequencies, so its formula has none; the class drops them all the same."""
    name = "model.layers.{}.self_attn.rotary_emb.inv_freq"
    folder = changed(mixtral, tmp_path, {name.format(layer): torch.zeros(2) for layer in range(3)})
    found = verify.check(str(folder))
    assert found.verdict is Verdict.UNEXPLAINED
    three = known(found)
    assert [row for row in three.rows if row.differ] == [Sides("unclassified", "parameter", 0, 0, 6)]
    (ignored,) = (line for line in three.lines if line.step is Step.IGNORED)
    assert (ignored.stored, ignored.difference) == ((name,), 6)
    assert "rotary frequencies, which the class computes" in ignored.why
    assert agreement(found)["implementation", "file"] == (True, "ignored: 3 tensors +6")


def test_what_the_implementation_would_not_load_is_said_and_changes_no_verdict(mixtral: Path, tmp_path: Path) -> None:
    """A router under a name that neither the formula nor the class knows."""
    stored = load_file(mixtral / "model.safetensors")
    old = {name: name.replace("block_sparse_moe.gate", "mlp.router") for name in stored if "gate.weight" in name}
    folder = changed(mixtral, tmp_path, {new: stored[name] for name, new in old.items()}, *old)
    found = verify.check(str(folder))
    assert found.verdict is Verdict.UNEXPLAINED
    three = known(found)
    assert {(line.step, line.tensors, line.difference) for line in three.lines if not line.explained} == {
        (Step.UNEXPECTED, 3, 3 * 4 * 16),
        (Step.MISSING, 3, -3 * 4 * 16),
    }
    agree, note = agreement(found)["implementation", "file"]
    assert (agree, "missing: 3 tensors -192" in note) == (False, True)
    assert cli.main(["check", str(folder), "-q"]) == cli.main(["check", str(folder), "-q", "--evidence", "header"]) == 1


def test_another_version_of_transformers_is_one_note(mixtral: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify.check(str(mixtral))  # the first class that is loaded puts another module in place of `transformers`
    monkeypatch.setattr(sys.modules["transformers"], "__version__", "5.24.0")
    found = verify.check(str(mixtral))
    assert (found.verdict, found.triangulation) == (Verdict.EXACT, None)
    (note,) = (note for note in found.notes if "stored tensors" in note)
    assert "transformers 5.24.0" in note
    assert "5.23" in note
    assert agreement(found)["implementation", "file"][0]
    assert "triangulation" not in json.loads(as_json.render(found))


def test_the_reports(mixtral: Path, tmp_path: Path) -> None:
    folder = changed(mixtral, tmp_path, {"model.strange|name\x1b[31m": torch.zeros(5)})
    found = verify.check(str(folder))
    values = json.loads(as_json.render(found))["triangulation"]
    assert (values["formula"], values["loads"]) == ("mixtral", False)
    assert values["implementation"].endswith("MixtralForCausalLM")
    strange = {
        "layer_type": "unclassified", "kind": "parameter", "formula": 0, "implementation": 0, "file": 5,
        "implementation_minus_formula": 0, "file_minus_implementation": 5, "file_minus_formula": 5,
    }  # fmt: skip
    assert strange in values["rows"]
    assert values["loading"][0] == {
        "step": "not expected", "explained": False, "tensors": 1, "elements": 5, "difference": 5,
        "stored": ["model.strange|name\x1b[31m"], "parameters": ["model.strange|name\x1b[31m"],
        "why": "MixtralForCausalLM has no such parameter or buffer",
    }  # fmt: skip
    assert sum(line["difference"] for line in values["loading"]) == 5
    text = terminal.render(found, width=160, color=False)
    assert "\x1b" not in text
    assert "file - formula  implementation - formula  file - implementation" in text
    assert "NOT EXPECTED" in text
    report = markdown.report(found)
    assert "| `unclassified` | +5 | 0 | +5 |" in report
    assert "| not expected | model.strange\\|name\\\\x1b[31m |" in report.replace("NOT EXPECTED", "not expected")


def test_headers_alone_load_no_torch(mixtral: Path) -> None:
    code = (
        "import sys, verify; found = verify.check(sys.argv[1], evidence='header');"
        "print('torch' in sys.modules, found.triangulation)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(mixtral)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "None"]


def test_rows_by_hand() -> None:
    """A formula without a bias, an implementation with one, a file with scales and a tensor nobody knows."""
    size = Size.of
    formula = Breakdown(expect(linear("attention.q", size(3), size(2))))
    built = Breakdown(
        expect((*linear("attention.q", size(3), size(2), bias=True), buffer("router.correction", size(7))))
    )
    strange = Tensor("x", DTYPES["F32"], (11,))
    stored = Breakdown(formula.cells, (strange,))
    found = {row.layer_type: row for row in rows(formula, built, stored)}
    assert found["attention.q"] == Sides("attention.q", "parameter", 6, 6, 6)
    assert found["attention.q.bias"] == Sides("attention.q.bias", "parameter", 0, 3, 0)
    assert found["router.correction"] == Sides("router.correction", "buffer", 0, 7, 0)
    assert found["unclassified"] == Sides("unclassified", "parameter", 0, 0, 11)
    bias = found["attention.q.bias"]
    assert (bias.built, bias.loaded, bias.stored) == (3, -3, 0)
    three = Triangulation("f", "t", tuple(found.values()), (Line(Step.MISSING, 1, 3, -3), Line(Step.TAKEN, 1, 6, 0)))
    assert three.total == Sides("all parameters", str(Kind.PARAMETER), 6, 9, 17)
    assert (three.loads, three.note) == (False, "missing: 1 tensors -3")


def test_long_lists_are_cut_on_a_terminal_and_end_with_the_total(mixtral: Path) -> None:
    found = known(verify.check(str(mixtral)))
    many = tuple(Sides(f"attention.{number}", "parameter", 1, 1, 2) for number in range(30))
    lines = tuple(Line(Step.UNEXPECTED, 1, 1, 1, (f"a{number}",)) for number in range(30))
    text = drawn(lambda console: draw(console, Triangulation("f", found.where, many, lines)), 120, color=False)
    assert "and 11 more; --format json has them all" in text
    assert text.count("attention.") == 19
    assert "all parameters" in text
