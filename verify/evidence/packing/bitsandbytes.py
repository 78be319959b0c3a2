"""bitsandbytes: LLM.int8() and the 4-bit types NF4 and FP4.

In 8 bits a linear layer keeps `weight : out x in` in I8 and has `SCB : out`, and perhaps a number
`weight_format`, beside it. In 4 bits all values stand in one column, two in a byte (or more in the element type
of `bnb_4bit_quant_storage`), with one `absmax` for each block and the 16 values of the type in `quant_map`. With
double quantisation `absmax` is in U8 and has a `nested_absmax` for each 256 and a `nested_quant_map` of its own.
The axes of the weight and the length of a block stand in a JSON text, `quant_state`: data, which a header does
not show. So only the number of elements is known, and the blocks must fit one of the lengths there are.
"""

from collections.abc import Iterator, Mapping

from verify.errors import FormatError
from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import Fit, Layout, Part, Weight

SOURCE = (
    "bitsandbytes bitsandbytes/functional.py, QuantState.as_dict and quantize_4bit; bitsandbytes/nn/modules.py, "
    "Linear4bit and Linear8bitLt._save_to_state_dict; transformers quantizers/quantizer_bnb_4bit.py"
)
METHODS = ("bitsandbytes",)

#: Element types of `bnb_4bit_quant_storage`.
_STORAGE = frozenset({"U8", "I8", "BF16", "F16", "F32"})
#: Values of a block, the default first (`quantize_4bit`, `blocksize`).
_BLOCKS = (64, 128, 256, 512, 1024, 2048, 4096, 32)
#: Values of a block of `absmax` (`QuantState`, `state2`).
_NESTED = 256
_F32 = frozenset({"F32"})
_U8 = frozenset({"U8"})
_INT8 = {"SCB": Part("SCB", _F32), "weight_format": Part("weight_format", _U8)}
_FOUR_BIT = {
    "weight.absmax": Part("absmax", _U8 | _F32),
    "weight.quant_map": Part("quant_map", _F32),
    "weight.nested_absmax": Part("nested_absmax", _F32),
    "weight.nested_quant_map": Part("nested_quant_map", _F32),
    "weight.quant_state.bitsandbytes__nf4": Part("quant_state", _U8),
    "weight.quant_state.bitsandbytes__fp4": Part("quant_state", _U8),
}


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: The config asks for neither 8 nor 4 bits, or for both.
    """
    four, eight = (bool(section.get(f"load_in_{bits}bit")) for bits in (4, 8))
    if four == eight:
        raise FormatError(
            f"{read.KEY}: load_in_8bit is {eight}, load_in_4bit is {four}", expected="one of them to be true"
        )
    if eight:
        return Layout("bitsandbytes int8", {"": frozenset({"I8"})}, _INT8, _int8, quantised=frozenset({"I8"}))
    kind = read.one_of(section, "bnb_4bit_quant_type", known=frozenset({"nf4", "fp4"}), default="fp4")
    return Layout(f"bitsandbytes {kind}", {"": _STORAGE}, _FOUR_BIT, _four_bit, quantised=_U8 | {"I8"})


def _int8(weight: Weight) -> Iterator[Fit]:
    _, out, into = weight.matrices()
    yield Fit((out, into), 8, {"SCB": [(out,)], "weight_format": [(), (1,)]}, needed=("SCB",))


def _four_bit(weight: Weight) -> Iterator[Fit]:
    values = weight.values.bits // 4
    nested = "nested_absmax" in weight.parts
    state = weight.parts.get("quant_state")
    for length in _BLOCKS:
        blocks = -(-values // length)
        parts = {
            "absmax": [(blocks,)],
            "quant_map": [(16,)],
            "quant_state": [state.shape] if state and len(state.shape) == 1 else [(0,)],
        }
        if nested:
            parts |= {"nested_absmax": [(-(-blocks // _NESTED),)], "nested_quant_map": [(256,)]}
        needed = ("absmax", "quant_map", "quant_state", *(("nested_quant_map",) if nested else ()))
        yield Fit((values,), 4, parts, needed, flat=True)
