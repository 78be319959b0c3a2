"""The verdict follows from the numbers: each can be reached, and another recomputation changes it."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.claims import Amount, Claim, Found, Row, Source, Verdict, judge
from verify.errors import UnavailableError

SOURCE = Source("X", "A text", "Somebody", "nowhere")


def claim(published: tuple[Amount | str, ...], *values: Fraction | int | str, own: int | None = None) -> Claim:
    return Claim(
        "X.1",
        "Something.",
        published,
        (lambda: Found(values, "by hand")) if values else None,
        (lambda: Found((own,), "its own sum")) if own is not None else None,
        reason="nobody knows",
    )


def verdict(published: tuple[Amount | str, ...], *values: Fraction | int | str, own: int | None = None) -> Row:
    return judge(claim(published, *values, own=own), SOURCE)


@pytest.mark.parametrize(
    ("digits", "scale", "value", "expected"),
    [
        # 6.7B means 6.65 to 6.75 billion.
        ("6.7", "B", 6_738_415_616, "holds"),
        ("6.7", "B", 6_650_000_000, "holds"),
        ("6.7", "B", 6_750_000_000, "holds"),
        ("6.7", "B", 6_750_000_001, "approximate"),
        ("6.7", "B", 6_649_999_999, "approximate"),
        # 5 % of the right number.
        ("95", "", 100, "approximate"),
        ("105", "", 100, "approximate"),
        ("94", "", 100, "false"),
        ("106", "", 100, "false"),
        ("0", "", 0, "holds"),
        ("1", "", 0, "false"),
        ("0", "", 1, "false"),
        ("4,722,432", "", 4_722_432, "holds"),
        ("4,722,432", "", 4_722_433, "approximate"),
        ("13.5", "G", 13_476_961_836, "holds"),
        ("30", "%", Fraction(305, 1000), "holds"),
        ("30", "%", Fraction(306, 1000), "approximate"),
    ],
)
def test_a_number_is_judged_at_its_published_precision(
    digits: str, scale: str, value: int | Fraction, expected: str
) -> None:
    assert verdict((Amount(digits, scale),), value).verdict == expected


def test_a_coarser_step_may_be_meant_than_the_digits_show() -> None:
    tens = Amount("30", "%", "", Fraction(10, 100))
    assert verdict((tens,), Fraction(31, 100)).verdict is Verdict.HOLDS
    assert verdict((tens,), Fraction(36, 100)).verdict is Verdict.FALSE


def test_words_are_the_same_or_false() -> None:
    assert verdict(("up_proj",), "up_proj").verdict is Verdict.HOLDS
    assert verdict(("up_proj",), "gate_proj").verdict is Verdict.FALSE


def test_the_worst_of_several_values_decides() -> None:
    both = (Amount("100"), Amount("50"))
    assert verdict(both, 100, 50).verdict is Verdict.HOLDS
    assert verdict(both, 100, 49).verdict is Verdict.APPROXIMATE
    assert verdict(both, 100, 25).verdict is Verdict.FALSE
    assert verdict(both, 100, 49).deviation == Fraction(50, 49) - 1


def test_its_own_formula_comes_first() -> None:
    assert verdict((Amount("100"),), own=100).verdict is Verdict.HOLDS
    assert verdict((Amount("100"),), own=101).verdict is Verdict.INCONSISTENT
    assert verdict((Amount("100"),), 100, own=101).verdict is Verdict.INCONSISTENT
    assert verdict((Amount("100"),), 200, own=100).verdict is Verdict.FALSE


def test_what_its_own_formula_gives_and_what_is_right_are_both_said() -> None:
    row = verdict((Amount("1.1", "B"),), 1_812_099_072, own=6_039_822_336)
    assert row.values == (1_812_099_072,)
    assert "6,039,822,336" in row.why
    assert "1,812,099,072" in row.why


def test_without_a_recomputation_the_reason_is_given() -> None:
    row = verdict((Amount("100"),))
    assert (row.verdict, row.why, row.values, row.recomputed) == (Verdict.NOT_CHECKABLE, "Nobody knows.", (), "-")


def test_a_package_that_is_missing_is_the_reason() -> None:
    def measure() -> Found:
        raise UnavailableError("torch is not installed")

    row = judge(replace(claim((Amount("1"),), 1), recompute=measure), SOURCE)
    assert (row.verdict, row.why) == (Verdict.NOT_CHECKABLE, "Torch is not installed.")


def test_how_far_off_and_the_threshold_are_said() -> None:
    assert "-5.0 % (threshold 5 %)" in verdict((Amount("95"),), 100).why
    wider = replace(claim((Amount("90"),), 100), tolerance=Fraction(1, 10))
    assert judge(wider, SOURCE).verdict is Verdict.APPROXIMATE


@pytest.mark.parametrize(
    ("published", "right", "text"),
    [(95, 100, "-5.0 %"), (1001, 1000, "+0.1 %"), (99_997, 100_000, "-0.003 %"), (10**8 + 1, 10**8, "+0.000001 %")],
)
def test_a_deviation_is_never_shown_as_nothing(published: int, right: int, text: str) -> None:
    assert f"by {text} (" in verdict((Amount(f"{published:,}"),), right).why


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Amount("6.55", "B"), "6.55B parameters"),
        (Amount("13.5", "G", "bytes"), "13.5 GB"),
        (Amount("493,535,232", unit="bytes"), "493,535,232 bytes"),
        (Amount("30", "%", ""), "30 %"),
        (Amount("3.7", unit="times"), "3.7 times"),
    ],
)
def test_a_published_number_is_shown_as_it_was_published(amount: Amount, text: str) -> None:
    assert verdict((amount,), amount.value).published == text


def test_a_common_unit_is_written_once() -> None:
    row = verdict((Amount("28", "G", "bytes"), Amount("14", "G", "bytes")), 28 * 10**9, 14 * 10**9)
    assert (row.published, row.recomputed) == ("28; 14 GB", "28,000,000,000; 14,000,000,000 bytes")


@given(st.integers(0, 10**15))
def test_a_whole_number_with_all_its_digits_holds_for_itself_only(number: int) -> None:
    """An exact statement holds exactly for its own value."""
    amount = Amount(f"{number:,}")
    assert amount.holds(Fraction(number))
    assert not amount.holds(Fraction(number + 1))
