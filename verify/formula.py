"""A formula as data: slots and their named axes.

`attention.k : (num_key_value_heads*head_dim) x hidden_size` is one `Term`. Its count, the shape it
expects, its text and its LaTeX are all read off that record.
"""

from collections.abc import Iterable
from math import prod

import msgspec

from verify.errors import ConfigError
from verify.roles import Cause, Kind, Slot
from verify.symbols import Size, Symbol

ONE = Size.of(1)

#: No published model comes near; a larger number would fill the memory with indices.
MOST_LAYERS = 10_000


class Layers(msgspec.Struct, frozen=True):
    """The layers that hold a term.

    Attributes:
        indices: Their indices, as in the names of the tensors.
        count: How many they are, symbolically; its value is `len(indices)`.
        text: Which they are, as a condition on the layer index `i`; "" for all of them.
    """

    indices: tuple[int, ...]
    count: Size
    text: str = ""

    @classmethod
    def every(cls, count: Size) -> "Layers":
        """Layers 0 … count - 1.

        Raises:
            ConfigError: They are more than any model has, so that the number must be wrong.
        """
        if count.value > MOST_LAYERS:
            raise ConfigError(f"{count.text()} is {count.value}", expected=f"at most {MOST_LAYERS} layers")
        return cls(tuple(range(count.value)), count)

    @classmethod
    def some(cls, indices: Iterable[int], text: str, count: Size | None = None) -> "Layers":
        """A subset of the layers, described by `text`; `count` is its symbolic size where there is one."""
        chosen = tuple(indices)
        return cls(chosen, count or Size.symbol(f"#[{text}]", len(chosen)), text)


class Term(msgspec.Struct, frozen=True):
    """One kind of tensor: a slot, its axes, and how often it occurs.

    Attributes:
        slot: What it is.
        axes: Its axes in the order of the stored shape; each is a polynomial over config names.
        layers: The layers that hold it, or None when it stands outside the layers.
        copies: How many each layer holds: the number of experts, 1 otherwise.
        active: How many of the copies one token uses; None for all of them.
    """

    slot: Slot
    axes: tuple[Size, ...]
    layers: Layers | None = None
    copies: Size = ONE
    active: Size | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape expected of each tensor."""
        return tuple(axis.value for axis in self.axes)

    @property
    def indices(self) -> tuple[int | None, ...]:
        """The layer indices, or `(None,)` outside the layers."""
        return self.layers.indices if self.layers else (None,)

    @property
    def count(self) -> int:
        """Elements of the whole model in this term."""
        return len(self.indices) * self.copies.value * prod(self.shape)

    @property
    def active_count(self) -> int:
        """Elements of the whole model that one token uses."""
        used = self.copies if self.active is None else self.active
        return len(self.indices) * used.value * prod(self.shape)

    @property
    def per_layer(self) -> Size:
        """Elements of one layer, symbolically."""
        size = self.copies
        for axis in self.axes:
            size *= axis
        return size

    @property
    def size(self) -> Size:
        """Elements of the whole model, symbolically."""
        return self.per_layer * self.layers.count if self.layers else self.per_layer


class Extra(msgspec.Struct, frozen=True):
    """Tensors that a checkpoint may hold beside the formula, all of them or none, and why.

    Attributes:
        cause: Why a file would hold them, or lack them.
        terms: What they are, exactly.
        note: One sentence with the source, shown with the finding.
        absent: Whether they are terms of the formula itself, which a checkpoint may lack.
    """

    cause: Cause
    terms: tuple[Term, ...]
    note: str = ""
    absent: bool = False

    @property
    def count(self) -> int:
        """Elements of all its terms."""
        return sum(term.count for term in self.terms)


class Formula(msgspec.Struct, frozen=True):
    """The analytic prediction for one model.

    Attributes:
        name: The family, named as its `model_type`.
        source: Where the formula comes from.
        terms: What the model has.
        extras: What a checkpoint of it may hold besides, or lack.
    """

    name: str
    source: str
    terms: tuple[Term, ...]
    extras: tuple[Extra, ...] = ()

    @property
    def additions(self) -> tuple[Extra, ...]:
        """The extras that a checkpoint may hold besides."""
        return tuple(extra for extra in self.extras if not extra.absent)

    def of(self, kind: Kind) -> tuple[Term, ...]:
        """The terms of one kind."""
        return tuple(term for term in self.terms if term.slot.kind is kind)

    def count(self, kind: Kind = Kind.PARAMETER) -> int:
        """Elements of all terms of one kind."""
        return sum(term.count for term in self.of(kind))

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Every hyper-parameter in it, sorted by name."""
        sizes = [
            size
            for term in self.terms
            for size in (*term.axes, term.copies, *((term.layers.count,) if term.layers else ()))
        ]
        return tuple(sorted({symbol for size in sizes for symbol in size.symbols()}))

    def total(self) -> Size:
        """The parameter count as one expanded polynomial."""
        return sum((term.size for term in self.of(Kind.PARAMETER)), Size.of(0))

    def grouped(self) -> tuple[tuple[Layers | None, Size], ...]:
        """The parameter count per set of layers: (layers, polynomial of one layer), in order of appearance."""
        groups: dict[tuple[str, tuple[int, ...]] | None, tuple[Layers | None, Size]] = {}
        for term in self.of(Kind.PARAMETER):
            key = (term.layers.count.text(), term.layers.indices) if term.layers else None
            layers, size = groups.get(key, (term.layers, Size.of(0)))
            groups[key] = (layers, size + term.per_layer)
        return tuple(groups.values())

    def text(self, *, letters: bool = False) -> str:
        """The closed form of the parameter count, one bracket per set of layers."""
        return " + ".join(
            f"{layers.count.factor(letters=letters)}*({size.text(letters=letters)})"
            if layers
            else size.text(letters=letters)
            for layers, size in self.grouped()
        )

    def latex(self) -> str:
        """The closed form of the parameter count as LaTeX."""
        return " + ".join(
            rf"{layers.count.latex_factor()}\left({size.latex()}\right)" if layers else size.latex()
            for layers, size in self.grouped()
        )
