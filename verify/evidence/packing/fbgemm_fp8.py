"""FBGEMM FP8, one scale per row: `weight : out x in` in F8_E4M3 and `weight_scale : out x 1`.

The experts of a Llama 4 stand in `in x out`, with `gate_up_proj_scale : experts x 1 x out` and `down_proj_scale :
experts x out x 1`.
"""

from collections.abc import Iterator, Mapping

from verify.evidence.packing._weight import FLOAT8, FLOATS, Fit, Layout, Part, Weight

SOURCE = "transformers integrations/fbgemm_fp8.py, FbgemmFp8Linear and FbgemmFp8Llama4TextExperts"
METHODS = ("fbgemm_fp8",)

_PARTS = {
    "weight_scale": Part("weight_scale", FLOATS),
    "gate_up_proj_scale": Part("scale", FLOATS, ("gate_up_proj",)),
    "down_proj_scale": Part("scale", FLOATS, ("down_proj",)),
}


def layout(_: Mapping[str, object]) -> Layout:
    """How this checkpoint stores its weights; no key of the config bears on it."""
    return Layout("fbgemm_fp8", {"": FLOAT8}, _PARTS, _fits, quantised=FLOAT8)


def _fits(weight: Weight) -> Iterator[Fit]:
    lead, rows, columns = weight.matrices()
    if lead:
        yield Fit(weight.values.shape, 8, {"scale": [(*lead, 1, columns), (*lead, columns, 1)]}, needed=("scale",))
    else:
        yield Fit(weight.values.shape, 8, {"weight_scale": [(rows, 1)]}, needed=("weight_scale",))
