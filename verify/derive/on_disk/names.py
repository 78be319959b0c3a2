"""Many names renamed by asking once for each sort of name.

DeepSeek-V3 stores 91,991 tensors whose names differ in little but the numbers of layer and expert. A sort is the
names that differ only in numbers no rule speaks of. Its new name is asked for once, with numbers that stand for
themselves, and held against the rule on the first and the last of the sort; where it does not hold, each name is
asked for by itself.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from verify.errors import FormatError

#: A name to its new name and the pattern of the rule that takes its tensor, if one does.
Rename: TypeAlias = Callable[[str], tuple[str, str | None]]

#: Of the 558 types that transformers 5.23 builds by default none has a name above 131 characters, or more than 3,532
#: sorts of them (nllb-moe). Rules are regular expressions, which must not be tried for long on names that are made up.
LONGEST_NAME = 250
MOST_SORTS = 5_000

# Below this many, asking for each is as fast.
_FEW = 3

# Stands for a number far from any other, so that a rule which adds to numbers does not make one of them.
_MARK = 710_003

_Sort: TypeAlias = tuple[str | None, ...]


def is_number(piece: str) -> bool:
    """Whether a piece of a name is the index of a layer, an expert or the like."""
    return piece.isascii() and piece.isdecimal()


def in_order(names: Iterable[str], natural_key: Callable[[str], list[Any]]) -> list[str]:
    """Names in the order in which transformers takes them, numbers by value; each piece is looked at once.

    Args:
        names: Any names.
        natural_key: `core_model_loading.dot_natural_key`, which gives one entry for each piece.
    """
    known: dict[str, Any] = {}

    def key(name: str) -> list[Any]:
        pieces = name.split(".")
        for piece in pieces:
            if piece not in known:
                known[piece] = natural_key(piece)[0]
        return [known[piece] for piece in pieces]

    return sorted(names, key=key)


def rename_all(
    names: Sequence[str], rename: Rename, numbers: frozenset[str] | None
) -> dict[str, tuple[str, str | None]]:
    """The new name of each name, and the pattern of the rule that takes its tensor.

    Args:
        names: In the order in which the rule sees them.
        rename: The rule.
        numbers: The numbers that the rule speaks of, as `0` in `mlp[.]0[.]`; None asks for each name by itself.

    Raises:
        FormatError: A name is longer than any module has, or too few are alike.
    """
    longest = max(map(len, names), default=0)
    if longest > LONGEST_NAME:
        raise FormatError(f"a stored tensor has a name of {longest:,} characters", expected=f"at most {LONGEST_NAME}")
    opened = _Open(numbers or frozenset())
    sorts: dict[_Sort, list[str]] = {}
    for name in names:
        sorts.setdefault(tuple(map(opened.__getitem__, name.split("."))), []).append(name)
    if len(sorts) > MOST_SORTS:
        raise FormatError(f"{len(sorts):,} stored names that are not alike", expected=f"at most {MOST_SORTS:,}")
    if numbers is None:
        return {name: rename(name) for name in names}
    found: dict[str, tuple[str, str | None]] = {}
    for sort, members in sorts.items():
        found.update(zip(members, _renamed(sort, members, rename), strict=True))
    return found


class _Open(dict[str, str | None]):
    """A piece of a name to itself, or to None where it is a number that no rule speaks of."""

    def __init__(self, numbers: frozenset[str]) -> None:
        self._numbers = numbers

    def __missing__(self, piece: str) -> str | None:
        self[piece] = found = None if is_number(piece) and piece not in self._numbers else piece
        return found


def _renamed(sort: _Sort, members: Sequence[str], rename: Rename) -> Iterable[tuple[str, str | None]]:
    """The new name of each member of a sort."""
    places = {str(_MARK * (place + 1)): place for place, piece in enumerate(sort) if piece is None}
    if len(members) < _FEW or not places:
        return map(rename, members)
    marked = [str(_MARK * (place + 1)) if piece is None else piece for place, piece in enumerate(sort)]
    new, pattern = rename(".".join(marked))
    template = new.split(".")
    slots = [(place, places[piece]) for place, piece in enumerate(template) if piece in places]

    def filled(name: str) -> tuple[str, str | None]:
        pieces = name.split(".")
        for slot, place in slots:
            template[slot] = pieces[place]
        return ".".join(template), pattern

    holds = all(rename(members[end]) == filled(members[end]) for end in (0, -1))
    return map(filled if holds else rename, members)
