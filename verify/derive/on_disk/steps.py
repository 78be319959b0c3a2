"""What loading a checkpoint does with its tensors, summed up by step and reason.

The differences of all lines add up to the elements of the file minus those of the implementation, each parameter
and persistent buffer counted once.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import prod

from verify.derive.on_disk import Loaded, Route, Unused
from verify.derive.on_disk.convert import Shape
from verify.derive.on_disk.names import is_number
from verify.triangulate import Line, Step

#: What the rules by which transformers ignores stored tensors are for, where a name says it: the piece of a name.
_KNOWN = {
    "inv_freq": "rotary frequencies, which the class computes",
    "position_ids": "positions, which the class counts",
    "mtp": "multi-token prediction, which the class does not do",
    "masked_bias": "the causal mask, which the class computes",
}


def lines(loaded: Loaded, shapes: Mapping[str, Shape]) -> tuple[Line, ...]:
    """All that is done with stored tensors, what goes wrong first.

    Args:
        loaded: What becomes of them.
        shapes: Shape of each stored tensor.
    """
    found: dict[tuple[Step, str], _Lot] = {}
    sizes = {name: prod(shape) for name, shape in loaded.state.items()}
    for step, why, names, parameters, needed in (
        *_routes(loaded, sizes),
        *_unused(loaded),
        *((Step.FAILED, each.reason, each.stored, (each.parameter,), 0) for each in loaded.failed),
        *_absent(loaded, sizes),
    ):
        lot = found.setdefault((step, why), _Lot())
        elements = sum(prod(shapes[name]) for name in names)
        lot.tensors += len(names) or len(parameters)
        lot.elements += elements if names else sum(sizes[name] for name in parameters)
        lot.difference += elements - needed
        lot.stored.add(names)
        lot.parameters.add(parameters)
    order = list(Step)
    return tuple(found[key].line(*key) for key in sorted(found, key=lambda key: order.index(key[0])))


class _Lot:
    """What is summed up in a line."""

    def __init__(self) -> None:
        self.tensors = self.elements = self.difference = 0
        self.stored, self.parameters = _Patterns(), _Patterns()

    def line(self, step: Step, why: str) -> Line:
        silent = step is Step.TAKEN
        names = ((), ()) if silent else (self.stored.texts(), self.parameters.texts())
        return Line(step, self.tensors, self.elements, self.difference, *names, why)


class _Patterns:
    """Names, those that differ only in numbers as one."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str | None, ...], list[set[str]]] = {}

    def add(self, names: Iterable[str]) -> None:
        for name in names:
            pieces = name.split(".")
            key = tuple(None if is_number(piece) else piece for piece in pieces)
            numbers = [piece for piece in pieces if is_number(piece)]
            for seen, number in zip(self._numbers.setdefault(key, [set() for _ in numbers]), numbers, strict=True):
                seen.add(number)

    def texts(self) -> tuple[str, ...]:
        """Each pattern: a number where it is always the same, else `{}`."""
        return tuple(self._text(key, iter(numbers)) for key, numbers in self._numbers.items())

    @staticmethod
    def _text(key: tuple[str | None, ...], numbers: Iterator[set[str]]) -> str:
        opened = (next(numbers) if piece is None else {piece} for piece in key)
        return ".".join(min(pieces) if len(pieces) == 1 else "{}" for pieces in opened)


_Found = tuple[Step, str, tuple[str, ...], tuple[str, ...], int]


