"""What recorded numbers and names say about a checkpoint."""

from collections.abc import Iterable

import pytest
from small_model import (
    BACKBONE,
    FP8,
    NAMES,
    PREFIXED,
    ROTARY,
    SMALL,
    TABLE,
    find,
    number,
    weight,
)

from verify.declared import names as naming
from verify.evidence.base import DeclaredKind
from verify.formula import Formula
from verify.names import NameTable, buffers, slot
from verify.roles import Cause, Fused


class TestFindings:
    """What the numbers say about the checkpoint."""

    def test_an_exact_number_is_no_finding(self) -> None:
        assert find(number(DeclaredKind.HUB_TOTAL, 124), number(DeclaredKind.INDEX_BYTES, 248)) == ()

    def test_what_the_hub_counts_besides_is_one(self) -> None:
        (found,) = find(number(DeclaredKind.INDEX_BYTES, 248), number(DeclaredKind.HUB_TOTAL, 130))
        assert (found.cause, found.elements, found.slot, found.explained) == (
            Cause.STORED_BUFFER,
            6,
            "position.inv_freq",
            True,
        )
        assert found.detail == "rotary; counted in hub_total 130"

    def test_what_the_names_prove_is_one_without_any_number(self) -> None:
        (found,) = find(names=(*NAMES, *ROTARY))
        assert (found.cause, found.elements, found.explained) == (Cause.STORED_BUFFER, 6, True)

    def test_a_bare_model_is_one(self) -> None:
        for found in (find(number(DeclaredKind.HUB_TOTAL, 84)), find(names=BACKBONE)):
            assert [(each.cause, each.elements, each.slot) for each in found] == [
                (Cause.OTHER_HEAD, -40, "head.lm_head")
            ]

    def test_a_convention_of_counting_is_none(self) -> None:
        assert find(number(DeclaredKind.COUNTED, 44)) == ()

    def test_a_number_that_counts_what_is_not_stored_is_wrong(self) -> None:
        (found,) = find(number(DeclaredKind.TOTAL_PARAMETERS, 136), names=NAMES)
        assert (found.cause, found.elements, found.explained) == (Cause.DECLARED, 12, True)

    def test_a_number_that_nothing_gives_stays_unexplained(self) -> None:
        (found,) = find(number(DeclaredKind.HUB_TOTAL, 125))
        assert (found.cause, found.elements, found.slot, found.explained) == (Cause.DECLARED, 1, "hub_total", False)
        assert "somebody" in found.detail


class TestNames:
    """Recorded names beside the formula."""

    @staticmethod
    def differences(names: Iterable[str]) -> list[tuple[Cause, int, str]]:
        found = naming.names_differences(SMALL, TABLE, names)
        assert not any(each.explained for each in found)
        return [(each.cause, each.elements, each.slot) for each in found]

    @pytest.mark.parametrize("names", [NAMES, (*NAMES, *ROTARY), (*NAMES, "score.weight"), BACKBONE])
    def test_what_the_formula_or_an_extra_has_is_no_difference(self, names: tuple[str, ...]) -> None:
        assert self.differences(names) == []

    def test_a_missing_tensor(self) -> None:
        names = [name for name in NAMES if name != "model.layers.1.q.weight"]
        assert self.differences(names) == [(Cause.MISSING, -16, "attention.q")]

    def test_a_missing_head_under_a_prefix(self) -> None:
        assert self.differences(PREFIXED) == [(Cause.MISSING, -40, "head.lm_head")]

    def test_part_of_an_extra(self) -> None:
        assert self.differences((*NAMES, ROTARY[0])) == [(Cause.EXTRA, 3, "position.inv_freq")]

    def test_a_layer_too_many(self) -> None:
        found = self.differences((*NAMES, "model.layers.2.q.weight"))
        assert [(cause, slot) for cause, _, slot in found] == [(Cause.EXTRA, "attention.q")]

    def test_a_name_in_no_table(self) -> None:
        assert self.differences((*NAMES, "model.unheard.of")) == [(Cause.UNCLASSIFIED, 0, "model.unheard.of")]

    def test_a_fused_tensor_holds_a_tensor_of_each_slot(self) -> None:
        table = NameTable({"both": Fused((slot("mlp.gate"), slot("mlp.up")), stacked=False)})
        terms = (*weight("mlp.gate", 2, 2), *weight("mlp.up", 2, 2))
        assert naming.names_differences(Formula("fused", "", terms), table, ["both"]) == ()

    def test_scales_stand_beside_their_weight(self) -> None:
        formula = FP8
        names = (*NAMES, *(f"model.layers.{layer}.q.weight_scale_inv" for layer in (0, 1)))
        table = NameTable(
            {**TABLE.backbone, **buffers({"layers.{}.bias": "router.correction"})}, TABLE.head, TABLE.prefixes
        )
        biases = ("model.layers.0.bias", "model.layers.1.bias")
        assert naming.names_differences(formula, table, (*names, *biases)) == ()
