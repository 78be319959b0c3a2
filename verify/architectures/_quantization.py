"""What quantised checkpoints hold beside their weights, as far as a formula can say.

`fp8` (fine-grained): each linear layer of the transformer blocks has its weight in F8_E4M3 and beside it
`weight_scale_inv : ceil(out / block rows) x ceil(in / block columns)` in F32. Embeddings, the output
layer, routers, norms and what joins a multi-token-prediction layer to the model stay as they were.
Source: transformers `integrations/finegrained_fp8.py`, `FP8Linear.__init__`; DeepSeek-AI 2024,
arXiv:2412.19437, section 3.3 (128 x 128 blocks; embedding, head, gating and norms keep their precision).

`mxfp4`: each matrix of the experts has `scales : experts x out x ceil(in / 32)`. Source: transformers
`integrations/mxfp4.py`; OpenAI 2025, arXiv:2508.10925, section 2.1.

`gptq`: each linear layer of the blocks has a bias of zeros where the model has none. Source: AutoGPTQ
`auto_gptq/modeling/_utils.py`, `make_quant` (`bias=True`); the Hub shows 6,739,777,536 elements for Llama-2-7B-Chat.

`bitsandbytes` in 4 bits: what the Hub once counted of the quantisation state. All other schemes add nothing that
a recorded number counts: what stands beside their weights is held against them where the file is unpacked.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from verify.config import Config
from verify.errors import ConfigError
from verify.formula import Extra, Term
from verify.roles import Cause, Kind, Role, Slot
from verify.symbols import Size

#: The block of the config that says how the weights are stored.
KEY = "quantization_config"

#: The roles whose linear layers are quantised.
QUANTISED = frozenset({Role.ATTENTION, Role.MLP, Role.EXPERTS})

#: What the scales are called beside their weight.
SUFFIX = "weight_scale_inv"

#: Rows and columns of a block where the config does not say (transformers `FineGrainedFP8Config`).
BLOCK = (128, 128)


#: Values of an MXFP4 weight that share a scale, along its input (OCP Microscaling Formats 1.0, section 5.3).
MXFP4_BLOCK = 32

#: Values of a 4-bit bitsandbytes weight that share an `absmax`, and of `absmax` that share a `nested_absmax`
#: (bitsandbytes `functional.py`, `quantize_4bit`), and the lengths of `quant_map` and `nested_quant_map`.
BNB_BLOCK, BNB_NESTED, BNB_MAP, BNB_NESTED_MAP = 64, 256, 16, 256

#: Modules that an fp8 checkpoint may list as not converted and that no scale is predicted for in any case: by the
#: last piece of their names, and by a piece for the towers beside the text model.
LEFT_OUT = frozenset(
    """
    lm_head head embed_tokens norm input_layernorm post_attention_layernorm q_norm k_norm q_a_layernorm kv_a_layernorm
    gate router e_score_correction_bias shared_expert_gate eh_proj enorm hnorm fc bias indexers_proj weights_proj
    conv1d in_proj_ba in_proj_a in_proj_b
    """.split()  # noqa: SIM905 - a list literal would take a line for each name
)
TOWERS = frozenset({"visual", "vision_tower", "vision_model", "multi_modal_projector"})


def quantisation_extras(config: Config, terms: Iterable[Term]) -> tuple[Extra, ...]:
    """What a quantised checkpoint may hold, or be said to hold, beside the weights of some terms.

    Call it once for the model and once for each group that a file may hold or lack, such as a
    multi-token-prediction layer, so that what belongs to each stands or falls with its weights.

    Args:
        config: Where `quantization_config` is read, or the `quantization` of MLX.
        terms: The terms to look through.

    Raises:
        ConfigError: A key of the scheme is impossible.
    """
    if KEY not in config:
        config.set_aside("quantization")
        return ()
    section, found = config.section(KEY), tuple(terms)
    method = section.text("quant_method", default="")
    extras: tuple[Extra, ...] = ()
    if method == "fp8":
        return _fp8(config, section, found)
    if method in _EXTRAS:
        extras = _EXTRAS[method](section, found)
    # What else the block says is how values are packed, which gives no tensor of the formula a shape.
    section.set_aside(*(name.partition(f"{KEY}.")[2] for name in section.unread()))
    return extras


def _fp8(config: Config, section: Config, terms: tuple[Term, ...]) -> tuple[Extra, ...]:
    """The scales of blocks, where they can be told from the config.

    Numbers for whole tensors have several names, and a list of layers that are left out speaks of modules and not
    of terms: there nothing is predicted, and unpacking alone holds the scales against their weights.
    """
    whole = section.states("weight_block_size") and "weight_block_size" not in section
    static = section.text("activation_scheme", default="dynamic") != "dynamic"
    section.set_aside("activation_scheme", "weight_block_size", "fmt", "scale_fmt", "kv_cache_scheme", "dequantize")
    return () if whole or static or not _is_whole(section) else fp8_scales(config, terms)


def _is_whole(section: Config) -> bool:
    """Whether all that the config lists as not converted has no predicted scale anyway."""
    listed = (*section.items("modules_to_not_convert", default=()), *section.items("ignored_layers", default=()))
    pieces = (str(name).split(".") for name in listed)
    return all(name[-1] in LEFT_OUT or not TOWERS.isdisjoint(name) for name in pieces)


def _zero_biases(_: Config, terms: tuple[Term, ...]) -> tuple[Extra, ...]:
    """The biases of zeros that GPTQ gives to linear layers without one."""
    there = {(term.slot, layer) for term in terms for layer in term.indices}
    biases = tuple(
        bias
        for term in terms
        if _is_quantised(term)
        for bias in (replace(term, slot=replace(term.slot, part=f"{term.slot.part}.bias"), axes=term.axes[:1]),)
        if not any((bias.slot, layer) in there for layer in bias.indices)
    )
    note = "a bias of zeros for each linear layer without one (AutoGPTQ make_quant)"
    return (Extra(Cause.SCALES, biases, note),) if biases else ()


def mxfp4_scales(_: Config, terms: tuple[Term, ...]) -> tuple[Extra, ...]:
    """The scales of the experts' matrices, which stand `in x out` in the model and `out x in` in the file."""
    scales = tuple(
        Term(_beside(term, "scales"), (term.copies, term.axes[1], _blocks(term.axes[0], MXFP4_BLOCK)), term.layers)
        for term in terms
        if _is_quantised(term) and term.slot.role is Role.EXPERTS
    )
    note = f"one scale for each {MXFP4_BLOCK} values of an MXFP4 weight (transformers mxfp4.py)"
    return (Extra(Cause.SCALES, scales, note),) if scales else ()


