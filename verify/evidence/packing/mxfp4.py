"""MXFP4 of gpt-oss: blocks of 32 values in 16 bytes, with an exponent in a byte for each block.

The experts of a layer have `gate_up_proj_blocks : experts x out x (in / 32) x 16` and `gate_up_proj_scales : experts
x out x (in / 32)`, likewise for `down_proj`; unpacked they are `experts x in x out`, as the module has them.
"""

from collections.abc import Iterator, Mapping

from verify.evidence.packing._weight import Fit, Layout, Part, Weight

SOURCE = (
    "transformers integrations/mxfp4.py, Mxfp4GptOssExperts and convert_moe_packed_tensors; "
    "OCP Microscaling Formats specification 1.0, section 5.3"
)
METHODS = ("mxfp4",)

_U8 = frozenset({"U8"})
_PARTS = {
    f"{name}_{part}": Part(part, _U8, (name,))
    for name in ("gate_up_proj", "down_proj")
    for part in ("blocks", "scales")
}
#: Bytes of a block, which hold two values each.
_BYTES = 16


def layout(_: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights; what it leaves as it is, its names show."""
    return Layout("mxfp4", {"blocks": _U8}, _PARTS, _fits)


def _fits(weight: Weight) -> Iterator[Fit]:
    match weight.values.shape:
        case (experts, out, blocks, length) if length == _BYTES:
            into = blocks * 2 * _BYTES
            yield Fit((experts, into, out), 4, {"scales": [(experts, out, blocks)]}, needed=("scales",))
