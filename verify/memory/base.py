"""What both sides of a memory check speak of: the setting of a run, and the categories of its bytes."""

from dataclasses import dataclass
from enum import StrEnum

from verify.errors import UsageError
from verify.symbols import Size


class Category(StrEnum):
    """What bytes are spent on."""

    PARAMETERS = "parameters"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer state"
    ACTIVATIONS = "activations"  # kept by autograd for the backward pass, parameters not counted again
    LOGITS = "logits"
    CACHE = "KV cache"
    INPUTS = "inputs"
    PEAK = "peak"


class Mode(StrEnum):
    """What is run."""

    INFERENCE = "inference"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Setting:
    """One run of a model.

    Attributes:
        batch: Sequences at once.
        sequence: Tokens of each.
        mode: Inference (prefill of `sequence` tokens into a cache) or one training step.
        dtype: Type of the weights when they are loaded: `float32`, `bfloat16` or `float16`.
        precision: `fp32`, `bf16` (everything in bfloat16) or `mixed` (weights in float32, autocast to bfloat16).
        optimizer: `adamw`, `adafactor`, `sgd` or `adamw8bit`.
        attention: `eager` or `sdpa`.
        checkpointing: `none`, or `full` (every layer is computed again in the backward pass).
    """

    batch: int = 1
    sequence: int = 2048
    mode: Mode = Mode.TRAINING
    dtype: str = "float32"
    precision: str = "fp32"
    optimizer: str = "adamw"
    attention: str = "eager"
    checkpointing: str = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            UsageError: A size is not positive, or a name is not one of those above.
        """
        for name in ("batch", "sequence"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} is {value!r}", expected="a whole number of at least 1")
        for name, known in KNOWN.items():
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {getattr(self, name)!r}", expected=f"one of {', '.join(known)}")

    @property
    def b(self) -> Size:
        """The batch as a symbol, `B`."""
        return Size.symbol("B", self.batch)

    @property
    def s(self) -> Size:
        """The sequence as a symbol, `S`."""
        return Size.symbol("S", self.sequence)


KNOWN = {
    "dtype": ("float32", "bfloat16", "float16"),
    "precision": ("fp32", "bf16", "mixed"),
    "optimizer": ("adamw", "adafactor", "sgd", "adamw8bit"),
    "attention": ("eager", "sdpa"),
    "checkpointing": ("none", "full"),
}


@dataclass(frozen=True, slots=True)
class Predicted:
    """A formula for one category.

    Attributes:
        category: What the bytes are spent on.
        size: The bytes, with the polynomial they come from.
        source: Where the formula comes from.
        note: What it leaves out or assumes, in one sentence.
    """

    category: Category
    size: Size
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run took.

    Attributes:
        bytes: Bytes by category; categories that the run does not have are left out.
        flops: Floating-point operations of the forward and the backward pass, by `forward` and `backward`.
        how: What was run, on what, in one sentence.
        notes: What the measurement does not model.
    """

    bytes: dict[Category, int]
    flops: dict[str, int]
    how: str
    notes: tuple[str, ...] = ()
