"""What stands after --formula: a published name, a file, or an expression."""

from pathlib import Path

import pytest

from verify.config import Config
from verify.errors import ExpressionError
from verify.published import resolve
from verify.roles import Role


def config() -> Config:
    return Config({"hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 32000, "num_attention_heads": 32})


def test_a_published_name_states_roles_and_cites() -> None:
    stated = resolve("12Lh²+Vh", config())
    assert stated.name == "12Lh^2+Vh"
    assert stated.total == 6_573_522_944
    assert stated.by_role == {
        Role.EMBEDDING: 131_072_000,
        Role.ATTENTION: 2_147_483_648,
        Role.MLP: 4_294_967_296,
    }
    assert "Chief AI Sharing Circle" in stated.source
    assert stated.text == "12*hidden_size**2*num_hidden_layers + hidden_size*vocab_size"
    assert stated.latex == "12 h^{2} L + h V"
    assert stated.by_slot == {}
    assert stated.formula is None


def test_the_text_of_a_published_formula_is_an_expression_of_the_same_total() -> None:
    stated = resolve("L(12h²+4h)+Vh+2h", config())
    assert resolve(stated.text, config()).total == stated.total


def test_an_expression_states_a_total() -> None:
    stated = resolve(" 12*L*h**2 +  2*V*h ", config())
    assert stated.total == 6_442_450_944 + 2 * 131_072_000
    assert stated.name == "12*L*h**2 + 2*V*h"
    assert stated.by_role == {}
    assert stated.latex == "12 h^{2} L + 2 h V"


def test_a_path_that_ends_in_py_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def formula(config):\n    return config['hidden_size']\n")
    assert resolve(str(path), config()).total == 4096


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"no file nowhere\.py; expected a Python file"):
        resolve("nowhere.py", config())


@pytest.mark.parametrize(
    ("typo", "suggestion"),
    [
        ("12Lh^2+Vhh", "known formulas: 12Lh^2+Vh"),
        ("L(12h^2+14h)+Vh", "L(12h^2+13h)+Vh"),
        ("lama", "known formulas: llama"),
        ("12*L*hidden_sise**2", "did you mean hidden_size"),
        ("12*L*h**2 + W*h", "unknown name W"),
    ],
)
def test_a_typo_brings_suggestions(typo: str, suggestion: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        resolve(typo, config(), others=("llama", "gpt2"))
    assert suggestion in str(caught.value)
    assert "\n" not in str(caught.value)
