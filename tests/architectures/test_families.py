"""What every family module offers, whichever there are: a new file needs no line here."""

from collections import Counter
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


def test_a_formula_has_one_term_for_each_slot(base: Values) -> None:
    formula = _formula(base)
    assert [slot for slot, times in Counter(term.slot for term in formula.terms).items() if times > 1] == []


def test_polynomial_and_shapes_count_the_same(base: Values) -> None:
    """The symbolic size of each term, and of the whole model, has the value that the shapes have."""
    formula = _formula(base)
    assert all(term.size.value == term.count for term in formula.terms)
    assert formula.total().value == formula.count()


def test_an_unknown_class_is_refused_in_one_line(base: Values) -> None:
    with pytest.raises(ConfigError, match="architectures names LlamaForImageCaptioning") as caught:
        _formula({**base, "architectures": ["LlamaForImageCaptioning"]})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [None, 0, -3, 2.5, "24", True, [24]])
@pytest.mark.parametrize("key", ["hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads"])
def test_an_impossible_size_is_refused_in_one_line(base: Values, key: str, bad: object) -> None:
    spelling = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
    name = spelling[key] if key in spelling and spelling[key] in base else key
    with pytest.raises(ConfigError) as caught:
        _formula({**base, name: bad})
    assert "\n" not in str(caught.value)


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
