"""Quantised checkpoints: the only place that tells logical tensors from packed ones and bookkeeping.

The scheme is read from `quantization_config`; nothing else of the config is looked at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verify.errors import FormatError
from verify.tensor import Tensor

#: For each scheme, the last part of the names of bookkeeping tensors, each beside a `weight`.
#: fp8: transformers `integrations/finegrained_fp8.py`, `FP8Linear.weight_scale_inv`, one F32 per block.
_BOOKKEEPING = {"": frozenset[str](), "fp8": frozenset({"weight_scale_inv"})}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A checkpoint after unpacking.

    Attributes:
        tensors: Logical tensors, each with the size in bits that is stored for it.
        bookkeeping: Tensors that only serve to unpack others: (tensor, name of the weight, part).
    """

    tensors: tuple[tuple[Tensor, int], ...]
    bookkeeping: tuple[tuple[Tensor, str, str], ...] = ()


def scheme(config: Mapping[str, object]) -> str:
    """The quantisation scheme of a checkpoint, or "" where it has none.

    Raises:
        FormatError: The scheme is not known, so that its tensors cannot be counted.
    """
    quantization = config.get("quantization_config")
    if quantization is None:
        return ""
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if method not in _BOOKKEEPING:
        raise FormatError(
            f"quantization_config.quant_method is {method!r}",
            expected=", ".join(sorted(filter(None, _BOOKKEEPING))),
            hint="this scheme cannot be unpacked yet",
        )
    return str(method)


def unpack(tensors: Iterable[Tensor], method: str) -> Unpacked:
    """Separate logical tensors from bookkeeping.

    Args:
        tensors: The stored tensors.
        method: The scheme, from `scheme`.
    """
    suffixes = _BOOKKEEPING[method]
    logical: list[tuple[Tensor, int]] = []
    bookkeeping: list[tuple[Tensor, str, str]] = []
    for tensor in tensors:
        module, _, last = tensor.name.rpartition(".")
        if last in suffixes:
            bookkeeping.append((tensor, f"{module}.weight", last))
        else:
            logical.append((tensor, tensor.bits))
    return Unpacked(tuple(logical), tuple(bookkeeping))
