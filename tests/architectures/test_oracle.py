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


def predicted(values: Values) -> tuple[Family, Formula, tuple[str, ...]]:
    """The family, its formula, and the keys that it did not read."""
    family, config = architectures.find(str(values["model_type"])), Config(values)
    formula = family.formula(config)
    return family, formula, config.unread()


def built(family: Family, values: Values) -> Breakdown:
    return measure(unpack(meta.read(values, model="tiny").tensors, ""), family.NAMES)


def assert_equal(values: Values) -> None:
    family, formula, unread = predicted(values)
    assert unread == ()
    measured = built(family, values)
    assert measured.unclassified == ()
    assert diff(expect(formula.terms), measured.cells) == ()
    for kind in Kind:
        assert formula.count(kind) == measured.total(kind)


def test_formula_equals_implementation_and_reads_every_key(case: Values) -> None:
    assert_equal(case)


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
