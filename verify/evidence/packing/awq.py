"""AWQ: eight values of a row packed along the output axis of the transposed weight.

A linear layer of `out x in` has `qweight : in x (out bits / 32)`, `qzeros : groups x (out bits / 32)` and `scales
: groups x out`, with `groups = in / group_size`. This is the layout called `gemm`, which nearly all files have.
"""

from collections.abc import Iterable, Mapping

from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import FLOATS, Fit, Layout, Part, Weight

SOURCE = (
    "AutoAWQ awq/modules/linear/gemm.py, WQLinear_GEMM.__init__; transformers utils/quantization_config.py, AwqConfig"
)
METHODS = ("awq",)

_WORDS = frozenset({"I32"})
_PARTS = {"qweight": Part("qweight", _WORDS), "qzeros": Part("qzeros", _WORDS), "scales": Part("scales", FLOATS)}
#: `version` is its older name; `gemv` and `gemv_fast` pad their scales for one kernel.
_FORMATS = frozenset({"gemm"})


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: A key is impossible, or names a format that is not known.
    """
    read.one_of(section, "version", "format", known=_FORMATS, default="gemm")
    bits = read.integer(section, "bits", "w_bit", default=4)
    group = read.group_size(section, "group_size", "q_group_size", default=128)
    return Layout("awq", {"qweight": _WORDS}, _PARTS, lambda weight: [_fit(weight, bits, group)])


def _fit(weight: Weight, bits: int, group: int) -> Fit:
    _, into, words = weight.matrices()
    out = words * weight.values.dtype.bits // bits
    groups = into // (group or into)
    parts: dict[str, Iterable[tuple[int, ...]]] = {"scales": [(groups, out)], "qzeros": [(groups, words)]}
    return Fit((out, into), bits, parts, needed=("scales", "qzeros"))
