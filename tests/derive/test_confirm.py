"""Formulas are confirmed on the real class, and one that is wrong is never confirmed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

from verify.derive.building import classes, configurations
from verify.derive.confirming.confirm import derive, pattern, unvaried
from verify.derive.errors import DeriveError
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import Concretised, Condition, DerivedTerm, Predicate, Region
from verify.errors import ConfigError

Trace = Callable[[classes.Target, configurations.Keywords], tuple[Region, tuple[Concretised, ...]]]


class ToyConfig(transformers.PreTrainedConfig):
    """A configuration with a number of layers, a size that must be even, and a gate."""

    model_type = "toy"
    hidden_size: int = 8
    num_hidden_layers: int = 20
    gate: int = 3
    kinds: list[str] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if self.hidden_size % 2:
            raise ValueError("hidden_size must be even")
        self.kinds = self.kinds or ["a", "b"] * (self.num_hidden_layers // 2) + ["a"] * (self.num_hidden_layers % 2)
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]


class Toy(torch.nn.Module):
    """`gate` beyond 4 adds a parameter; layers of the kind `b` have a bias."""

    config_class = ToyConfig

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        size = config.hidden_size
        kinds = config.kinds or ()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(size, 3 * size, bias=kind == "b") for kind in kinds)
        if config.gate > 4:
            self.gate = torch.nn.Parameter(torch.empty(config.gate))
        self.register_buffer("steps", torch.empty(size // 2))


TARGET = classes.Target("toy", ToyConfig, Toy, "base")


def term(name: str, *axes: str, kind: Any = "parameter", repeats: tuple[Predicate, ...] = ()) -> DerivedTerm:
    return DerivedTerm(name, kind, tuple(map(Expression, axes)), repeats)


EVERY = Predicate(Expression("num_hidden_layers"))
WITH_BIAS = Predicate(Expression("num_hidden_layers"), Expression("kinds[i] == 'b'"))
TERMS = (
    term("layers.{}.weight", "3*hidden_size", "hidden_size", repeats=(EVERY,)),
    term("layers.{}.bias", "3*hidden_size", repeats=(WITH_BIAS,)),
    term("steps", "hidden_size//2", kind="buffer"),
)
IS_EVEN = Condition("==", Expression("hidden_size % 2"), Expression("0"), outcome=True, where="toy.py:1")


def right(_target: classes.Target, keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
    """What a trace of `Toy` finds."""
    gated = keywords["gate"] > 4
    condition = Condition(">", Expression("gate"), Expression("4"), outcome=gated, where="toy.py:2")
    terms = (*TERMS, term("gate", "gate")) if gated else TERMS
    return Region(terms, (IS_EVEN, condition), dict(keywords)), ()


def run(trace: Trace, **more: Any) -> Any:
    return derive(TARGET, configurations.keywords(ToyConfig), trace=trace, **more)


def test_a_right_formula_is_confirmed_and_covers_both_sides_of_a_condition() -> None:
    derived = run(right)
    assert derived.confirmation.confirmed
    assert derived.confirmation.configurations >= 20
    assert derived.confirmation.varied == ("gate", "hidden_size", "kinds", "num_hidden_layers")
    assert unvaried(derived) == ()
    assert len(derived.regions) == 2
    values = {"hidden_size": 4, "num_hidden_layers": 3, "gate": 7, "kinds": ("a", "b", "b")}
    # Independent arithmetic: three layers of 12 x 4, two biases of 12, a gate of 7.
    assert derived.count(values) == 3 * 12 * 4 + 2 * 12 + 7
    assert derived.count(values | {"gate": 4}) == 3 * 12 * 4 + 2 * 12
    assert derived.count(values, "buffer") == 2


def test_the_same_seed_gives_the_same_formula() -> None:
    assert run(right, seed=3).to_json() == run(right, seed=3).to_json()


@pytest.mark.parametrize("name", ["layers.{}.weight", "steps"])
def test_a_formula_that_lost_something_is_not_confirmed(name: str) -> None:
    def lost(target: classes.Target, keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
        region, _ = right(target, keywords)
        size = keywords["hidden_size"]
        axes = {"layers.{}.weight": (str(3 * size), "hidden_size"), "steps": (str(size // 2),)}[name]
        terms = [replace(at, axes=tuple(map(Expression, axes))) if at.pattern == name else at for at in region.terms]
        return replace(region, terms=tuple(terms)), (Concretised("int()", "toy.py:9"),)

    derived = run(lost)
    assert not derived.confirmation.confirmed
    assert f"{name}: the formula says" in derived.confirmation.failure
    assert derived.confirmation.where == "toy.py:9"


def test_of_two_traces_of_one_region_the_more_general_one_stays() -> None:
    def lucky(target: classes.Target, keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
        region, lost = right(target, keywords)
        if keywords["hidden_size"] != 8:
            return region, lost
        weight = replace(region.terms[0], axes=(Expression("24"), Expression("8")))
        return replace(region, terms=(weight, *region.terms[1:])), lost

    derived = run(lucky)
    assert derived.confirmation.confirmed
    assert all("24" not in str(at.axes) for region in derived.regions for at in region.terms)


def test_a_total_that_is_right_with_wrong_shapes_is_not_confirmed() -> None:
    def swapped(target: classes.Target, keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
        region, lost = right(target, keywords)
        weight = replace(region.terms[0], axes=region.terms[0].axes[::-1])
        return replace(region, terms=(weight, *region.terms[1:])), lost

    confirmation = run(swapped).confirmation
    assert not confirmation.confirmed
    assert "wrong where it was traced" in confirmation.failure


def test_a_condition_that_changes_nothing_is_dropped() -> None:
    def cautious(target: classes.Target, keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
        region, lost = right(target, keywords)
        size = keywords["hidden_size"]
        idle = Condition(">", Expression("hidden_size"), Expression("10"), outcome=size > 10, where="toy.py:3")
        return replace(region, conditions=(*region.conditions, idle)), lost

    derived = run(cautious)
    assert derived.confirmation.confirmed
    assert len(derived.regions) == 2
    texts = {condition.text for region in derived.regions for condition in region.conditions}
    assert texts == {"hidden_size % 2 == 0", "gate > 4", "gate <= 4"}


def test_a_rule_that_is_known_at_a_point_only_stays_bound_to_it() -> None:
    def pointwise(target: classes.Target, keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
        region, lost = right(target, keywords)
        layers = keywords["num_hidden_layers"]
        bound = Condition("==", Expression("num_hidden_layers"), Expression(str(layers)), outcome=True)
        return replace(region, conditions=(*region.conditions, bound)), lost

    confirmation = run(pointwise).confirmation
    assert not confirmation.confirmed
    assert "only where num_hidden_layers == " in confirmation.failure


def test_a_trace_that_fails_is_told_and_not_raised() -> None:
    def fails(target: classes.Target, _keywords: configurations.Keywords) -> tuple[Region, tuple[Concretised, ...]]:
        raise DeriveError(f"{target.model_class.__name__} cannot be built with symbolic values at toy.py:7")

    derived = run(fails)
    assert derived.regions == ()
    assert "toy.py:7" in derived.confirmation.failure


def test_a_class_that_takes_no_other_configuration_leaves_the_formula_unconfirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Toy.__init__

    def stubborn(self: Toy, config: ToyConfig) -> None:
        if (config.hidden_size, config.gate) != (8, 3) or config.kinds != ["a", "b"] * 10:
            raise ValueError("only as it is")
        original(self, config)

    monkeypatch.setattr(Toy, "__init__", stubborn)
    confirmation = run(right, seconds=1).confirmation
    assert not confirmation.confirmed
    assert "20 are needed" in confirmation.failure
    assert "only as it is" in confirmation.failure


def test_one_configuration_many_times_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Toy.__init__

    def narrow(self: Toy, config: ToyConfig) -> None:
        if config.hidden_size not in (8, 16) or config.gate != 3 or config.kinds != ["a", "b"] * 10:
            raise ValueError("one other size and no more")
        original(self, config)

    monkeypatch.setattr(Toy, "__init__", narrow)
    confirmation = run(right, seconds=1).confirmation
    assert not confirmation.confirmed
    assert confirmation.configurations == 1


def test_no_time_leaves_the_formula_unconfirmed() -> None:
    confirmation = run(right, seconds=0).confirmation
    assert not confirmation.confirmed
    assert "before the time was up" in confirmation.failure


def test_a_configuration_that_the_class_rejects_is_an_error() -> None:
    with pytest.raises(ConfigError, match="must be even"):
        derive(TARGET, {"hidden_size": 7}, trace=right)


def test_patterns() -> None:
    assert pattern("model.layers.12.mlp.experts.3.w1.weight") == "model.layers.{}.mlp.experts.{}.w1.weight"
    assert pattern("conv1d.weight_v2") == "conv1d.weight_v2"


@pytest.mark.parametrize(
    ("model_type", "total"),
    [
        ("llama", 6_738_415_616),  # Llama-2-7B
        ("t5", 60_506_624),  # t5-small
    ],
)
def test_types_of_transformers(model_type: str, total: int) -> None:
    target = classes.find(model_type)
    keywords = configurations.keywords(target.config_class)
    derived = derive(target, keywords)
    assert derived.confirmation.confirmed, derived.confirmation.failure
    assert derived.count(configurations.flatten(keywords)) == total
    assert unvaried(derived) == ()
