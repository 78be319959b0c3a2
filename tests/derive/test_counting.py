"""Closed forms for numbers of layers, against counting them."""

import itertools

import pytest

from verify.derive.formulas.expressions import Expression, Values
from verify.derive.regions.counting import count

CONDITIONS = [
    "i < dense", "i >= dense", "i <= dense", "i > dense", "i < 2", "i >= 1", "i == 0", "i != 0", "i in (0, 2)",
    "i < dense + 1", "i >= dense - 1", "i % period == offset", "i % period != offset", "(i + 1) % period == 0",
    "i % 2 == 0", "kinds[i] == 'a'", "kinds[i] != 'a'",
]  # fmt: skip


def counted(where: str, values: Values) -> int:
    return sum(bool(Expression(where)(values, {"i": at})) for at in range(Expression("n").integer(values)))


@pytest.mark.parametrize("where", CONDITIONS)
def test_a_closed_form_counts_the_layers(where: str) -> None:
    """Also where a setting lies beyond the last layer, as `num_dense_layers` of an Lfm2Moe of fewer layers does."""
    traced = {"n": 7, "dense": 3, "period": 3, "offset": 1, "kinds": tuple("aababba")}
    form = count(where, "i", "n", traced, counted(where, traced))
    assert form
    for n, dense, period, offset in itertools.product((3, 4, 6, 9), (1, 3, 4, 12), (1, 2, 5), (0, 1)):
        if offset < period:
            kinds = tuple("ab"[at % 3 > 0] for at in range(n))
            values = {"n": n, "dense": dense, "period": period, "offset": offset, "kinds": kinds}
            assert Expression(form)(values) == counted(where, values), (form, values)


@pytest.mark.parametrize(
    ("where", "form"),
    [
        ("i < dense", "min(dense, n)"),
        ("i >= dense", "n - min(dense, n)"),
        ("i > dense", "n - min(dense + 1, n)"),
        ("i >= 1", "n - 1"),
        ("i % period == offset", "ceil((n - offset)/period)"),
    ],
)
def test_a_bound_is_held_to_the_number_of_layers(where: str, form: str) -> None:
    values = {"n": 7, "dense": 3, "period": 3, "offset": 1}
    assert count(where, "i", "n", values, counted(where, values)) == form


@pytest.mark.parametrize("where", ["i < dense or i > 5", "kinds[i + 1] == 'a'", "i <", "i * i < dense", "dense == i"])
def test_no_closed_form_is_better_than_a_wrong_one(where: str) -> None:
    values = {"n": 7, "dense": 3, "kinds": tuple("aababbaa")}
    assert count(where, "i", "n", values, 5) == ""
