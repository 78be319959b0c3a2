"""How numbers and names are written."""

from fractions import Fraction

import pytest

from verify.render import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(1, 3), "0.333333"),
        (Fraction(2, 3), "0.666667"),
        (Fraction(-1, 3), "-0.333333"),
        (Fraction(-1, 10**9), "0.000000"),
        (Fraction(10**30 + 1), f"{10**30 + 1}.000000"),
        (Fraction(1, 2_000_000), "0.000000"),
        (Fraction(3, 2_000_000), "0.000002"),
        (None, ""),
    ],
)
def test_decimals_are_exact_and_rounded_half_to_even(value: Fraction | None, shown: str) -> None:
    assert text.decimal(value) == shown


def test_only_an_exact_one_or_zero_is_written_without_decimals() -> None:
    almost = Fraction(10**12 - 1, 10**12)
    assert [text.ratio(each) for each in (Fraction(1), almost, Fraction(0), None)] == ["1", "1.000000", "0", "-"]


def test_a_small_share_does_not_look_like_none() -> None:
    shares = (Fraction(0), Fraction(1, 10**9), Fraction(1, 4), None)
    assert [text.percent(each) for each in shares] == ["0.000 %", "<0.001 %", "25.000 %", "-"]


def test_numbers_have_separators_and_signs() -> None:
    assert [text.number(6_738_415_616), text.number(None)] == ["6,738,415,616", "-"]
    assert [text.signed(each) for each in (2048, -2048, 0, None)] == ["+2,048", "-2,048", "0", "-"]


@pytest.mark.parametrize(
    ("indices", "shown"),
    [((), ""), ((3,), "3"), (range(32), "0-31"), ((0, 1, 2, 5, 7, 8), "0-2,5,7-8"), ((2, 0, 1), "0-2")],
)
def test_layer_indices_are_written_in_runs(indices: tuple[int, ...], shown: str) -> None:
    assert text.ranges(indices) == shown


def test_what_does_not_print_is_escaped() -> None:
    assert text.visible("a\x1b[2J\r\n\u202e\x9b\ud800é") == r"a\x1b[2J\r\n\u202e\x9b\ud800é"
    assert text.visible("plain name") == "plain name"
