"""A formula in a Python file of the user."""

import sys
from pathlib import Path

import pytest

from verify.config import Config
from verify.errors import ExpressionError
from verify.published import Stated, read_slot
from verify.published._user_file import load
from verify.roles import Role, Slot

VALUES: dict[str, object] = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "vocab_size": 100,
    "rope_theta": 1.5,
    "flag": True,
    "nothing": None,
    "architectures": ["LlamaForCausalLM"],
    "text_config": {"hidden_size": 4, "unused": 1},
}


def run(folder: Path, source: str, config: Config | None = None) -> Stated:
    path = folder / "mine.py"
    path.write_text(source)
    return load(path, config or Config(VALUES))


def refused(folder: Path, source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        run(folder, source)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(folder / "mine.py"), "mine.py")


def returning(result: str) -> str:
    return f"def formula(config):\n    return {result}\n"


def test_a_number_is_a_total(tmp_path: Path) -> None:
    stated = run(tmp_path, returning("config['vocab_size'] * config['hidden_size']"))
    assert stated.total == 800
    assert stated.by_role == {}
    assert stated.by_slot == {}
    assert (stated.name, stated.source) == ("mine.py", str(tmp_path / "mine.py"))
    assert stated.text == stated.latex == "800"


def test_a_mapping_states_roles(tmp_path: Path) -> None:
    stated = run(tmp_path, returning("{'mlp': 3, 'embedding': 2, 'head': 0}"))
    assert stated.total == 5
    assert stated.by_role == {Role.EMBEDDING: 2, Role.MLP: 3, Role.HEAD: 0}
    assert stated.by_slot == {}


def test_a_mapping_states_slots(tmp_path: Path) -> None:
    stated = run(tmp_path, returning("{'mlp.gate': 3, 'mlp.up.bias': 4, 'encoder.attention.q': 2, 'norm': 1}"))
    assert stated.total == 10
    assert stated.by_role == {Role.ATTENTION: 2, Role.MLP: 7, Role.NORM: 1}
    assert stated.by_slot == {"mlp.gate": 3, "mlp.up.bias": 4, "encoder.attention.q": 2}


def test_a_formula_states_everything(tmp_path: Path) -> None:
    stated = run(
        tmp_path,
        """
from verify.formula import Formula, Layers, Term
from verify.names import slot
from verify.roles import Kind
from verify.symbols import Size

def formula(config):
    hidden = Size.symbol("hidden_size", config["hidden_size"])
    layers = Layers.every(Size.symbol("num_hidden_layers", config["num_hidden_layers"]))
    terms = (
        Term(slot("norm.input"), (hidden,), layers),
        Term(slot("norm.final"), (hidden,)),
        Term(slot("attention.q"), (hidden, hidden), layers),
        Term(slot("position.inv_freq", kind=Kind.BUFFER), (hidden,)),
    )
    return Formula("mine", "my own", terms)
""",
    )
    # Two layers of 8 + 64, and 8.
    assert stated.total == 152
    assert stated.by_role == {Role.ATTENTION: 128, Role.NORM: 24}
    assert stated.by_slot == {"norm.input": 16, "norm.final": 8, "attention.q": 128}
    assert (stated.name, stated.source) == ("mine", "my own")
    assert stated.text == "num_hidden_layers*(hidden_size**2 + hidden_size) + hidden_size"
    assert stated.latex == r"L\left(h^{2} + h\right) + h"
    assert stated.formula is not None


def test_the_config_is_a_plain_mapping(tmp_path: Path) -> None:
    stated = run(
        tmp_path,
        """
def formula(config):
    assert list(config)[0] == "hidden_size" and len(config) == 8
    assert config["rope_theta"] == 1.5 and config["flag"] is True and config["nothing"] is None
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config.get("absent", 7) == 7 and "absent" not in config and "vocab_size" in config
    assert "hidden_size" in repr(config)
    return config["text_config"]["hidden_size"]
""",
    )
    assert stated.total == 4


def test_the_config_remembers_what_the_file_read(tmp_path: Path) -> None:
    config = Config(VALUES)
    run(tmp_path, returning("config['hidden_size'] + config['text_config']['hidden_size']"), config)
    assert config.unread() == ("flag", "num_hidden_layers", "text_config.unused", "vocab_size")


@pytest.mark.parametrize("statement", ["config['hidden_size'] = 1", "config['text_config']['hidden_size'] = 1"])
def test_the_config_cannot_be_written(tmp_path: Path, statement: str) -> None:
    message = refused(tmp_path, f"def formula(config):\n    {statement}\n")
    assert message.startswith("mine.py:2: TypeError: ")


