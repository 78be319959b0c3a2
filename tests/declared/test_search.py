"""The search among subsets, against trying all of them."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from small_model import judge, number

from verify.architectures._blocks import linear, norm
from verify.declared.search import Item, closest, solve
from verify.evidence.base import DeclaredKind
from verify.formula import Extra, Formula
from verify.roles import Cause
from verify.symbols import Size

AMOUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=7)


class TestSearch:
    """The search among subsets, against trying all of them."""

    @given(AMOUNTS, st.data())
    def test_the_sum_of_any_subset_is_explained(self, amounts: list[int], data: st.DataObject) -> None:
        """Law: a total built from a subset of the extras is explained, one element more only by another subset."""
        extras = tuple(
            Extra(Cause.OTHER_HEAD, linear(f"other.{place}", Size.of(amount), Size.of(1)))
            for place, amount in enumerate(amounts)
        )
        formula = Formula("any", "", norm("final", Size.of(1000)), extras)
        chosen = data.draw(st.lists(st.booleans(), min_size=len(amounts), max_size=len(amounts)))
        total = 1000 + sum(amount for amount, counts in zip(amounts, chosen, strict=True) if counts)
        sums = {
            1000 + sum(amount * counts for amount, counts in zip(amounts, subset, strict=True))
            for subset in product((0, 1), repeat=len(amounts))
        }
        exact, above = judge(
            number(DeclaredKind.HUB_TOTAL, total), number(DeclaredKind.HUB_TOTAL, total + 1), formula=formula
        )
        assert exact.explained
        assert above.explained == (total + 1 in sums)
        if not above.explained:
            assert above.computed is not None
            assert abs(above.computed - total - 1) == min(abs(other - total - 1) for other in sums)

    @given(
        st.lists(
            st.tuples(st.integers(0, 9), st.sampled_from([None, 0, 1, 5]), st.sampled_from([None, 0, 2])), max_size=6
        ),
        st.integers(0, 40),
        st.integers(0, 5),
    )
    def test_the_least_odd_subsets_are_found(
        self, rows: list[tuple[int, int | None, int | None]], low: int, span: int
    ) -> None:
        """Law: `solve` gives exactly the subsets that trying all of them gives."""
        items = [Item(*row) for row in rows]
        every = []
        for subset in product((True, False), repeat=len(items)):
            prices = [item.counted if counts else item.left for item, counts in zip(items, subset, strict=True)]
            total = sum(item.amount for item, counts in zip(items, subset, strict=True) if counts)
            if None not in prices and low <= total <= low + span:
                every.append((sum(price for price in prices if price is not None), sum(subset), subset))
        least = min((row[:2] for row in every), default=None)
        found = solve(items, low, low + span)
        assert {each.subset for each in found} == {row[2] for row in every if row[:2] == least}

    def test_the_nearest_of_nothing_allowed_is_none(self) -> None:
        assert closest([Item(3, None, None)], 3) is None
        assert closest([Item(3, 0, 0)], 3, lambda _: False) is None
