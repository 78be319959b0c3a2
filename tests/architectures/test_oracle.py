"""Every formula equals what transformers builds, slot by slot, layer by layer and shape by shape."""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify import architectures
from verify.architectures import Family
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.diff import diff
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.formula import Formula
from verify.roles import Kind

Values = dict[str, object]

#: Few by default, since the product of the switches is tried beside them; `make oracle` sets more.
EXAMPLES = int(os.environ.get("VERIFY_EXAMPLES", "15"))


def predicted(values: Values) -> tuple[Family, Formula]:
    family = architectures.find(str(values["model_type"]))
    return family, family.formula(Config(values))


def built(family: Family, values: Values) -> Breakdown:
    return measure(unpack(meta.read(values, model="tiny").tensors, ""), family.NAMES)


def assert_equal(values: Values) -> None:
    family, formula = predicted(values)
    measured = built(family, values)
    assert measured.unclassified == ()
    assert diff(expect(formula.terms), measured.cells) == ()
    for kind in Kind:
        assert formula.count(kind) == measured.total(kind)


def test_formula_equals_implementation(case: Values) -> None:
    assert_equal(case)


def test_every_key_of_the_config_is_read(case: Values) -> None:
    config = Config(case)
    architectures.find(str(case["model_type"])).formula(config)
    assert config.unread() == ()


def test_an_unread_key_is_reported(base: Values) -> None:
    config = Config({**base, "low_rank_adapters": 3})
    architectures.find(str(base["model_type"])).formula(config)
    assert config.unread() == ("low_rank_adapters",)


def test_formula_equals_implementation_at_random(strategy: st.SearchStrategy[Values]) -> None:
    """Law: whatever the sizes, formula and implementation are equal."""

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(strategy)
    def law(values: Values) -> None:
        assert_equal(values)

    law()
