"""Recorded numbers judged against formulas: to the element, with the reason, or not at all."""

import pytest
from small_model import (
    FP8,
    LAYERS,
    NAMES,
    PARAMETERS,
    ROTARY,
    SMALL,
    TABLE,
    find,
    judge,
    number,
    weight,
)

from verify.architectures._blocks import buffer, embedding
from verify.declared import judge as judging
from verify.declared import names as naming
from verify.evidence.base import DeclaredKind
from verify.formula import Extra, Formula, Term
from verify.names import NameTable, buffers, modules, slot
from verify.roles import Cause, Kind
from verify.symbols import Size

MASKED = NameTable({**modules({"up": "mlp.up"}), **buffers({"h.{}.bias": "attention.mask"})})


class TestElements:
    """Numbers of elements."""

    def test_the_formula_alone(self) -> None:
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, PARAMETERS))
        assert (check.explained, check.computed, check.difference) == (True, 124, 0)
        assert check.how == "124 parameters"

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (124 + 6, "position.inv_freq (stored buffer)"),
            (124 + 12, "head.score (another head than the config says)"),
            (124 + 6 + 12, "head.score (another head than the config says)"),
            (124 - 40, "the head not counted"),
        ],
    )
    def test_a_consistent_subset_of_what_may_be_stored(self, value: int, said: str) -> None:
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, value))
        assert check.explained
        assert said in check.how

    @pytest.mark.parametrize("value", [123, 125, 124 + 5, 124 + 12 + 7, 1])
    def test_one_element_off_is_not_explained(self, value: int) -> None:
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, value))
        assert not check.explained
        assert "elements remain" in check.how

    def test_the_nearest_combination_and_the_rest_are_told(self) -> None:
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, 124 + 6 + 1))
        assert (check.computed, check.difference) == (130, 1)
        assert check.how.endswith("+1 elements remain")

    def test_non_embedding_leaves_out_both_matrices(self) -> None:
        (counted, hub) = judge(number(DeclaredKind.COUNTED, 124 - 80), number(DeclaredKind.HUB_TOTAL, 124 - 80))
        assert counted.explained
        assert "the embeddings not counted; the head not counted" in counted.how
        assert not hub.explained

    def test_embeddings_are_not_left_out_with_the_head_counted(self) -> None:
        uneven = Formula("uneven", "", (*SMALL.terms[1:], embedding("embedding.tokens", Size.of(7), Size.of(4))))
        assert uneven.count() == 112
        (both, one) = judge(number(DeclaredKind.COUNTED, 44), number(DeclaredKind.COUNTED, 112 - 28), formula=uneven)
        assert both.explained
        assert not one.explained

    def test_persistent_buffers_count_and_a_count_of_parameters_leaves_them_out(self) -> None:
        formula = Formula("buffered", "", (*SMALL.terms, buffer("router.correction", Size.of(5), layers=LAYERS)))
        with_them, without = judge(
            number(DeclaredKind.HUB_TOTAL, 134), number(DeclaredKind.COUNTED, 124), formula=formula
        )
        assert with_them.how == "124 parameters + 10 router.correction buffers"
        assert without.explained
        assert "router.correction not counted" in without.how

    def test_two_subsets_of_one_sum_are_both_told(self) -> None:
        twice = Formula(
            "twice",
            "",
            SMALL.terms,
            (
                Extra(Cause.OTHER_HEAD, weight("head.score", 3, 4)),
                Extra(Cause.OTHER_HEAD, weight("other.pooler", 4, 3)),
            ),
        )
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, 124 + 12), formula=twice)
        assert check.explained
        assert "the same sum comes of" in check.how
        assert "other.pooler" in check.how
        assert "head.score" in check.how

    def test_groups_that_share_a_tensor_are_never_both_counted(self) -> None:
        score = weight("head.score", 3, 4)
        token = weight("head.score", 3, 4, bias=True)
        formula = Formula("heads", "", SMALL.terms, tuple(Extra(Cause.OTHER_HEAD, terms) for terms in (score, token)))
        one, both = judge(
            number(DeclaredKind.HUB_TOTAL, 124 + 15), number(DeclaredKind.HUB_TOTAL, 124 + 27), formula=formula
        )
        assert one.explained
        assert not both.explained


