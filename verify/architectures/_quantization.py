"""What quantised checkpoints hold beside their weights.

`fp8` (fine-grained): each linear layer of the transformer blocks has its weight in F8_E4M3 and beside it
`weight_scale_inv : ceil(out / block rows) x ceil(in / block columns)` in F32. Embeddings, the output
layer, routers, norms and what joins a multi-token-prediction layer to the model stay as they were.

Source: transformers `integrations/finegrained_fp8.py`, `FP8Linear.__init__`; DeepSeek-AI 2024,
arXiv:2412.19437, section 3.3 (128 x 128 blocks; embedding, head, gating and norms keep their precision).
"""

from collections.abc import Iterable

from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Term
from verify.roles import Cause, Kind, Role, Slot
from verify.symbols import Size

#: The roles whose linear layers are quantised.
QUANTISED = frozenset({Role.ATTENTION, Role.MLP, Role.EXPERTS})

#: What the scales are called beside their weight.
SUFFIX = "weight_scale_inv"

#: Rows and columns of a block where the config does not say (transformers `FineGrainedFP8Config`).
BLOCK = (128, 128)


def fp8_scales(config: Config, terms: Iterable[Term]) -> tuple[Extra, ...]:
    """The scales that an fp8 checkpoint stores beside the weights of some terms.

    Call it once for the model and once for each group that a file may hold or lack, such as a
    multi-token-prediction layer, so that the scales of each stand or fall with their weights.

    Args:
        config: Where `quantization_config` is read.
        terms: The terms to look through; only 2-D weights in attention, MLP and experts have scales.

    Returns:
        One group with one scale tensor for each such weight, in the same layers and as many copies;
        nothing when the checkpoint is not fp8 or no term qualifies.

    Raises:
        ConfigError: The blocks are no two whole numbers, or the activations have scales of their own.
    """
    if "quantization_config" not in config:
        return ()
    section = config.section("quantization_config")
    if section.text("quant_method", default="") != "fp8":
        return ()
    rows, columns = _block(section)
    scales = tuple(_scale(term, rows, columns) for term in terms if _is_quantised(term))
    note = f"one {SUFFIX} for each {rows} x {columns} block of an fp8 weight (transformers finegrained_fp8.py)"
    return (Extra(Cause.SCALES, scales, note),) if scales else ()


def _block(section: Config) -> tuple[int, int]:
    """Rows and columns of a block; the other keys that bear on the scales are read and checked."""
    section.text("fmt", default="e4m3")
    activations = section.text("activation_scheme", default="dynamic")
    if activations != "dynamic":
        raise ConfigError(
            f"quantization_config.activation_scheme is {activations!r}",
            expected="'dynamic'",
            hint="the scales of static activations have no formula yet",
        )
    block = section.items("weight_block_size", default=BLOCK)
    match block:
        case (int(rows), int(columns)) if rows > 0 and columns > 0 and bool not in map(type, block):
            return rows, columns
    raise ConfigError(
        f"quantization_config.weight_block_size is {list(block)}",
        expected="two whole numbers of at least 1",
        hint="correct config.json",
    )


def _is_quantised(term: Term) -> bool:
    return term.slot.role in QUANTISED and term.slot.kind is Kind.PARAMETER and len(term.axes) == 2  # noqa: PLR2004 - a matrix


def _scale(term: Term, rows: int, columns: int) -> Term:
    out, into = term.axes
    slot = Slot(term.slot.role, f"{term.slot.part}.{SUFFIX}", Kind.BOOKKEEPING, term.slot.stack)
    return Term(slot, (_blocks(out, rows), _blocks(into, columns)), term.layers, term.copies)


def _blocks(axis: Size, block: int) -> Size:
    """`ceil(axis / block)`; plain division where it comes out even, which reads better."""
    return axis // block if axis.value % block == 0 else (axis + (block - 1)) // block
