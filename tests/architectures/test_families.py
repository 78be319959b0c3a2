"""What every family module offers, whichever there are: a new file needs no line here."""

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules

import pytest

from verify import architectures
from verify.config import Config
from verify.errors import ConfigError, VerifyError
from verify.formula import Formula
from verify.names import NameTable
from verify.roles import Cause, Fused, Kind, Slot

Values = dict[str, object]

FAMILIES = sorted(module.name for module in iter_modules(architectures.__path__) if not module.name.startswith("_"))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    family = architectures.load(name)
    assert "arXiv:" in family.SOURCE or "modeling_" in family.SOURCE
    assert isinstance(family.NAMES, NameTable)
    assert all(isinstance(alias, str) and alias not in FAMILIES for alias in family.ALIASES)
    assert (family.__doc__ or "").strip()
    assert architectures.find(name) is family


def test_no_alias_is_claimed_twice() -> None:
    claimed = Counter(alias for name in FAMILIES for alias in architectures.load(name).ALIASES)
    assert [alias for alias, times in claimed.items() if times > 1] == []


def test_every_term_has_a_name_in_the_table(base: Values) -> None:
    family = architectures.find(str(base["model_type"]))
    formula = family.formula(Config(base))
    known: set[Slot] = set()
    for entry in (*family.NAMES.backbone.values(), *family.NAMES.head.values()):
        known |= set(entry.slots if isinstance(entry, Fused) else (entry,))
    terms = (*formula.terms, *(term for extra in formula.extras for term in extra.terms))
    assert {term.slot for term in terms if term.slot.kind is not Kind.BOOKKEEPING} <= known


def test_a_formula_has_one_term_for_each_slot_of_a_layer(described: Values) -> None:
    places = Counter((term.slot, layer) for term in _formula(described).terms for layer in term.indices)
    assert [place for place, times in places.items() if times > 1] == []


def test_polynomial_and_shapes_count_the_same(base: Values) -> None:
    """The symbolic size of each term, and of the whole model, has the value that the shapes have."""
    formula = _formula(base)
    assert all(term.size.value == term.count for term in formula.terms)
    assert formula.total().value == formula.count()


