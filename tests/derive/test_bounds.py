"""Conditions on an index that are ranges of it, against asking every index."""

import pytest

from verify.derive.errors import DeriveError
from verify.derive.formulas import bounds
from verify.derive.formulas.expressions import Expression

VALUES = {"n": 9, "first": 3, "last": 6, "beyond": 20, "half": 2.5, "kinds": ("a", "b")}


@pytest.mark.parametrize(
    "where",
    [
        "j < first", "j >= first", "j == last", "first <= j < last", "j < beyond", "j >= beyond", "j == beyond",
        "last <= j < first", "j == 0 or j == n - 1", "j < first or last <= j < n or j == 4", "i + 1 <= j < i + 4",
        "j < first - last", "j >= first - last", "0 <= j < len(kinds)",
    ],
)  # fmt: skip
def test_ranges_are_what_every_index_says(where: str) -> None:
    asked = tuple(at for at in range(9) if Expression(where)(VALUES, {"i": 1, "j": at}))
    assert bounds.chosen(where, "j", 9, VALUES, {"i": 1}) == asked


@pytest.mark.parametrize(
    "where",
    [
        "j < half", "j % 2 == 0", "j < first and j > 0", "j < j", "j + 1 < first", "j in (1, 2)", "kinds[j] == 'a'",
        "first < j < last", "j != 0", "j < first or j % 2 == 0", "first == j", "i < first", "j ==", "(" * 500, "j\0",
    ],
)  # fmt: skip
def test_other_conditions_are_left_to_every_index(where: str) -> None:
    assert bounds.chosen(where, "j", 9, VALUES, {"i": 1}) is None


def test_an_end_without_a_value_is_an_error() -> None:
    with pytest.raises(DeriveError, match="missing"):
        bounds.chosen("j < missing", "j", 9, VALUES, {})
