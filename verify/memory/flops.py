"""Floating-point operations, as PyTorch's own counter sees them.

`torch.utils.flop_counter.FlopCounterMode` counts matrix products, convolutions and fused attention, two operations
for each multiplication with its addition, and nothing else: no norms, activations, softmax or scans. It does not
know grouped matrix products, which mixtures of experts use, so their rule is given here. In torch 2.13 it has no rule
for fused attention on a CPU either, so that with `sdpa` attention scores and values are not counted.
"""

from __future__ import annotations

from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def count() -> Iterator[dict[str, int]]:
    """Count in this block; the dictionary that it gives is filled with `total` at the end of the block."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found: dict[str, int] = {}
    rules = {torch.ops.aten._grouped_mm: _grouped}  # noqa: SLF001 - an operator's name in torch
    with FlopCounterMode(display=False, custom_mapping=rules) as counter:
        yield found
    found["total"] = int(counter.get_total_flops())


def _grouped(left: Sequence[int], right: Sequence[int], *args: Any, **kwargs: Any) -> int:
    """Operations of a grouped product: every row, or every column of a sum, is multiplied once.

    Args:
        left: `tokens x in`, or `out x tokens` where the sum is over tokens.
        right: `experts x in x out`, or `tokens x in`.
        args: What else the operator takes.
        kwargs: The same by name.
    """
    del args, kwargs
    return 2 * prod(left) * right[-1]