def test_the_text_counts_what_the_shapes_count(described: Values) -> None:
    """Whatever stands in the printed closed form, it evaluates to the count."""
    formula = _formula(described)
    for text in (formula.text(), formula.total().text()):
        for symbol in sorted(formula.symbols, key=lambda symbol: -len(symbol.name)):
            text = text.replace(symbol.name, str(symbol.value))  # noqa: PLW2901 - step by step
        assert eval(compile(ast.parse(text, mode="eval"), "<text>", "eval"), {"__builtins__": {}}) == formula.count()  # noqa: S307 - numbers only
    assert formula.latex()


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_imports_another(name: str) -> None:
    tree = ast.parse(Path(str(inspect.getfile(architectures.load(name).formula))).read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    inside = {module.rpartition(".")[2] for module in imported if module.startswith("verify.architectures.")}
    assert all(module.startswith("_") for module in inside)


def test_more_layers_than_any_model_has_are_refused(tiny: dict[str, Values]) -> None:
    with pytest.raises(ConfigError, match="num_hidden_layers is 1000000000"):
        _formula({**tiny["llama"], "num_hidden_layers": 10**9})


def test_an_unknown_class_is_refused_in_one_line(base: Values) -> None:
    with pytest.raises(ConfigError, match="architectures names LlamaForImageCaptioning") as caught:
        _formula({**base, "architectures": ["LlamaForImageCaptioning"]})
    assert "\n" not in str(caught.value)


def _with_bad_sizes(values: Values) -> Iterator[Values]:
    """Each whole number of a config, and of its sections, in turn as something impossible."""
    for key, value in values.items():
        if isinstance(value, dict) and key.endswith("_config"):
            yield from ({**values, key: section} for section in _with_bad_sizes(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            yield from ({**values, key: bad} for bad in (0, -3, 2.5, "24", True, [24]))


def test_an_impossible_size_is_refused_in_one_line_or_shapes_nothing(described: Values) -> None:
    right = _formula(described).terms
    refused = 0
    for values in _with_bad_sizes(described):
        try:
            terms = _formula(values).terms
        except ConfigError as error:
            assert "\n" not in str(error)  # noqa: PT017 - whether it is raised depends on the key
            refused += 1
        else:
            # Some keys may be 0, as the number of dense layers, or a fraction, as a factor; others shape nothing.
            assert terms == right or {0, 2.5} & _numbers(values)
            assert all(isinstance(term.count, int) and term.count >= 0 for term in terms)
    assert refused >= 10


def _numbers(values: Values) -> set[float]:
    sections = [value for value in values.values() if isinstance(value, dict)]
    numbers = {value for value in values.values() if isinstance(value, int | float) and not isinstance(value, bool)}
    return set(numbers).union(*map(_numbers, sections))


def test_a_missing_size_is_named(described: Values) -> None:
    """Without the sizes that every model has, no formula guesses."""
    for key in ("hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads"):
        if key in described:
            with pytest.raises(ConfigError, match=f"{key} is missing"):
                _formula({name: value for name, value in described.items() if name != key})


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("llama", {"num_attention_heads": 7, "num_key_value_heads": 7}, "hidden_size 24 is not divisible by"),
        ("llama", {"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide"),
        ("qwen3", {"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide"),
        ("mixtral", {"num_attention_heads": 7, "num_key_value_heads": 7}, "hidden_size 24 is not divisible by"),
        ("mixtral", {"num_experts_per_tok": 4}, "num_experts_per_tok 4 is more than num_local_experts 3"),
        ("gpt2", {"n_head": 5}, "hidden_size 24 is not divisible by num_attention_heads 5"),
        ("gpt2", {"hidden_size": 25}, "hidden_size is 25 and n_embd is 24"),
        ("bert", {"num_attention_heads": 5}, "hidden_size 24 is not divisible by num_attention_heads 5"),
        ("bert", {"add_cross_attention": True}, "add_cross_attention is true and is_decoder is false"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type is relative_key"),
        ("deepseek_v3", {"first_k_dense_replace": 4}, "first_k_dense_replace 4 is more than num_hidden_layers 3"),
        ("deepseek_v3", {"num_experts_per_tok": 7}, "num_experts_per_tok 7 is more than n_routed_experts 6"),
        ("deepseek_v3", {"moe_layer_freq": 2}, "moe_layer_freq is 2"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(
    tiny: dict[str, Values], family: str, changes: Values, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _formula({**tiny[family], **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["qwen3", "mixtral"])
def test_missing_key_value_heads_are_refused_where_the_class_has_a_number(tiny: dict[str, Values], family: str) -> None:
    """Null means as many as query heads; a missing key would mean 8 or 32, which no file was made with."""
    values = {**tiny[family], "num_key_value_heads": None}
    assert _formula(values).count() > 0
    del values["num_key_value_heads"]
    with pytest.raises(VerifyError, match="num_key_value_heads is missing"):
        _formula(values)


def test_a_missing_query_rank_is_refused_and_null_means_none(tiny: dict[str, Values]) -> None:
    values = {**tiny["deepseek_v3"], "q_lora_rank": None}
    assert "attention.q" in {str(term.slot) for term in _formula(values).terms}
    del values["q_lora_rank"]
    with pytest.raises(ConfigError, match="q_lora_rank is missing"):
        _formula(values)


def test_deepseek_v3_may_predict_no_further_tokens(tiny: dict[str, Values]) -> None:
    formula = _formula({**tiny["deepseek_v3"], "num_nextn_predict_layers": 0})
    assert Cause.MTP_LAYER not in {extra.cause for extra in formula.extras}


def _formula(values: Values) -> Formula:
    return architectures.find(str(values["model_type"])).formula(Config(values))
