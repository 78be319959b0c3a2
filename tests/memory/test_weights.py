"""What weights weigh, and what a file may hold."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import UsageError
from verify.memory import weights
from verify.tensor import DTYPES, Tensor


def holds(text: str) -> dict[str, tuple[int, int]]:
    return {row.scheme.name: (row.parameters, row.binary) for row in weights.size(text)}


def test_a_file_of_100_gb_may_hold_25_or_50_billion_parameters() -> None:
    found = holds("100GB")
    assert found["float32"] == (25_000_000_000, 100 * 2**30 // 4)
    assert found["bfloat16, float16"] == (50_000_000_000, 100 * 2**30 // 2)


def test_a_unit_that_says_binary_is_read_one_way() -> None:
    assert holds("100GiB")["float32"] == (100 * 2**30 // 4,) * 2
    assert holds("8B")["float32"] == (2, 2)


def test_the_files_of_llama_2_7b_hold_its_parameters() -> None:
    assert holds("13,476,831,232 B")["bfloat16, float16"][0] == 6_738_415_616


def test_a_block_shares_its_scale() -> None:
    """QLoRA: 0.5 bits more for each parameter, 0.127 where the scales are quantised again."""
    bits = {scheme.name: scheme.bits for scheme in weights.SCHEMES}
    assert bits["NF4, blocks of 64"] == Fraction(9, 2)
    assert float(bits["NF4, double quantisation"]) == pytest.approx(4.127, abs=1e-3)
    assert all(scheme.source for scheme in weights.SCHEMES)


@pytest.mark.parametrize(
    "text", ["", "GB", "100", "100 XB", "-1GB", "1e9B", "1.2.3GB", "0GB", "0.1B", "nanGB", "\u0661GB", "1" * 99 + "GB"]
)
def test_what_is_no_size_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        weights.size(text)
    assert "\n" not in str(caught.value)


@given(st.integers(1, 10**15))
def test_what_a_number_of_parameters_weighs_holds_that_number(parameters: int) -> None:
    """Law: a file as large as the weights holds them, and a byte less does not hold more."""
    for row in weights.weigh(parameters):
        fits = next(each for each in weights.size(f"{row.bytes}B") if each.scheme == row.scheme)
        assert fits.parameters >= parameters
        less = next(each for each in weights.size(f"{max(row.bytes - 1, 1)}B") if each.scheme == row.scheme)
        assert less.parameters <= max(parameters, 8)


def test_nothing_weighs_nothing_but_is_no_model() -> None:
    with pytest.raises(UsageError):
        weights.weigh(0)


def test_stored_bytes_are_by_type() -> None:
    tensors = [
        Tensor("a", DTYPES["BF16"], (3, 5)),
        Tensor("b", DTYPES["F4"], (3,)),
        Tensor("c", DTYPES["F32"], ()),
        Tensor("d", DTYPES["BF16"], (2,)),
    ]
    assert weights.stored(tensors) == {"BF16": 34, "F32": 4, "F4": 2}