def _counted_state(section: Config, terms: tuple[Term, ...]) -> tuple[Extra, ...]:
    """What the Hub counted of the state of 4-bit weights until 2026: each byte of `absmax` as two values, and maps.

    The lengths of the JSON texts are data and no formula gives them; they were counted twice too. Files are not
    held against this: what they store is in the slots of the parts.
    """
    if not section.flag("load_in_4bit", default=False):
        return ()
    double = section.flag("bnb_4bit_use_double_quant", default=False)
    state = tuple(
        Term(_beside(term, "counted_state"), (_state(term, double=double),), term.layers, term.copies)
        for term in terms
        if _is_quantised(term)
    )
    note = "bitsandbytes state without its texts, absmax in bytes counted twice (huggingface.js pull request 2323)"
    return (Extra(Cause.SCALES, state, note),) if state else ()


def _state(term: Term, *, double: bool) -> Size:
    blocks = _blocks(term.axes[0] * term.axes[1], BNB_BLOCK)
    return 2 * blocks + _blocks(blocks, BNB_NESTED) + (BNB_MAP + BNB_NESTED_MAP) if double else blocks + BNB_MAP


_EXTRAS: Mapping[str, Callable[[Config, tuple[Term, ...]], tuple[Extra, ...]]] = {
    "gptq": _zero_biases,
    "mxfp4": mxfp4_scales,
    "bitsandbytes": _counted_state,
}


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
    if KEY not in config:
        return ()
    section = config.section(KEY)
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
    return Term(_beside(term, SUFFIX), (_blocks(out, rows), _blocks(into, columns)), term.layers, term.copies)


def _beside(term: Term, part: str) -> Slot:
    """The slot of what belongs to a weight."""
    return Slot(term.slot.role, f"{term.slot.part}.{part}", Kind.BOOKKEEPING, term.slot.stack)


def _blocks(axis: Size, block: int) -> Size:
    """`ceil(axis / block)`; plain division where it comes out even, which reads better."""
    return axis // block if axis.value % block == 0 else (axis + (block - 1)) // block
