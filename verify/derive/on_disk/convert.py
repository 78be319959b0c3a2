"""What transformers' own operations make of tensors, by their shapes alone.

Operations (stack, concatenate, chunk, transpose …) run on the meta device, once for all layers that are alike: those
whose names differ in numbers only, and whose tensors have the same shapes before and after.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from verify.derive.on_disk.names import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Shape: TypeAlias = tuple[int, ...]


@dataclass(slots=True)
class Group:
    """Tensors that are taken together.

    Attributes:
        converter: What takes them; None where one is taken as it is.
        collected: Their names by the source pattern that takes them, in order.
    """

    converter: Any = None
    collected: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all of them."""
        return tuple(name for names in self.collected.values() for name in names)

    @property
    def operations(self) -> tuple[str, ...]:
        """What is done with them."""
        return tuple(type(each).__name__ for each in self.converter.operations) if self.converter else ()


def collect(placed: Iterable[tuple[str, str, str | None]], converters: Mapping[str, Any]) -> dict[str, Group]:
    """Tensors by the first name of what they become.

    Args:
        placed: Name, new name, and the pattern of the converter that takes it.
        converters: Converters by pattern.
    """
    groups: dict[str, Group] = {}
    for name, target, pattern in placed:
        if target not in groups:
            groups[target] = Group(converters[pattern] if pattern else None)
        groups[target].collected.setdefault(pattern or name, []).append(name)
    return groups


class Conversion:
    """Runs operations, each of a kind once."""

    def __init__(self, model: Any, state: Mapping[str, Shape]) -> None:
        """Keep what operations may ask for.

        Args:
            model: The model.
            state: Shape of each of its parameters and buffers.
        """
        self._model = model
        self._state = state
        self._known: dict[Any, tuple[str, dict[str, Shape]]] = {}
        self._empty: dict[Shape, Any] = {}

    def made(self, first: str, group: Group, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """Name and shape of what becomes of a group.

        Args:
            first: The first name of what it becomes.
            group: The group.
            shapes: Shape of each tensor by name.

        Raises:
            Exception: Whatever an operation raises.
        """
        if group.converter is None:
            return {first: shapes[group.names[0]]}
        pieces = first.split(".")
        sort = tuple(None if is_number(piece) else piece for piece in pieces)
        taken = tuple((pattern, tuple(shapes[name] for name in names)) for pattern, names in group.collected.items())
        signature = (id(group.converter), sort, taken)
        known = self._known.get(signature)
        moved = known and _moved(known[1], known[0].split("."), pieces)
        # Some operations look at the shapes of the parameters that they make.
        if (
            known
            and moved
            and all(self._state.get(a) == self._state.get(b) for a, b in zip(known[1], moved, strict=True))
        ):
            return moved
        made = self._run(first, group, taken)
        self._known.setdefault(signature, (first, made))
        return made

    def _run(self, first: str, group: Group, taken: tuple[tuple[str, tuple[Shape, ...]], ...]) -> dict[str, Shape]:
        converter = deepcopy(group.converter)
        for pattern, shapes in taken:
            for name, shape in zip(group.collected[pattern], shapes, strict=True):
                converter.add_tensor(first, name, pattern, self._tensor(shape))
        made = converter.convert(first, model=self._model, config=self._model.config)
        tensors = {name: value[0] if isinstance(value, list) else value for name, value in made.items()}
        return {name: tuple(tensor.shape) for name, tensor in tensors.items()}

    def _tensor(self, shape: Shape) -> Any:
        """A tensor without data; the same one for the same shape, as nothing writes to it."""
        import torch

        if shape not in self._empty:
            self._empty[shape] = torch.empty(shape, device="meta")
        return self._empty[shape]


def _moved(made: Mapping[str, Shape], source: list[str], target: list[str]) -> dict[str, Shape] | None:
    """The same with the numbers of another layer; None where it does not show which numbers are the layer's."""
    changed = [place for place, pieces in enumerate(zip(source, target, strict=True)) if pieces[0] != pieces[1]]
    last = changed[-1] + 1 if changed else 0
    found = {}
    for name, shape in made.items():
        pieces = name.split(".")
        if pieces[:last] != source[:last]:
            return None
        found[".".join((*target[:last], *pieces[last:]))] = shape
    return found
