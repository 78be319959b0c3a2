"""The vocabulary that the expected side and the measured side share.

A `Slot` names a layer type of a transformer (`attention.k`, `mlp.gate`, `norm.final`), whatever the
checkpoint calls it. Formulas say which slots a model has and with which axes; name tables say to
which slot a stored tensor belongs. The two sides share these names and nothing else.
"""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """The coarse part of a model that a slot belongs to."""

    EMBEDDING = "embedding"
    POSITION = "position"
    ATTENTION = "attention"
    MLP = "mlp"
    EXPERTS = "experts"
    ROUTER = "router"
    NORM = "norm"
    HEAD = "head"
    OTHER = "other"


class Kind(StrEnum):
    """How the elements of a slot are counted."""

    PARAMETER = "parameter"
    BUFFER = "buffer"
    BOOKKEEPING = "bookkeeping"


class Cause(StrEnum):
    """Why a checkpoint and a formula differ."""

    STORED_BUFFER = "stored buffer"
    TIED_HEAD_STORED = "tied head stored"
    TIED_HEAD_DROPPED = "tied head not stored"
    TIED_EMBEDDING_STORED = "tied embedding stored"
    OTHER_HEAD = "another head than the config says"
    BASE_STORED = "weights of the base model stored"
    EXPERTS_PLAIN = "experts without adapters"
    MTP_LAYER = "multi-token-prediction layer"
    SCALES = "quantisation scales"
    APPROXIMATION = "approximation"
    INDEX = "index and files disagree"
    DECLARED = "declared number is wrong"
    UNCLASSIFIED = "unclassified tensor"
    MISSING = "missing from the checkpoint"
    EXTRA = "not in the formula"
    SHAPE = "another shape or size"
    DTYPE = "a type that no weights have"


class Slot(msgspec.Struct, frozen=True, order=True):
    """A layer type.

    Attributes:
        role: The coarse part of the model.
        part: The layer inside it, with the field's usual name (`q`, `gate`, `final`, `q.bias`).
        kind: How its elements are counted.
        stack: Which stack of layers it is in where a model has several (`encoder`, `vision`).
    """

    role: Role
    part: str
    kind: Kind = Kind.PARAMETER
    stack: str = ""

    def __str__(self) -> str:
        return f"{self.stack}.{self.role}.{self.part}" if self.stack else f"{self.role}.{self.part}"


class Fused(msgspec.Struct, frozen=True):
    """One stored tensor that holds several slots, or one slot of all the experts of a layer.

    Attributes:
        slots: The slots it holds, side by side in equal parts along `axis`.
        axis: The axis that is divided, counted without the leading axis when `stacked`.
        stacked: Whether the leading axis counts experts.
        turned: Whether each part is stored with its two axes swapped.
    """

    slots: tuple[Slot, ...]
    axis: int = 0
    stacked: bool = True
    turned: bool = False
