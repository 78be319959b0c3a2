"""Floating-point operations, by the rules of PyTorch's own counter.

The rules of `torch.utils.flop_counter.FlopCounterMode` count matrix products, convolutions and fused attention, two
operations for each multiplication with its addition, and nothing else: no norms, activations, softmax or scans. They do
not know grouped matrix products, which mixtures of experts use, so their rule is given here. torch 2.13 has none for
fused attention on a CPU either, so that with `sdpa` attention scores and values are not counted.

The counter itself takes operators apart while it counts (`OpOverload.decompose`) and so has them allocate what they
otherwise do not; the rules alone leave the run as it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


@contextmanager
def count() -> Iterator[dict[str, int]]:
    """Count in this block; the dictionary that it gives is filled with `total` at the end of the block."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    found = {"total": 0}
    rules = {**flop_registry, torch.ops.aten._grouped_mm: _grouped}  # noqa: SLF001 - an operator's name in torch

    class Counting(TorchDispatchMode):
        """Runs each operator, and adds what its rule says."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            result = func(*args, **(kwargs or {}))
            rule = rules.get(func._overloadpacket)  # noqa: SLF001 - what the rules go by
            if rule:
                found["total"] += int(rule(*args, **(kwargs or {}), out_val=result))
            return result

    with Counting():  # type: ignore[no-untyped-call]
        yield found


def _grouped(left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    """Operations of a grouped product: every row, or every column of a sum, is multiplied once.

    Args:
        left: `tokens x in`, or `out x tokens` where the sum is over tokens.
        right: `experts x in x out`, or `tokens x in`.
    """
    return 2 * left.numel() * right.shape[-1]
