"""The other side of comparisons is looked at, and what two traces found is put together."""

from collections import Counter
from typing import Any

import pytest
import torch
import transformers

from verify.derive.building import classes, configurations
from verify.derive.building.points import Point
from verify.derive.confirming.confirm import derive
from verify.derive.confirming.sides import other_sides
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import Condition, DerivedTerm, Predicate, Region
from verify.derive.regions.merging import merged, needed

KEYWORDS = {"hidden_size": 64, "num_heads": 8, "num_experts": 16, "num_layers": 3, "kinds": ["a", "b", "a"]}


def condition(left: str, sign: str, right: str, *, outcome: bool = True, where: str = "made.py:1") -> Condition:
    return Condition(sign, Expression(left), Expression(right), outcome, where)


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        (condition("num_experts", ">", "1"), {"num_experts": 1}),
        (condition("num_experts", "<=", "1", outcome=False), {"num_experts": 1}),
        (condition("1", "<", "num_experts"), {"num_experts": 1}),
        (condition("num_experts", "!=", "0"), {"num_experts": 0}),
        (condition("hidden_size//num_heads", "<", "10"), {"hidden_size": 128}),
        (condition("num_heads", "<", "num_experts"), {"num_experts": 8}),
    ],
)
def test_a_number_is_found_at_which_a_comparison_comes_out_otherwise(given: Condition, changed: dict[str, int]) -> None:
    found = [keywords for _, _, keywords in other_sides([given], KEYWORDS)]
    assert KEYWORDS | changed in found
    assert all(given.holds(configurations.flatten(KEYWORDS)) for _ in found)
    assert not any(given.holds(configurations.flatten(keywords)) for keywords in found)


@pytest.mark.parametrize(
    "given",
    [
        condition("num_experts", ">", "1", where=""),
        condition("num_experts", "==", "16"),
        condition("num_experts", "!=", "16", outcome=False),
        condition("kinds", "==", "('a', 'b', 'a')"),
        condition("num_experts", ">=", "0"),
        condition("missing", ">", "1"),
    ],
)
def test_what_has_no_other_side_worth_a_look_is_left_alone(given: Condition) -> None:
    assert list(other_sides([given], KEYWORDS)) == []


def test_lists_follow_a_number_of_layers_to_the_other_side() -> None:
    _, path, keywords = next(other_sides([condition("num_layers", "<", "6")], KEYWORDS))
    assert (path, keywords["num_layers"], keywords["kinds"]) == ("num_layers", 6, ["a", "b", "a"] * 2)
    assert KEYWORDS["kinds"] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("change", "router"), [({"num_experts": 1}, False), ({"num_experts": 2}, True), ({"num_experts": 16}, True)]
)
def test_jamba_is_known_with_a_single_expert(jamba: Any, change: dict[str, int], router: bool) -> None:  # noqa: FBT001
    """The count of torch, and whether there are routers, at sizes that no random configuration comes to."""
    config_class, derived = jamba
    small = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 8, "vocab_size": 50, "mamba_dt_rank": 4}
    keywords = configurations.keywords(
        config_class, small | {"num_attention_heads": 4, "num_key_value_heads": 2} | change
    )
    values = configurations.flatten(keywords)
    with torch.device("meta"):
        model = transformers.JambaForCausalLM(configurations.build(config_class, keywords))
    assert derived.count(values) == sum(parameter.numel() for parameter in model.parameters())
    names = {name for name, _ in model.named_parameters()}
    assert any(".router." in term.pattern for term in derived.region(values).terms) is router
    assert any(".router." in name for name in names) is router


@pytest.mark.parametrize("first", ["hybrid", "hybrid_sliding"])
def test_a_rule_that_each_kind_of_layer_shows_in_part_is_found_in_full(inkling: Any, first: str) -> None:
    """Inkling 2: only layers after the first have an `attention_input`, of one query or of three by their kind."""
    config_class, derived = inkling
    kinds = [first, "hybrid_sliding", "hybrid", "hybrid"]
    keywords = configurations.keywords(config_class, {"num_hidden_layers": 4, "layer_types": kinds})
    shapes = derived.region(configurations.flatten(keywords)).shapes(configurations.flatten(keywords))
    size = keywords["hidden_size"]
    assert shapes["model.layers.{}.attention_input.query"] == Counter({(size,): 1, (3, size): 2})


def derived_from(model_type: str) -> Any:
    target = classes.find(model_type, "ForCausalLM")
    derived = derive(target, configurations.keywords(target.config_class))
    assert derived.confirmation.confirmed
    return target.config_class, derived


@pytest.fixture(scope="module")
def jamba() -> Any:
    return derived_from("jamba")


@pytest.fixture(scope="module")
def inkling() -> Any:
    return derived_from("inkling2_text")


def rule(text: str | None) -> Region:
    where = Expression(text) if text else None
    term = DerivedTerm("layers.{}.w", "parameter", (Expression("size"),), (Predicate(Expression("n"), where),))
    return Region((term,), (), {})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("i > 0 and k[i]", "k[i]", {"(i > 0 and k[i]) or (k[i])"}),
        ("i > 0", "k[i]", {"i > 0 and k[i]", "i > 0 or k[i]"}),
        ("i > 0 or i < 2", "k[i]", {"(i > 0 or i < 2) and (k[i])", "i > 0 or i < 2 or k[i]"}),
        (None, "k[i]", {"k[i]"}),
        ("k[i]", "k[i]", set()),
    ],
)
def test_two_rules_are_put_together(one: str | None, other: str, expected: set[str]) -> None:
    found = list(merged(rule(one), rule(other)))
    assert {region.terms[0].repeats[0].text("i") for region in found} == expected
    values = {"n": 4, "size": 3, "k": (True, False, True, True)}
    chosen = [{at for at in range(4) if text is None or Expression(text)(values, {"i": at})} for text in (one, other)]
    assert {region.count(values) for region in found} <= {
        3 * len(chosen[0] & chosen[1]),
        3 * len(chosen[0] | chosen[1]),
    }


def test_formulas_of_other_tensors_are_not_put_together() -> None:
    other = DerivedTerm("layers.{}.b", "parameter", (Expression("size"),), (Predicate(Expression("n")),))
    assert list(merged(rule("i > 0"), Region((other,), (), {}))) == []
    assert list(merged(rule("i > 0"), Region((*rule("k[i]").terms, other), (), {}))) == []


def region(axis: str, *conditions: Condition) -> Region:
    return Region((DerivedTerm("w", "parameter", (Expression(axis),)),), conditions, {})


def point(size: int, more: int) -> Point:
    return Point({}, {"size": size, "more": more}, {"w": Counter({(size * more,): 1})})


def test_a_region_inside_another_is_left_out_where_that_one_predicts_the_same() -> None:
    single, small = condition("more", "==", "1"), condition("size", "<", "9")
    seen = [point(4, 1), point(5, 1), point(6, 3)]
    inner, outer = region("size", small, single), region("size*more", small)
    assert needed([inner, outer], [inner, outer], seen) == [outer]
    assert needed([outer, inner], [outer, inner], seen) == [outer]
    assert needed([outer, outer], [outer, outer], seen) == [outer]
    wrong = region("size*more + more//3", small)
    assert needed([inner, wrong], [inner, wrong], seen) == [wrong]
    assert needed([inner, wrong], [inner, wrong], [*seen, point(3, 1)]) == [wrong]
    lucky = region("size + 1", small)
    assert needed([inner, lucky], [inner, lucky], seen) == [inner, lucky]
