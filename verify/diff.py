"""The differences between what a formula predicts and what a checkpoint holds."""

from collections.abc import Mapping

import msgspec

from verify.breakdown import EMPTY, Cell, Key
from verify.roles import Slot


class Difference(msgspec.Struct, frozen=True):
    """One slot of one layer in which formula and checkpoint are not equal.

    Attributes:
        slot: The layer type.
        layer: The layer index, or None outside the layers.
        expected: What the formula predicts; no tensors where it knows none.
        measured: What the checkpoint holds; no tensors where it has none.
    """

    slot: Slot
    layer: int | None
    expected: Cell
    measured: Cell

    @property
    def elements(self) -> int:
        """Measured minus expected elements; 0 where only the shapes differ."""
        return self.measured.elements - self.expected.elements


def diff(expected: Mapping[Key, Cell], measured: Mapping[Key, Cell]) -> tuple[Difference, ...]:
    """All cells that are not equal in number of tensors and in every shape, in order of appearance."""
    keys = dict.fromkeys((*expected, *measured))
    return tuple(
        Difference(slot, layer, left, right)
        for slot, layer in keys
        if not (left := expected.get((slot, layer), EMPTY)).agrees(right := measured.get((slot, layer), EMPTY))
    )