class TestNamesDecide:
    """Recorded names say what must be counted."""

    def test_what_is_named_must_be_counted(self) -> None:
        with_it, without = judge(
            number(DeclaredKind.HUB_TOTAL, 124 + 12),
            number(DeclaredKind.HUB_TOTAL, 124),
            names=(*NAMES, "score.weight"),
        )
        assert with_it.explained
        assert not without.explained

    def test_stored_buffers_may_go_uncounted_and_it_is_said(self) -> None:
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, 124), names=(*NAMES, *ROTARY))
        assert check.explained
        assert "position.inv_freq not counted although stored" in check.how

    def test_no_byte_of_what_is_stored_goes_uncounted(self) -> None:
        (check,) = judge(number(DeclaredKind.PAYLOAD_BYTES, 248), names=(*NAMES, *ROTARY))
        assert not check.explained

    def test_what_is_not_named_is_counted_although_not_stored(self) -> None:
        counted, payload = judge(
            number(DeclaredKind.TOTAL_PARAMETERS, 136), number(DeclaredKind.PAYLOAD_BYTES, 272), names=NAMES
        )
        assert counted.explained
        assert "head.score counted although not stored" in counted.how
        assert not payload.explained

    def test_a_group_is_stored_with_all_its_tensors_or_not_at_all(self) -> None:
        present = naming.stored(SMALL, TABLE, (*NAMES, ROTARY[0]))
        assert (slot("position.inv_freq", kind=Kind.BUFFER), 0) in present
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, 124 + 3), names=(*NAMES, ROTARY[0]))
        assert not check.explained

    def test_of_nested_groups_the_larger_one_is_stored(self) -> None:
        score = weight("head.score", 3, 4)
        token = weight("head.score", 3, 4, bias=True)
        formula = Formula("heads", "", SMALL.terms, tuple(Extra(Cause.OTHER_HEAD, terms) for terms in (score, token)))
        names = (*NAMES, "score.weight", "score.bias")
        one, other = judge(
            number(DeclaredKind.HUB_TOTAL, 124 + 15),
            number(DeclaredKind.HUB_TOTAL, 124 + 12),
            formula=formula,
            names=names,
        )
        assert one.explained
        assert not other.explained


class TestBytes:
    """Numbers of bytes."""

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (2 * 124, "2 x 124 weights"),
            (2 * 124 + 2 * 6, "2 x 124 weights + 2 x 6 position.inv_freq buffers"),
            (2 * 124 + 4 * 6, "2 x 124 weights + 4 x 6 position.inv_freq buffers"),
            (4 * 124, "4 x 124 weights; not the 2 bytes that the config states"),
            (2 * 44 + 4 * 80, "2 x 44 weights + 4 x 80 embedding and head weights"),
        ],
    )
    def test_elements_by_the_size_of_their_type(self, value: int, said: str) -> None:
        (check,) = judge(number(DeclaredKind.INDEX_BYTES, value))
        assert check.explained
        assert said in check.how

    def test_another_subset_with_other_types_is_told_too(self) -> None:
        # 6 rotary elements of 4 bytes are as many bytes as the 12 of a classifier in 2.
        (check,) = judge(number(DeclaredKind.INDEX_BYTES, 2 * 124 + 24))
        assert "the same sum comes of 2 x 124 weights + 4 x 6 position.inv_freq buffers" in check.how

    def test_a_type_that_the_config_does_not_state_is_found_and_said(self) -> None:
        (check,) = judge(number(DeclaredKind.INDEX_BYTES, 496), config={})
        assert check.how == "4 x 124 weights; the config states no element type, 4 bytes fit"

    def test_one_byte_off_is_not_explained(self) -> None:
        (check,) = judge(number(DeclaredKind.INDEX_BYTES, 249))
        assert not check.explained
        assert check.how.endswith("+1 bytes remain")

    def test_a_file_holds_its_data_and_headers(self) -> None:
        check, small, large = judge(
            number(DeclaredKind.FILE_BYTES, 248 + 700),
            number(DeclaredKind.FILE_BYTES, 100),
            number(DeclaredKind.FILE_BYTES, 248 + 1_000_000),
            names=NAMES,
        )
        assert (check.explained, check.computed, check.difference) == (True, 248, 700)
        assert "700 bytes beyond these 248 are headers, 100 for each of 7 tensors, not exact" in check.how
        assert not small.explained
        assert not large.explained

    def test_types_recorded_per_dtype_hold_for_sizes_of_files(self) -> None:
        *_, check = judge(
            number(DeclaredKind.DTYPE_TOTAL, 124, dtype="F32"),
            number(DeclaredKind.DTYPE_TOTAL, 6, dtype="I64"),
            number(DeclaredKind.FILE_BYTES, 4 * 124 + 8 * 6 + 900),
            config={},
        )
        assert check.computed == 4 * 124 + 8 * 6

    @pytest.mark.parametrize(("wide", "said"), [(0, "2 x 30 weights"), (8, "4 x 8 attention.A_log state weights")])
    def test_weights_of_a_recurrence_may_stay_in_f32(self, wide: int, said: str) -> None:
        states = (Term(slot("attention.A_log"), (Size.of(4),), LAYERS), Term(slot("attention.dt_bias"), (Size.of(3),)))
        formula = Formula("recurrent", "", (*states, Term(slot("mlp.up"), (Size.of(19),))))
        (check,) = judge(number(DeclaredKind.INDEX_BYTES, 2 * 30 + 2 * wide), formula=formula)
        assert check.explained
        assert said in check.how

    def test_an_index_may_count_a_bool_as_a_bit_and_a_file_hold_one_mask_for_all_layers(self) -> None:
        mask = Extra(Cause.STORED_BUFFER, (buffer("attention.mask", Size.of(800_000), layers=LAYERS),), "masks")
        formula = Formula("masked", "", (Term(slot("mlp.up"), (Size.of(1_000_000),)),), extras=(mask,))
        stored = naming.stored(formula, MASKED, ("up.weight", "h.0.bias", "h.1.bias"))
        bits, many = judging.judge(
            formula,
            (
                number(DeclaredKind.INDEX_BYTES, 2_000_000 + 2 * 100_000),
                number(DeclaredKind.FILE_BYTES, 2_000_000 + 800_000 + 300),
            ),
            names_present=stored,
            config={"torch_dtype": "float16"},
        )
        assert "1/8 x 1,600,000 attention.mask buffers" in bits.how
        assert "attention.mask held once for its 2 layers" in many.how
        assert bits.explained
        assert many.explained


