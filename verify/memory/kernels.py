"""What operators give on a CPU where torch's rules for fake tensors say something else.

Each answer is held against the real operator by a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import torch


def answers() -> AbstractContextManager[Any]:
    """Answer for some operators in this block with tensors of the shapes, dtypes and sizes that a CPU gives."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    known: dict[Any, Callable[..., Any]] = {
        torch.ops.aten._grouped_mm.default: _grouped_mm,  # noqa: SLF001 - an operator's name in torch
        torch.ops.aten.native_layer_norm.default: _layer_norm,
        torch.ops.aten.rand.default: _rand,
    }

    class Answers(TorchDispatchMode):
        """Looks an operator up before torch does."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            answer = known.get(func)
            result = answer(*args, **(kwargs or {})) if answer else None
            return func(*args, **(kwargs or {})) if result is None else result

    return Answers()  # type: ignore[no-untyped-call]


def _grouped_mm(
    left: torch.Tensor,
    right: torch.Tensor,
    offs: torch.Tensor,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """The product of each group of rows with its own matrix, `tokens x out`, or of columns, `experts x in x out`.

    torch's rule is that of CUDA, which takes bfloat16 only (`torch/_meta_registrations.py`, `_meta_grouped_mm_common`).
    """
    del bias
    rows, matrices = left.dim() == 2, right.dim() == 2  # noqa: PLR2004 - axes of a matrix
    groups = (offs.shape[0],) if rows and matrices else ()
    return left.new_empty((*groups, left.shape[-2], right.shape[-1]), dtype=out_dtype or left.dtype)


def _layer_norm(
    values: torch.Tensor, shape: list[int], weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Normalised values, means and deviations; these in the dtype of the weight where it differs, as under autocast.

    torch's rule gives all of them the dtype of the values, which is right only where the weight has it, too
    (`aten/src/ATen/native/layer_norm.cpp`, `layer_norm_cpu`).
    """
    del bias, eps
    if weight is None or weight.dtype == values.dtype:
        return None
    kept = (*values.shape[: values.dim() - len(shape)], *(1 for _ in shape))
    return values.new_empty(values.shape), weight.new_empty(kept), weight.new_empty(kept)


def _rand(size: list[int], **_: Any) -> torch.Tensor | None:
    """A single random number: 1, the end of its range, which fake tensors know, so that no layer is ever dropped.

    Models with `layerdrop` draw one for each layer and compare it (`modeling_m2m_100.py`, `M2M100Decoder.forward`).
    """
    import torch

    return None if size else torch.tensor(1.0)
