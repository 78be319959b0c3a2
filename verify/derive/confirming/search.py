"""Which values a random configuration should move next, so that every value of a formula has moved in the end.

A class rejects most ways to move some values: a `head_dim` that must be `hidden_size // num_attention_heads` moves only
together with another. So a value that has not moved yet is tried alone, then with random others, then with each
other value by the same factor or the opposite one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verify.derive.building.configurations import Keywords, flatten
from verify.derive.building.variation import Varied, differs, movable, vary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

#: Tries of a value with random others, before others are tried one by one.
_ALONE = 6
#: Shares of all values that move besides the wanted ones.
_SHARES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.6)
#: Share of the configurations that are for values that have not moved yet.
_WANTED = 0.7
#: Values that have not moved yet and are tried in one configuration.
_AT_ONCE = 3


@dataclass(slots=True)
class Search:
    """The state of a search for configurations that move everything.

    Attributes:
        keywords: Where every configuration starts from.
        random: The source of chance.
        wanted: Values that must move: those of the formula.
        moved: Values that have moved in a configuration that the class took and the formula predicted.
        tries: How often each wanted value was tried since it was wanted.
    """

    keywords: Keywords
    random: Random
    wanted: tuple[str, ...] = ()
    moved: set[str] = field(default_factory=set)
    tries: Counter[str] = field(default_factory=Counter)
    _all: tuple[str, ...] = ()
    _values: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._values = flatten(self.keywords)
        self._all = movable(self.keywords)

    def want(self, paths: Iterable[str]) -> None:
        """Name the values of the formula; a list stands for its entries, and what cannot move is left out."""
        wanted = set(paths)
        self.wanted = tuple(path for path in self._all if path in wanted or path.split("[")[0] in wanted)

    def hold(self, paths: Iterable[str]) -> None:
        """Name values that stay what they are: what a formula is for."""
        held = set(paths)
        self._all = tuple(path for path in self._all if path not in held and path.split("[")[0] not in held)

    def differing(self, values: Mapping[str, object]) -> set[str]:
        """The paths whose values differ from where every configuration starts; a list of another length is no value."""
        return {path for path, value in values.items() if path in self._values and differs(self._values[path], value)}

    @property
    def missing(self) -> tuple[str, ...]:
        """Wanted values that have not moved yet, the least tried first; a list has moved when one entry has."""
        heads = {path.split("[")[0] for path in self.moved}
        left = (path for path in self.wanted if path not in self.moved and path.split("[")[0] not in heads)
        return tuple(sorted(left, key=lambda path: self.tries[path]))

    @property
    def open(self) -> tuple[str, ...]:
        """What is missing and was not yet tried with everything else."""
        return tuple(path for path in self.missing if self.tries[path] <= _ALONE + 2 * len(self.wanted))

    def names(self) -> tuple[str, ...]:
        """What has moved, for the report: a list of words by its own name only."""
        entries = {path for path in self.moved if "[" in path and isinstance(self._values[path], str | bool)}
        return tuple(sorted(self.moved - entries))

    def next(self) -> Varied:
        """Another configuration."""
        wanted = self.open
        if wanted and self.random.random() < _WANTED:
            return self._for(wanted)
        share = self.random.choice(_SHARES)
        sizes = [path for path in self._all if self._usual(path)]
        paths = [path for path in sizes if self.random.random() < share] or [self.random.choice(sizes or self._all)]
        return vary(self.keywords, self.random, paths, together=self.random.choice((0, 0, 0, 2, 3)))

    def _for(self, missing: tuple[str, ...]) -> Varied:
        first = missing[0]
        tried = self.tries[first]
        self.tries[first] += 1
        if tried > _ALONE and (others := [path for path in self.wanted if path != first]):
            other = others[(tried - _ALONE) // 2 % len(others)]
            opposite = (other,) if tried % 2 else ()
            return vary(self.keywords, self.random, (first, other), together=2, opposite=opposite)
        more = self.random.randrange(_AT_ONCE) if tried > 1 else 0
        share = self.random.choice(_SHARES) if tried > 1 else 0
        paths = {
            *missing[: 1 + more],
            *(path for path in self._all if self._usual(path) and self.random.random() < share),
        }
        return vary(self.keywords, self.random, sorted(paths), together=self.random.choice((0, 0, 2, 3)))

    def _usual(self, path: str) -> bool:
        """Whether a value moves at random: of what is seldom a size, only what the formula reads."""
        return path in self.wanted or not (path == "num_labels" or isinstance(self._values[path], float | str))