def _routes(loaded: Loaded, sizes: Mapping[str, int]) -> Iterator[_Found]:
    """Stored tensors that are used: step, reason, names, parameters, elements that the implementation has for them."""
    swapped = {tie.source for tie in loaded.ties if not tie.both}
    sources = {tie.parameter: tie.source for tie in loaded.ties}
    seen: set[str] = set()
    for route in loaded.routes:
        parameters = tuple(route.made)
        twice = seen.intersection(parameters)
        copies = [name for name in parameters if name in loaded.copies and name not in swapped]
        needed = sum(sizes[name] for name in parameters if name not in seen and name not in copies)
        seen.update(parameters)
        wrong = [loaded.mismatched[name] for name in parameters if name in loaded.mismatched]
        if twice:
            yield Step.SHADOWED, "other stored tensors become the same", route.stored, parameters, needed
        elif wrong:
            why = f"becomes {list(wrong[0][0])}, the class has {list(wrong[0][1])}"
            yield Step.MISMATCHED, why, route.stored, parameters, needed
        elif copies:
            why = f"tied to {sources.get(copies[0], 'another')}, where the two are equal"
            yield Step.COPY, why, route.stored, parameters, needed
        else:
            yield *_way(route), route.stored, parameters, needed


def _way(route: Route) -> tuple[Step, str]:
    """What is done with tensors that fit."""
    (first, *others), made = route.stored, tuple(route.made)
    if route.operations:
        many = (bool(others), len(made) > 1)
        step = {(True, False): Step.MERGED, (False, True): Step.SPLIT}.get(many, Step.CONVERTED)
        return step, ", ".join(route.operations)
    return (Step.TAKEN, "") if first == made[0] else (Step.RENAMED, _renaming(first, made[0]))


def _renaming(stored: str, parameter: str) -> str:
    """What of a name changes: what both have at the beginning and at the end is left out."""
    left, right = stored.split("."), parameter.split(".")
    while left and right and left[-1] == right[-1]:
        del left[-1], right[-1]
    while left and right and left[0] == right[0]:
        del left[0], right[0]
    old, new = (".".join("{}" if is_number(piece) else piece for piece in side) for side in (left, right))
    return f"{old} is {new}" if old and new else f"with {new}" if new else f"without {old}"


def _unused(loaded: Loaded) -> Iterator[_Found]:
    numbered = _last(loaded.state)
    owner = loaded.where.rpartition(" ")[2]
    for each in loaded.unused:
        if each.instead:
            yield Step.SHADOWED, "other stored tensors become the same", (each.stored,), (each.sought,), 0
            continue
        step = Step.IGNORED if each.rule else Step.UNEXPECTED
        rule = f"{owner} ignores {each.rule}" if each.rule else f"{owner} has no such parameter or buffer"
        why = "; ".join(filter(None, (rule, _meaning(each, numbered))))
        yield step, why, (each.stored,), (each.sought,), 0


def _meaning(unused: Unused, numbered: Mapping[tuple[str, ...], int]) -> str:
    """What the tensor is, where its name and the module prove it; "" elsewhere."""
    pieces = unused.sought.split(".")
    for place, piece in enumerate(pieces):
        last = numbered.get(tuple(pieces[:place])) if is_number(piece) else None
        if last is not None and int(piece) > last:
            return f"{'.'.join(pieces[:place])}.{piece} is beyond the last, {last}"
    return next((_KNOWN[piece] for piece in pieces if piece in _KNOWN), "") if unused.rule else ""


def _last(state: Iterable[str]) -> dict[tuple[str, ...], int]:
    """The highest number under each list of modules."""
    found: dict[tuple[str, ...], int] = {}
    for name in state:
        pieces = name.split(".")
        for place, piece in enumerate(pieces):
            if is_number(piece):
                head = tuple(pieces[:place])
                found[head] = max(found.get(head, 0), int(piece))
    return found


def _absent(loaded: Loaded, sizes: Mapping[str, int]) -> Iterator[_Found]:
    for name in loaded.missing:
        if name not in loaded.copies:
            step = Step.OPTIONAL if name in loaded.optional else Step.MISSING
            yield step, "nothing stored becomes it", (), (name,), sizes[name]
    for tie in loaded.ties:
        if not tie.both:
            yield Step.TIED, f"{tie.parameter} = {tie.source}", (), (tie.parameter,), 0
