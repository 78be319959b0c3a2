"""FP8, one value per element: fine-grained with a scale per block, or with one number per tensor.

A linear layer keeps `weight : out x in` in F8_E4M3 and has `weight_scale_inv : ceil(out / rows) x ceil(in /
columns)` for blocks of `weight_block_size`, or one number where that is null. With a static activation scheme
`activation_scale` is a number beside it. AutoFP8 and vLLM call a scale per tensor or row `weight_scale` and that of
the activations `input_scale`. `mxfp8` has blocks of 1 x 32. Experts in FP4 (`expert_dtype`) have two values in
each I8 and a scale per row and 32 values.
"""

from collections.abc import Iterable, Iterator, Mapping

from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import FLOAT8, FLOATS, SCALAR, Fit, Layout, Part, Shape, Weight

SOURCE = (
    "transformers integrations/finegrained_fp8.py, FP8Linear.__init__, FP8Experts.__init__ and _alloc_expert_proj; "
    "transformers quantizers/quantizer_finegrained_fp8.py; AutoFP8 auto_fp8/quantize.py"
)
METHODS = ("fp8", "mxfp8")

_SCALES = FLOATS | {"F8_E8M0", "U8"}  # U8 holds the bytes of F8_E8M0 where a writer did not know the type
_EXPERTS = ("gate_up_proj", "up_proj", "down_proj")
_PARTS = {
    "weight_scale_inv": Part("weight_scale_inv", _SCALES),
    "activation_scale": Part("activation_scale", FLOATS),
    "weight_scale": Part("weight_scale", FLOATS),
    "input_scale": Part("input_scale", FLOATS),
    "k_scale": Part("k_scale", FLOATS, ("weight", "k_proj.weight")),
    "v_scale": Part("v_scale", FLOATS, ("weight", "v_proj.weight")),
    **{f"{name}_scale_inv": Part("scale_inv", _SCALES, (name,)) for name in _EXPERTS},
    **{f"{name}_activation_scale": Part("activation_scale", FLOATS, (name,)) for name in _EXPERTS},
}
#: What makes a weight a quantised one; scales of activations and of the cache also stand beside others.
_SCALED = frozenset({"weight_scale_inv", "weight_scale", "scale_inv"})
#: An FP4 weight has a scale for each so many values of a row.
_FP4_GROUP = 32


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: A key is impossible.
    """
    read.one_of(section, "activation_scheme", known=frozenset({"dynamic", "static"}), default="dynamic")
    name = str(section["quant_method"])
    block = read.block(section, "weight_block_size")
    if name == "mxfp8":
        block = block or (1, 32)
    elif "weight_block_size" not in section:
        block = (128, 128)  # the default of FineGrainedFP8Config; null asks for one number per tensor
    # FP8Linear multiplies a weight that was left in more than a byte as it is, scale or not.
    values = {"": FLOAT8 | FLOATS | {"I8"}}
    return Layout(name, values, _PARTS, lambda weight: _fits(weight, block), quantised=FLOAT8 | {"I8"})


def _fits(weight: Weight, block: tuple[int, int] | None) -> Iterator[Fit]:
    lead, out, into = weight.matrices()
    packed = weight.values.dtype.name == "I8"
    scale = _blocks(lead, out, into, block)
    if packed:
        into *= 2
        scale = [(*lead, out, -(-into // _FP4_GROUP))]
    shape = (*lead, out, into)
    bits = 4 if packed else weight.values.dtype.bits
    beside: dict[str, Iterable[Shape]] = {
        "activation_scale": (lead,) if lead else SCALAR,
        "input_scale": SCALAR,
        "k_scale": SCALAR,
        "v_scale": SCALAR,
    }
    if weight.values.dtype.name in FLOATS and not _SCALED & weight.parts.keys():
        yield Fit(shape, bits, beside)
        return
    own = "weight_scale_inv" if weight.name.rpartition(".")[2] == "weight" else "scale_inv"
    yield Fit(shape, bits, {own: scale, **beside}, needed=(own,))
    if not packed:
        yield Fit(shape, bits, {"weight_scale": (*SCALAR, (out,), (out, 1)), **beside}, needed=("weight_scale",))


def _blocks(lead: Shape, out: int, into: int, block: tuple[int, int] | None) -> list[Shape]:
    if block is None:
        return [(*lead, 1, 1)] if lead else list(SCALAR)
    rows, columns = -(-out // block[0]), -(-into // block[1])
    # The gate and the upward projection of experts have a row each, however small they are.
    return [(*lead, rows, columns), *([(*lead, max(rows, 2), columns)] if lead else [])]
