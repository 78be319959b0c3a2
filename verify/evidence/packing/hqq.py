"""HQQ: groups of values packed along their first axis, with a scale and a zero for each group.

A linear layer has `W_q`, `scale` and `zero`, and each of its settings as a tensor of its own (`nbits`, `shape`, ...).
The axes of the weight stand in the data of `shape`, which a header does not show: only the number of elements is
known, as groups times the group size, and `W_q` must have room for exactly as many.
"""

from collections.abc import Iterable, Iterator, Mapping

from verify.errors import FormatError
from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import FLOATS, INTEGERS, SCALAR, Fit, Layout, Part, Shape, Weight

SOURCE = (
    "hqq hqq/core/quantize.py, Quantizer.quantize and HQQLinear.state_dict; hqq/core/bitpack.py, BitPack; "
    "transformers utils/quantization_config.py, HqqConfig"
)
METHODS = ("hqq",)

_SETTINGS = (
    "nbits", "group_size", "shape", "axis", "packing", "unpack_view_dtype", "view_as_float", "quant_scale",
    "quant_zero", "compute_dtype", "offload_meta", "encoded_state_dict", "stores_quant_config", "channel_wise",
    "optimize", "round_zero",
)  # fmt: skip
_VALUES = {"W_q": FLOATS | INTEGERS}  # `view_as_float` shows the same bytes as floats
_PARTS = {
    "W_q": Part("W_q", _VALUES["W_q"]),
    "scale": Part("scale", FLOATS),
    "zero": Part("zero", FLOATS),
    **{name: Part(name, FLOATS | INTEGERS | {"BOOL"}) for name in _SETTINGS},
}
#: The widths that fill a byte; the others leave bits of a word empty.
_WIDTHS = frozenset({8, 4, 2, 1})


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: A key is missing or impossible, a width does not fill a byte, or scales are quantised too.
    """
    plain = section.get("quant_config")
    if not isinstance(plain, Mapping):
        raise FormatError(f"{read.KEY}.quant_config is {plain!r}", expected="an object")
    # One set of parameters for all layers, or one for each of `self_attn.q_proj`, ...
    sets = (plain,) if "weight_quant_params" in plain else tuple(read.objects(section, "quant_config").values())
    widths = tuple(dict.fromkeys(_width(entry) for entry in sets))
    return Layout("hqq", _VALUES, _PARTS, lambda weight: _fits(weight, widths))


def _width(entry: Mapping[str, object]) -> tuple[int, int]:
    """Bits and group size of one set of parameters."""
    for name in ("scale_quant_params", "zero_quant_params"):
        if entry.get(name) is not None:
            raise FormatError(f"{read.KEY}.quant_config.{name} is set", expected="null, as hqq itself writes no other")
    weights = entry.get("weight_quant_params")
    if not isinstance(weights, Mapping):
        raise FormatError(f"{read.KEY}.quant_config.weight_quant_params is {weights!r}", expected="an object")
    bits = read.integer(weights, "nbits")
    if bits not in _WIDTHS:
        raise FormatError(f"{read.KEY}.quant_config: nbits is {bits}", expected="1, 2, 4 or 8")
    return bits, read.integer(weights, "group_size")


def _fits(weight: Weight, widths: tuple[tuple[int, int], ...]) -> Iterator[Fit]:
    # Each setting is a number, or a list of them: the axes, the letters of a word.
    settings = {
        name: [tensor.shape] for name, tensor in weight.parts.items() if name in _SETTINGS and len(tensor.shape) <= 1
    }
    for bits, group in widths:
        values = weight.values.bits // bits
        groups = values // group
        scales = [(groups, 1), (1, groups)]
        parts: dict[str, Iterable[Shape]] = {**settings, "scale": scales, "zero": [*scales, *SCALAR]}
        yield Fit((values,), bits, parts, needed=("scale", "zero"), flat=True)
