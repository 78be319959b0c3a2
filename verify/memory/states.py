"""What stays in memory through a step, whatever the operators do: weights, gradients, optimizer state, inputs, logits.

Legend: `w` is the size of one weight in bytes (4 for float32, 2 for bfloat16 and float16). A model of N parameters
in T tensors takes `N w` bytes of weights and as many of gradients. AdamW keeps two moments of each parameter and a
step counter of each tensor, `2 N w + 4 T`; Adafactor a float32 for each row and each column of a matrix, for each
element of a vector, and for the size of each tensor, `4 (rows + columns + T)`; plain SGD nothing. Of an adapter run
gradients and optimizer state are those of the adapter, in float32. Inputs are 64-bit token numbers, `8 B S`, and in
training their labels; logits are `B S V w`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from msgspec.structs import replace

from verify.config import Config
from verify.formula import Formula, Term
from verify.memory import lora
from verify.memory.base import Category, Mode, Predicted, Setting
from verify.names import Entry, NameTable
from verify.roles import Cause, Fused, Kind, Role, Slot
from verify.symbols import Size

#: Parameters that the implementation does not train, by model_type and slot: sinusoids that are stored as weights,
#: and a router's correction that a rule balances (transformers modeling_whisper.py, modeling_pegasus.py,
#: modeling_ernie4_5_moe.py, `requires_grad=False`).
FROZEN = {
    "whisper": ("encoder.position.embedding",),
    "pegasus": ("encoder.position.embedding", "decoder.position.embedding"),
    "ernie4_5_moe": ("router.correction",),
}

#: Parameters that are float32 whatever the others are, by family (modeling_ernie4_5_moe.py, `dtype=torch.float32`).
SINGLE = {"ernie4_5_moe": ("router.gate", "router.correction")}

#: Bytes of one element.
WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}

#: What the weights are held in while training in a precision; see `Setting.precision`.
_TRAINED = {"fp32": "float32", "bf16": "bfloat16", "mixed": "float32"}
#: What the operators compute in.
_COMPUTED = {"fp32": "float32", "bf16": "bfloat16", "mixed": "bfloat16"}

#: The step counter of each tensor is a float32 scalar (torch/optim/adamw.py, `_init_group`).
_STEP = 4
#: bitsandbytes: elements of a block with its own scale, the least tensor it quantises, and its two code tables
#: (bitsandbytes/optim/optimizer.py, `Optimizer2State`; Dettmers et al. 2021, arXiv:2110.02861, section 2.1).
_BLOCK, _LEAST, _CODES = 256, 4096, 2 * 256 * 4

_TORCH = "torch 2.13 torch/optim"
_ADAFACTOR = "Shazeer and Stern 2018, arXiv:1804.04235, section 3"


@dataclass(frozen=True, slots=True)
class Held:
    """Tensors of one shape, as the implementation holds them.

    Attributes:
        axes: The shape, with the experts in front where one tensor holds all of a layer.
        count: How many there are in the model.
        slot: What it is; of several slots the first.
    """

    axes: tuple[Size, ...]
    count: Size
    slot: Slot

    @property
    def elements(self) -> Size:
        """Elements of one of them."""
        return _product(self.axes)

    @property
    def factored(self) -> Size:
        """Rows and columns of one of them, over all its leading axes; its elements where it is a vector."""
        if len(self.axes) < 2:  # noqa: PLR2004 - a matrix has two axes
            return self.elements
        return _product(self.axes[:-1]) + _product((*self.axes[:-2], self.axes[-1]))


#: Tensors, each with the bytes of one of its elements.
Tensors: TypeAlias = Sequence[tuple[Held, int]]


def width(setting: Setting) -> int:
    """Bytes of one weight: as loaded for inference, as the precision says in training."""
    return WIDTHS[setting.dtype if setting.mode is Mode.INFERENCE else _TRAINED[setting.precision]]


def compute_width(setting: Setting) -> int:
    """Bytes of one element of what the operators give, such as the logits."""
    return WIDTHS[setting.dtype if setting.mode is Mode.INFERENCE else _COMPUTED[setting.precision]]


def predict(formula: Formula, names: NameTable, config: Config, setting: Setting) -> tuple[Predicted, ...]:
    """Every category that a setting has and that follows from the parameters alone.

    Args:
        formula: The parameters of the model.
        names: The name table of its family, which says what the implementation holds in one tensor.
        config: Its config.json, of which only the `model_type` is read.
        setting: The run.

    Raises:
        UsageError: The model has no layers for the adapter of the setting.
        ConfigError: Such an adapter has no formula.
    """
    return (*weights(formula, names, config, setting), *given_and_made(formula, setting))


def weights(formula: Formula, names: NameTable, config: Config, setting: Setting) -> tuple[Predicted, ...]:
    """The categories that follow from what is trained; for the arguments see `predict`.

    Raises:
        UsageError: The model has no layers for the adapter of the setting.
        ConfigError: Such an adapter has no formula.
    """
    added = lora.adapter(formula, names, config, setting.lora) if setting.lora else None
    rows = [parameters(formula, setting, added)]
    if setting.mode is Mode.TRAINING:
        learned = added or trained(formula, config)
        rows += [gradients(learned, setting), optimizer(learned, names, setting)]
    return tuple(rows)


def given_and_made(formula: Formula, setting: Setting) -> tuple[Predicted, ...]:
    """Inputs, and logits where the class has an output layer."""
    output = logits(formula, setting)
    return (inputs(formula, setting), *([output] if output else []))


def parameters(formula: Formula, setting: Setting, added: Formula | None = None) -> Predicted:
    """The weights, each once: `N w`; a tied head is the embedding itself. Those of an adapter come on top."""
    size, source = _weights(formula, setting), f"{width(setting)} bytes each; {formula.source}"
    if added is None:
        return Predicted(Category.PARAMETERS, size, source)
    more = _weights(added, setting)
    note = f"the adapter takes {more.value:,} bytes, in float32"
    return Predicted(Category.PARAMETERS, size + more, f"{source}; {added.source}", note)


def trained(formula: Formula, config: Config) -> Formula:
    """The formula without the parameters that have no gradient, see `FROZEN`."""
    fixed = FROZEN.get(config.text("model_type", default=""), ())
    return replace(formula, terms=tuple(term for term in formula.terms if str(term.slot) not in fixed))


def gradients(formula: Formula, setting: Setting) -> Predicted:
    """A gradient for each trained weight, of the same type: `N w` (torch, `Tensor.grad`)."""
    return Predicted(Category.GRADIENTS, _weights(formula, setting), "torch: Tensor.grad has the weight's dtype")


def optimizer(formula: Formula, names: NameTable, setting: Setting) -> Predicted:
    """The state of an optimizer after its first step, in bytes."""
    tensors = [(each, _width(formula, each.slot, setting)) for each in held(formula, names)]
    size, source, note = _OPTIMIZERS[setting.optimizer](tensors)
    return Predicted(Category.OPTIMIZER, size, source, note)


def inputs(formula: Formula, setting: Setting) -> Predicted:
    """Token numbers of 8 bytes, and as many labels in training."""
    twice = 2 if setting.mode is Mode.TRAINING else 1
    sides = 2 if _is_pair(formula) and setting.mode is Mode.INFERENCE else 1
    note = "token numbers and labels" if twice > 1 else "token numbers"
    size = setting.b * setting.s * (8 * twice * sides)
    return Predicted(Category.INPUTS, size, "torch: torch.long has 8 bytes", note)


#: Families whose class gives them in float32 whatever it computes in (transformers 5.23 `modeling_mamba.py`,
#: `modeling_mamba2.py`, `modeling_nemotron_h.py`: `lm_head(...).float()`).
_LOGITS_IN_FLOAT32 = frozenset({"mamba", "mamba2", "nemotron_h"})


def logits(formula: Formula, setting: Setting) -> Predicted | None:
    """The scores over the vocabulary, `B S V w`, or None where the class has no output layer."""
    rows = vocabulary(formula)
    if rows is None:
        return None
    width = 4 if formula.name in _LOGITS_IN_FLOAT32 else compute_width(setting)
    size = setting.b * setting.s * rows * width
    note = "of every position, as the forward pass gives them; generation keeps those of the last one"
    return Predicted(Category.LOGITS, size, "transformers: lm_head(hidden_states)", note)


def vocabulary(formula: Formula) -> Size | None:
    """The rows of the output layer, stored or tied; None where there is none."""
    head = output_layer(formula)
    return head.axes[0] if head else None


def output_layer(formula: Formula) -> Term | None:
    """The matrix `vocab x hidden` that gives the logits, be it the embedding itself; None where there is none."""
    if any(term.slot.role is Role.HEAD and term.slot.part == "discriminator" for term in formula.terms):
        return None  # an ELECTRA that tells real tokens from others, whose files may hold the other head
    stored = [term for term in formula.terms if _is_output(term.slot)]
    tied = [
        term
        for extra in formula.extras
        if extra.cause is Cause.TIED_HEAD_STORED
        for term in extra.terms
        if _is_output(term.slot)
    ]
    return next(iter((*stored, *tied)), None)


def is_tied(formula: Formula) -> bool:
    """Whether the output layer is the embedding, so that no term stands for it."""
    return output_layer(formula) is not None and not any(_is_output(term.slot) for term in formula.terms)


def held(formula: Formula, names: NameTable) -> Iterator[Held]:
    """The parameters as the implementation holds them: all experts of a layer in one tensor where it does so.

    Args:
        formula: The parameters.
        names: The name table; an entry `Fused` with `stacked` set says which slots stand in one tensor.
    """
    terms = formula.of(Kind.PARAMETER)
    there = {term.slot for term in terms}
    together = _together(names, there)
    for term in terms:
        count = term.layers.count if term.layers else Size.of(1)
        group = together.get(term.slot)
        if group is None:
            yield Held(term.axes, count * term.copies, term.slot)
        elif group.slots[0] == term.slot:
            yield Held((term.copies, *_joined(group, term, terms)), count, term.slot)


def _together(names: NameTable, there: Iterable[Slot]) -> dict[Slot, Fused]:
    """The tensor that holds a slot of all experts, by slot."""
    slots = set(there)
    entries: Iterable[Entry] = names.backbone.values()
    found: dict[Slot, Fused] = {}
    for entry in entries:
        if isinstance(entry, Fused) and entry.stacked and slots.issuperset(entry.slots):
            for slot in entry.slots:
                found.setdefault(slot, entry)
    return found


def _joined(group: Fused, term: Term, terms: Iterable[Term]) -> tuple[Size, ...]:
    """The axes of the slots of a group side by side, in the order of the formula."""
    parts = [each for slot in group.slots for each in terms if each.slot == slot and each.layers == term.layers]
    divided = 1 - group.axis if group.turned else group.axis
    whole = sum((part.axes[divided] for part in parts), Size.of(0))
    return tuple(whole if place == divided else axis for place, axis in enumerate(term.axes))


def _weights(formula: Formula, setting: Setting) -> Size:
    """Bytes of all parameters: one polynomial where all have one type."""
    terms = formula.of(Kind.PARAMETER)
    return sum((term.size * _width(formula, term.slot, setting) for term in terms), Size.of(0))


def _width(formula: Formula, slot: Slot, setting: Setting) -> int:
    """Bytes of one element of a slot."""
    single = lora.is_adapter(slot) or str(slot) in SINGLE.get(formula.name, ())
    return WIDTHS["float32"] if single else width(setting)


def _adamw(tensors: Tensors) -> tuple[Size, str, str]:
    size = _over(tensors, lambda each, weight: each.elements * (2 * weight) + _STEP)
    return size, f"Kingma and Ba 2015, arXiv:1412.6980; {_TORCH}/adamw.py", "two moments and a step counter"


def _adafactor(tensors: Tensors) -> tuple[Size, str, str]:
    """Float32 whatever the weights are (transformers optimization.py, `Adafactor.step`)."""
    size = _over(tensors, lambda each, _: (each.factored + 1) * WIDTHS["float32"])
    return size, f"{_ADAFACTOR}; transformers optimization.py", "rows and columns of each matrix, no first moment"


def _sgd(tensors: Tensors) -> tuple[Size, str, str]:
    del tensors
    return Size.of(0), f"{_TORCH}/sgd.py, without momentum", "no state without momentum"


def _adamw8bit(tensors: Tensors) -> tuple[Size, str, str]:
    """Two moments of one byte, with a float32 scale of each block; small tensors stay in float32.

    The code tables are in the state of the tensors that are quantised, the same two in all.
    """
    source = "Dettmers et al. 2021, arXiv:2110.02861, section 2; bitsandbytes/optim/optimizer.py, Optimizer2State"
    note = f"tensors under {_LEAST} elements keep moments of 4 bytes; Trainer keeps those of embeddings so too"
    codes = _CODES if any(each.elements.value >= _LEAST for each, _ in tensors) else 0
    return _over(tensors, lambda each, _: _in_blocks(each)) + codes, source, note


def _in_blocks(each: Held) -> Size:
    elements = each.elements
    if elements.value < _LEAST:
        return elements * 8
    blocks = -(-elements.value // _BLOCK)
    scales = (
        elements // _BLOCK
        if blocks * _BLOCK == elements.value
        else Size.symbol(f"ceil({elements.factor()}/{_BLOCK})", blocks)
    )
    return elements * 2 + scales * 8


_OPTIMIZERS = {"adamw": _adamw, "adafactor": _adafactor, "sgd": _sgd, "adamw8bit": _adamw8bit}


def _over(tensors: Tensors, each: Callable[[Held, int], Size]) -> Size:
    return sum((each(tensor, weight) * tensor.count for tensor, weight in tensors), Size.of(0))


def _product(axes: Iterable[Size]) -> Size:
    return prod(axes, start=Size.of(1))


def _is_output(slot: Slot) -> bool:
    return slot.role is Role.HEAD and slot.part == "lm_head"


def _is_pair(formula: Formula) -> bool:
    """Whether it is an encoder with a decoder, each of which has tokens."""
    return {"encoder", "decoder"} <= {term.slot.stack for term in formula.terms}
