"""GPTQ: values of a column packed along the input axis of the transposed weight.

A linear layer of `out x in` has `qweight : (in bits / word) x out` in words of 32 bits, `scales : groups x out`,
`qzeros : groups x (out bits / word)`, and with an order of activation `g_idx : in`; `groups` is `in` divided by
the group size, rounded up, or 1 where the size is -1. The zero bias that the format gives to layers without
one is a plain tensor, which only a formula can tell from a real bias.
"""

from collections.abc import Iterable, Iterator, Mapping

from verify.errors import FormatError
from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import FLOATS, Fit, Layout, Part, Weight

SOURCE = (
    "AutoGPTQ auto_gptq/nn_modules/qlinear/qlinear_cuda_old.py, QuantLinear.__init__ and pack; "
    "transformers utils/quantization_config.py, GPTQConfig"
)
METHODS = ("gptq",)

_WORDS = frozenset({"I32", "I16", "I8"})  # `pack_dtype` of GPTQModel; AutoGPTQ has I32 only
_PARTS = {
    "qweight": Part("qweight", _WORDS),
    "qzeros": Part("qzeros", _WORDS),
    "scales": Part("scales", FLOATS),
    "g_idx": Part("g_idx", frozenset({"I32", "I64"})),
}
#: `checkpoint_format` is its older name. The others (marlin, bitblas, ...) are made for one kernel each.
_FORMATS = frozenset({"gptq", "gptq_v2"})


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: A key is missing or impossible, or names a format that is not known.
    """
    read.one_of(section, "checkpoint_format", "format", known=_FORMATS, default="gptq")
    if section.get("is_marlin_format"):
        raise FormatError(f"{read.KEY}.is_marlin_format is true", expected="false", hint="marlin is not known here")
    widths = tuple(_widths(section))
    return Layout(
        "gptq", {"qweight": _WORDS}, _PARTS, lambda weight: (_fit(weight, bits, group) for bits, group in widths)
    )


def _widths(section: Mapping[str, object]) -> Iterator[tuple[int, int]]:
    """Bits and group size of all layers, and of those that `dynamic` gives their own."""
    bits, group = read.integer(section, "bits"), read.group_size(section, default=128)
    yield bits, group
    for own in read.objects(section, "dynamic").values():
        yield read.integer(own, "bits", default=bits), read.group_size(own, default=group or -1)


def _fit(weight: Weight, bits: int, group: int) -> Fit:
    _, rows, out = weight.matrices()
    word = weight.values.dtype.bits
    into = rows * word // bits
    groups = -(-into // (group or into))
    parts: dict[str, Iterable[tuple[int, ...]]] = {
        "scales": [(groups, out)],
        "qzeros": [(groups, out * bits // word)],
        "g_idx": [(into,)],
    }
    return Fit((out, into), bits, parts, needed=("scales", "qzeros"))
