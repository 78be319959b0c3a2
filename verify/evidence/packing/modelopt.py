"""NVIDIA Model Optimizer: NVFP4 and FP8, side by side where a checkpoint mixes them.

NVFP4 keeps `weight : out x (in / 2)` in U8, two values in a byte, with `weight_scale : out x (in / 16)` in F8_E4M3
and one number `weight_scale_2`. FP8 keeps `weight : out x in` in F8_E4M3 with `weight_scale`, a number or one per
row. Either may have a number `input_scale`, and the cache of keys and values `k_scale` and `v_scale`.
"""

from collections.abc import Iterable, Iterator, Mapping

from verify.errors import FormatError
from verify.evidence.packing import _read as read
from verify.evidence.packing._weight import FLOAT8, FLOATS, SCALAR, Fit, Layout, Part, Shape, Weight

SOURCE = (
    "NVIDIA Model-Optimizer modelopt/torch/export/unified_export_hf.py, _export_quantized_weight, "
    "modelopt/torch/export/convert_hf_config.py and docs deployment/3_unified_hf"
)
METHODS = ("modelopt",)

#: Algorithms whose tensors are known, besides the mix of them.
_ALGORITHMS = frozenset({"fp8", "fp8_per_channel_per_token", "nvfp4", "w4a16_nvfp4"})
_MIXED = "mixed_precision"
_PARTS = {
    "weight_scale": Part("weight_scale", FLOATS | FLOAT8),
    "weight_scale_2": Part("weight_scale_2", FLOATS),
    "input_scale": Part("input_scale", FLOATS),
    "k_scale": Part("k_scale", FLOATS, ("weight", "k_proj.weight")),
    "v_scale": Part("v_scale", FLOATS, ("weight", "v_proj.weight")),
}
_QUANTISED = frozenset({"U8", "F8_E4M3"})
#: Layers that keep their precision may have scales of the cache beside them all the same.
_VALUES = {"": _QUANTISED | FLOATS}


def layout(section: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights.

    Raises:
        FormatError: An algorithm is not known.
    """
    # Older exports carry hf_quant_config.json as it is, with the algorithm one level down.
    nested = section.get("quantization")
    section = nested if isinstance(nested, Mapping) else section
    read.one_of(section, "quant_algo", known=_ALGORITHMS | {_MIXED})
    layers = read.objects(section, "quantized_layers")
    for name, layer in layers.items():
        algorithm = layer.get("quant_algo")
        if str(algorithm).lower() not in _ALGORITHMS:
            raise FormatError(
                f"{read.KEY}.quantized_layers[{name!r}].quant_algo is {algorithm!r}",
                expected=" or ".join(sorted(_ALGORITHMS)),
            )
    sizes = {read.group_size(entry, default=16) for entry in (section, *layers.values())}
    return Layout("modelopt", _VALUES, _PARTS, lambda weight: _fits(weight, sizes), quantised=_QUANTISED)


def _fits(weight: Weight, sizes: Iterable[int]) -> Iterator[Fit]:
    lead, out, columns = weight.matrices()
    beside: dict[str, Iterable[Shape]] = {"input_scale": SCALAR, "k_scale": SCALAR, "v_scale": SCALAR}
    if weight.values.dtype.name in FLOATS:
        yield Fit(weight.values.shape, weight.values.dtype.bits, beside)
        return
    if weight.values.dtype.name == "F8_E4M3":
        scales = (*SCALAR, (out,), (out, 1))
        yield Fit(weight.values.shape, 8, {"weight_scale": scales, **beside}, needed=("weight_scale",))
        return
    into = 2 * columns
    for size in sizes:
        parts = {"weight_scale": [(*lead, out, into // (size or into))], "weight_scale_2": SCALAR, **beside}
        yield Fit((*lead, out, into), 4, parts, needed=("weight_scale", "weight_scale_2"))