class TestDtypes:
    """Elements per dtype."""

    def test_dtypes_of_a_source_are_judged_together(self) -> None:
        weights, rotary = judge(
            number(DeclaredKind.DTYPE_TOTAL, 124, dtype="BF16"), number(DeclaredKind.DTYPE_TOTAL, 6, dtype="F32")
        )
        assert (weights.how, rotary.how) == ("124 weights", "6 position.inv_freq buffers")

    def test_dtypes_of_two_sources_are_not(self) -> None:
        weights, rotary = judge(
            number(DeclaredKind.DTYPE_TOTAL, 124, dtype="BF16"),
            number(DeclaredKind.DTYPE_TOTAL, 6, dtype="F32", source="another"),
        )
        assert weights.explained
        assert not rotary.explained

    def test_a_right_sum_divided_wrongly_is_not_explained(self) -> None:
        checks = judge(
            number(DeclaredKind.DTYPE_TOTAL, 125, dtype="BF16"), number(DeclaredKind.DTYPE_TOTAL, 5, dtype="F32")
        )
        assert not any(check.explained for check in checks)

    def test_weights_are_no_integers(self) -> None:
        (check,) = judge(number(DeclaredKind.DTYPE_TOTAL, 124, dtype="I64"))
        assert not check.explained


class TestFp8:
    """DeepSeek-V3 in small: 2 layers of a 4 x 4 fp8 weight, a scale and a router bias each; one layer on top."""

    #: 124 parameters, 10 of the router, 16 + 32 of the layer on top, 2 + 1 scales.
    TOTAL = 124 + 10 + 48 + 3
    #: 48 fp8 elements; 124 - 32 + 32 others; 3 scales and 10 router elements in F32.
    PAYLOAD = 48 + 2 * (92 + 32) + 4 * (3 + 10)

    def test_elements_with_and_without_scales(self) -> None:
        checks = judge(
            number(DeclaredKind.HUB_TOTAL, self.TOTAL),
            number(DeclaredKind.HUB_TOTAL, self.TOTAL - 3),
            formula=FP8,
        )
        assert all(check.explained for check in checks)

    def test_scales_are_not_counted_without_their_weights(self) -> None:
        (check,) = judge(number(DeclaredKind.HUB_TOTAL, 124 + 10 + 2 + 1), formula=FP8)
        assert not check.explained

    def test_dtypes(self) -> None:
        checks = judge(
            number(DeclaredKind.DTYPE_TOTAL, 124, dtype="BF16"),
            number(DeclaredKind.DTYPE_TOTAL, 48, dtype="F8_E4M3"),
            number(DeclaredKind.DTYPE_TOTAL, 13, dtype="F32"),
            formula=FP8,
        )
        assert [check.how for check in checks] == [
            "124 weights",
            "48 quantised weights",
            "3 scales + 10 router.correction buffers",
        ]

    def test_bytes(self) -> None:
        (check,) = judge(number(DeclaredKind.PAYLOAD_BYTES, self.PAYLOAD), formula=FP8)
        assert check.explained

    def test_an_index_that_counts_two_bytes_for_each_element_is_wrong(self) -> None:
        numbers = (
            number(DeclaredKind.INDEX_BYTES, 2 * self.TOTAL),
            number(DeclaredKind.PAYLOAD_BYTES, self.PAYLOAD),
        )
        index, _ = judge(*numbers, formula=FP8)
        assert (index.explained, index.computed) == (True, self.PAYLOAD)
        assert index.how.startswith(f"wrong: it counts 2 bytes for each of {self.TOTAL} elements")
        wrong = [found for found in find(*numbers, formula=FP8) if found.cause is Cause.DECLARED]
        assert [(found.slot, found.explained) for found in wrong] == [("index_total_size", True)]

    def test_without_the_headers_nothing_says_that_it_is_wrong(self) -> None:
        (index,) = judge(number(DeclaredKind.INDEX_BYTES, 2 * self.TOTAL), formula=FP8)
        assert not index.explained
