"""Published formulas come to the numbers that their sources give."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules

import pytest

import verify.published
from verify.config import Config
from verify.errors import ExpressionError
from verify.published import Published, evaluate, find, names, resolve
from verify.roles import Role

LLAMA_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}
#: The worked example of article B.
EXAMPLE = {"d_model": 768, "n_layers": 12, "vocab_size": 50_000, "d_ff": 3072}


def published(name: str) -> Published:
    found = find(name)
    assert found is not None
    return found


def values(name: str, config: Mapping[str, object]) -> dict[Role, int]:
    return {role: size.value for role, size in evaluate(published(name), Config(config)).items()}


def test_these_are_known() -> None:
    assert names() == (
        "12Lh^2",
        "12Lh^2+Vh",
        "L(12h^2+13h)+Vh",
        "L(12h^2+4h)+Vh+2h",
        "L(4h^2+2hf+5h+f)+Vh",
    )


SOURCES = [module.name for module in iter_modules(verify.published.__path__) if not module.name.startswith("_")]


@pytest.mark.parametrize("module", SOURCES)
def test_each_module_is_one_source_with_its_formulas(module: str) -> None:
    source = import_module(f"verify.published.{module}")
    assert source.FORMULAS
    for formula in source.FORMULAS:
        assert formula.source is source.SOURCE
        assert all(find(name) is formula for name in (formula.name, *formula.aliases))


@pytest.mark.parametrize("name", names())
def test_each_cites_its_source_and_says_what_it_assumes(name: str) -> None:
    formula = published(name)
    assert formula.name == name
    assert formula.source.title
    assert formula.source.author
    assert formula.section in formula.citation
    assert formula.assumptions.endswith(".")


@pytest.mark.parametrize(
    ("name", "symbolic"),
    [
        # What each source states, multiplied out by hand; positive integers at which no two of them agree.
        ("12Lh^2+Vh", lambda h, layers, v, f: 12 * layers * h * h + v * h),  # noqa: ARG005 (one signature for all)
        ("12Lh^2", lambda h, layers, v, f: 12 * layers * h * h),  # noqa: ARG005 (one signature for all)
        ("L(12h^2+13h)+Vh", lambda h, layers, v, f: layers * (12 * h * h + 13 * h) + v * h),  # noqa: ARG005 (the same)
        ("L(12h^2+4h)+Vh+2h", lambda h, layers, v, f: layers * (12 * h * h + 4 * h) + v * h + 2 * h),  # noqa: ARG005 (the same)
        (
            "L(4h^2+2hf+5h+f)+Vh",
            lambda h, layers, v, f: layers * (4 * h * h + (2 * h * f + h + f) + 2 * 2 * h) + v * h,
        ),
    ],
)
def test_the_parts_sum_to_the_formula(name: str, symbolic: Callable[[int, int, int, int], int]) -> None:
    config = {"hidden_size": 7, "num_hidden_layers": 3, "vocab_size": 11, "intermediate_size": 13}
    assert sum(values(name, config).values()) == symbolic(7, 3, 11, 13)


def test_the_simplified_total_of_llama_7b() -> None:
    assert values("12Lh^2+Vh", LLAMA_7B) == {
        Role.EMBEDDING: 131_072_000,  # 32000 x 4096
        Role.ATTENTION: 2_147_483_648,  # 4 x 32 x 4096^2 = 128 x 16,777,216
        Role.MLP: 4_294_967_296,  # twice that
    }


@pytest.mark.parametrize(
    ("hidden", "layers", "expected"),
    # The table of article C: LLaMA 7B, 13B, 33B, 65B.
    [(4096, 32, 6_442_450_944), (5120, 40, 12_582_912_000), (6656, 60, 31_897_681_920), (8192, 80, 64_424_509_440)],
)
def test_the_table_of_llama_models(hidden: int, layers: int, expected: int) -> None:
    config = {"hidden_size": hidden, "num_hidden_layers": layers}
    assert sum(values("12Lh^2", config).values()) == expected


def test_the_worked_example_with_d_ff_as_corrected() -> None:
    assert values("L(4h^2+2hf+5h+f)+Vh", EXAMPLE) == {
        Role.EMBEDDING: 38_400_000,  # 50,000 x 768
        Role.ATTENTION: 12 * 2_359_296,  # 4 x 768^2
        Role.MLP: 12 * 4_722_432,  # 2 x 768 x 3072 + 768 + 3072
        Role.NORM: 12 * 3_072,  # 2 x 2 x 768
    }
    assert resolve("L(4h^2+2hf+5h+f)+Vh", Config(dict(EXAMPLE))).total == 123_417_600


def test_the_layer_with_biases_by_role() -> None:
    # GPT-2: h = 768, L = 12, so 12 x (4 x 589,824 + 4 x 768), 12 x (8 x 589,824 + 5 x 768), 12 x 4 x 768.
    config = {"n_embd": 768, "n_layer": 12, "vocab_size": 50257}
    assert values("L(12h^2+13h)+Vh", config) == {
        Role.EMBEDDING: 38_597_376,
        Role.ATTENTION: 28_348_416,
        Role.MLP: 56_669_184,
        Role.NORM: 36_864,
    }
    assert values("L(12h^2+4h)+Vh+2h", config)[Role.NORM] == 25 * 2 * 768


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("12Lh²+Vh", "12Lh^2+Vh"),
        ("12Lh² + Vh", "12Lh^2+Vh"),
        ("12Lh**2+Vh", "12Lh^2+Vh"),
        ("12*L*h**2 + V*h", "12Lh^2+Vh"),
        (" 12 L h^2 ", "12Lh^2"),
        ("12·L·h²", "12Lh^2"),
        ("L(12h²+13h)+Vh", "L(12h^2+13h)+Vh"),
        ("L*(12*h**2 + 13*h) + V*h", "L(12h^2+13h)+Vh"),
        ("L(12h²+4h)+Vh+2h", "L(12h^2+4h)+Vh+2h"),
        ("L(4h²+2hf+h+f+4h)+Vh", "L(4h^2+2hf+5h+f)+Vh"),
        ("N(4d² + 2·d·d_ff + d + d_ff + 4d) + Vd", "L(4h^2+2hf+5h+f)+Vh"),
    ],
)
def test_names_are_found_as_people_write_them(written: str, name: str) -> None:
    assert published(written).name == name


@pytest.mark.parametrize("written", ["", "1*2*L*h**2", "1 2Lh^2", "12lh^2", "12Lh2", "12Lh^3", "Vh+12Lh^2", "llama"])
def test_nothing_else_is_found(written: str) -> None:
    assert find(written) is None


def test_a_hyperparameter_that_config_lacks_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"V means vocab_size, which config.json does not have"):
        evaluate(published("12Lh^2+Vh"), Config({"hidden_size": 8, "num_hidden_layers": 2}))
