"""Whatever is wrong with a checkpoint, the command says so in one line, with exit code 2 or 3, and writes nothing."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from fuzz.safetensors_cases import ours
from fuzz.safetensors_draw import case, file
from hostile.test_malformed_json import CONFIGS, INDEXES, PATHS
from hostile.test_malformed_safetensors import MALFORMED
from hub import shapes

from verify import cli

CONFIG = shapes.TINY_LLAMA
HEADER = file("{}")
DEEP = "[" * 100_000

#: What config.json holds beside what is right.
WRONG_CONFIGS: dict[str, str] = {
    "number of 4000 digits": f'{{"model_type": "llama", "hidden_size": {"9" * 4000}}}',
    "NaN": '{"model_type": "llama", "hidden_size": NaN}',
    "infinity": '{"model_type": "llama", "num_hidden_layers": Infinity}',
    "float": '{"model_type": "llama", "hidden_size": 1e3}',
    "a billion layers": json.dumps({**CONFIG, "num_hidden_layers": 10**9}),
    "no such model": '{"model_type": "\\u001b[31mnone\\u202e"}',
    "model_type is a list": '{"model_type": ["llama"]}',
    "model_type of a megabyte": f'{{"model_type": "{"x" * 1_000_000}"}}',
    "architectures is a number": json.dumps({**CONFIG, "architectures": 1}),
    "no such class": json.dumps({**CONFIG, "architectures": ["\x1b[2J\n" * 10]}),
    "class of a megabyte": json.dumps({**CONFIG, "architectures": ["x" * 1_000_000]}),
    "negative": json.dumps({**CONFIG, "vocab_size": -1}),
    "flag": json.dumps({**CONFIG, "vocab_size": True}),
    "quantisation is a list": json.dumps({**CONFIG, "quantization_config": [1]}),
    "unknown quantisation": json.dumps({**CONFIG, "quantization_config": {"quant_method": "\x1b]0;x\x07\r\n"}}),
    "blocks of nothing": json.dumps(
        {**CONFIG, "quantization_config": {"quant_method": "fp8", "weight_block_size": [0, 0]}}
    ),
    "only a brace": "{",
    "deep": f'{{"a": {DEEP}',
}


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> str:
    """What `check` says of a folder; all that it may say is one line."""
    before = {path.relative_to(folder.parent) for path in folder.parent.rglob("*")}
    reports, result = folder.parent / "reports", folder.parent / "result"
    code = cli.main(
        ["check", str(folder), "--evidence", "header", "--reports", str(reports), "-o", str(result), *options]
    )
    out, err = capsys.readouterr()
    assert code in {2, 3}
    assert out == ""
    assert err.endswith("\n")
    line = err[:-1]
    assert line.startswith("verify: error: ")
    assert line.isprintable()
    assert len(line) < 3000
    assert "Traceback" not in line
    assert {path.relative_to(folder.parent) for path in folder.parent.rglob("*")} == before
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with nothing wrong but that it has no tensors."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "m" / "model.safetensors").write_bytes(HEADER)
    return tmp_path / "m"


def test_malformed_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for malformed in MALFORMED:
        (folder / "model.safetensors").write_bytes(malformed.data)
        assert "model.safetensors: " in refused(capsys, folder)


def test_fuzzed_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(3)  # noqa: S311 - to be repeated, not to be secret
    wrong = [data for _ in range(500) if ours(data := case(draw)) is None]
    assert len(wrong) > 100
    for data in wrong:
        (folder / "model.safetensors").write_bytes(data)
        refused(capsys, folder)


@pytest.mark.parametrize("rule", INDEXES)
def test_malformed_index(rule: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_bytes(INDEXES[rule][0])
    refused(capsys, folder)


@pytest.mark.parametrize("name", [*PATHS, "../../etc/passwd", "/dev/stdin", "\\\\server\\share", "a" * 100_000])
def test_index_that_leads_elsewhere(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a\x1b[31m": name}}))
    refused(capsys, folder)


@pytest.mark.parametrize("rule", CONFIGS)
def test_malformed_config(rule: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.json").write_bytes(CONFIGS[rule][0])
    assert "config.json" in refused(capsys, folder)


@pytest.mark.parametrize("rule", WRONG_CONFIGS)
def test_config_of_nothing_that_exists(rule: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.json").write_text(WRONG_CONFIGS[rule])
    refused(capsys, folder)


def test_config_that_is_longer_than_any(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "config.json").open("r+b") as stream:
        stream.truncate(2**40)
    assert "config.json: 1099511627776 bytes; expected at most " in refused(capsys, folder)


def test_index_that_is_longer_than_any(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "model.safetensors.index.json").open("wb") as stream:
        stream.truncate(2**40)
    assert "index.json: 1099511627776 bytes; expected at most " in refused(capsys, folder)


VALUES: Mapping[str, object] = {
    "null": None,
    "number": 7,
    "huge": 2**62,
    "negative": -1,
    "float": 0.5,
    "text": "\x1b[31m\n",
    "list": [[]],
    "object": {"\x1b": 1},
    "flag": True,
}


@pytest.mark.parametrize("key", [*CONFIG, "head_dim", "quantization_config", "rope_scaling", "torch_dtype", "auto_map"])
@pytest.mark.parametrize("value", VALUES)
def test_any_value_of_any_key_makes_a_report_or_one_line(
    key: str, value: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {**CONFIG, key: VALUES[value]}
    shapes.write_repository(folder, config, shapes.llama(CONFIG))
    code = cli.main(["check", str(folder), "--evidence", "header", "--format", "json"])
    out, err = capsys.readouterr()
    assert code in {0, 1, 3}
    verdicts = {0: {"exact", "explained"}, 1: {"unexplained"}, 3: {"unchecked"}}
    assert json.loads(out)["verdict"] in verdicts[code]
    assert err.count("\n") == (code == 3)
    assert err.rstrip("\n").isprintable()