def test_lists_are_copies(tmp_path: Path) -> None:
    config = Config(VALUES)
    run(tmp_path, "def formula(config):\n    config['architectures'].clear()\n    return 1\n", config)
    assert config.architecture == "LlamaForCausalLM"


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ("1.0", "formula(config) is 1.0; expected a whole number, a mapping of them, or a Formula; divide with //"),
        ("True", "formula(config) is True; expected a whole number"),
        ("None", "formula(config) is None; expected a whole number"),
        ("'12*h'", "formula(config) is '12*h'; expected a whole number"),
        ("-1", "formula(config) is negative"),
        ("0", "formula(config) comes to 0; expected at least 1 parameter"),
        ("2**128", "formula(config) is above 2**127"),
        ("{}", "formula(config) comes to 0"),
        ("{'mlp': 0}", "formula(config) comes to 0"),
        ("{'mlp': 1.5}", "mlp is 1.5; expected a whole number; divide with // instead of /"),
        ("{'mlp': True}", "mlp is True; expected a whole number"),
        ("{'mlp': -3, 'head': 9}", "mlp is negative"),
        ("{'atention': 3}", "'atention' is no role or slot; expected one of embedding, position"),
        ("{'atention': 3}", "did you mean attention?"),
        ("{'mlp.': 3}", "'mlp.' is no role or slot"),
        ("{'': 3}", "'' is no role or slot"),
        ("{'encoder.': 3}", "'encoder.' is no role or slot"),
        ("{'encoder.mlp': 3}", "'encoder.mlp' is no role or slot"),
        ("{'.mlp.gate': 3}", "'.mlp.gate' is no role or slot"),
        ("{3: 3}", "3 is no role or slot"),
        ("{'mlp': 3, 'mlp.gate': 1}", "mlp and mlp.gate at once; expected a role or its slots"),
        ("[1, 2]", "formula(config) is [1, 2]; expected a whole number"),
    ],
)
def test_what_is_no_count_is_refused(tmp_path: Path, result: str, found: str) -> None:
    message = refused(tmp_path, returning(result))
    assert message.startswith("mine.py: ")
    assert found in message


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n", "mine.py: no function formula; expected def formula(config); add it"),
        ("formula = 12\n", "mine.py: no function formula"),
        ("def formula(config):\n    x = 1\n    return x // 0\n", "mine.py:3: ZeroDivisionError: "),
        ("def formula(config):\n    return config['absent']\n", "mine.py:2: KeyError: 'absent'"),
        ("\nraise RuntimeError('two\\nlines')\n", "mine.py:2: RuntimeError: two lines"),
        ("import no_such_module_at_all\n", "mine.py:1: ModuleNotFoundError: "),
        ("def formula(config)\n    return 1\n", "mine.py:1: SyntaxError: "),
        ("def formula(config):\n    exit(3)\n", "mine.py:2: SystemExit: 3"),
        ("def formula(config):\n    return formula(config)\n", "mine.py:2: RecursionError: "),
        ("def formula():\n    return 1\n", "mine.py: TypeError: "),
        ("def formula(config):\n    return [][0]\n", "mine.py:2: IndexError: "),
        (
            "from verify.formula import Formula\ndef formula(config):\n    return Formula('a', 'b', (1,))\n",
            "mine.py: AttributeError: ",
        ),
    ],
)
def test_a_file_that_fails_is_one_line_with_its_place(tmp_path: Path, source: str, found: str) -> None:
    assert found in refused(tmp_path, source)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExpressionError, match="SyntaxError"):
        load(path, Config(VALUES))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ExpressionError, match="no file "):
        load(tmp_path, Config(VALUES))


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    path_before, modules_before = list(sys.path), set(sys.modules)
    run(tmp_path, returning("1"))
    refused(tmp_path, "raise ValueError\n")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]
    assert sys.path == path_before
    assert set(sys.modules) == modules_before


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert run(tmp_path, returning("1")).total == 1
    assert run(tmp_path, returning("2")).total == 2


def test_a_dataclass_in_the_file_works(tmp_path: Path) -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass(slots=True)
class Part:
    size: int

def formula(config):
    return Part(5).size
"""
    assert run(tmp_path, source).total == 5


def test_what_the_file_prints_stays_off_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "print('top')\ndef formula(config):\n    print('inside')\n    return 1\n")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "top\ninside\n"


def test_slots_are_read_from_their_text() -> None:
    for slot in (
        Slot(Role.MLP, "gate"),
        Slot(Role.MLP, "up.bias"),
        Slot(Role.ATTENTION, "norm"),
        Slot(Role.ATTENTION, "q", stack="encoder"),
    ):
        assert read_slot(str(slot)) == slot
    assert read_slot("mlp") == Slot(Role.MLP, "")
