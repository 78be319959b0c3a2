"""EETQ: `weight : in x out` in I8, transposed for its kernel, with one scale per output in `weight_scales : out`."""

from collections.abc import Iterator, Mapping

from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import FLOATS, Fit, Layout, Part, Weight

SOURCE = "transformers integrations/eetq.py, EetqLinear.__init__ and EetqQuantize.convert"
METHODS = ("eetq",)

_I8 = frozenset({"I8"})
_PARTS = {"weight_scales": Part("weight_scales", FLOATS)}


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: It asks for another element type than int8.
    """
    read.one_of(section, "weights", known=frozenset({"int8"}), default="int8")
    return Layout("eetq", {"": _I8}, _PARTS, _fits, quantised=_I8)


def _fits(weight: Weight) -> Iterator[Fit]:
    _, into, out = weight.matrices()
    yield Fit((out, into), 8, {"weight_scales": [(out,)]}, needed=("weight_scales",))
