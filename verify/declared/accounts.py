"""Ways to put a recorded number together from the groups of a formula."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from verify.declared.parts import Group, Part, Share, Store
from verify.declared.rules import BYTES, GROUP, ODD, OTHER_WIDTH, Presence, Types, Width
from verify.declared.search import Found, Subset, closest, solve
from verify.evidence.base import DeclaredKind

#: Buffers with an element type of their own; more than these share one, to bound the search.
MAXIMUM_BUFFERS = 4
#: Price of buffers that share one storage.
ONE_STORAGE = 10


@dataclass(frozen=True, slots=True)
class Account:
    """A number put together.

    Attributes:
        presence: The groups, and which of them are stored.
        found: Which of them are counted, with the total.
        widths: Bytes of an element by storage type, or None for a number of elements.
        price: How odd it is, element types included.
        types: What is known of the element types.
    """

    presence: Presence
    found: Found
    widths: Mapping[Share, Width] | None
    price: int
    types: Types

    @property
    def total(self) -> int:
        """The number that it gives, in elements or bytes."""
        return self.found.total

    @property
    def counted(self) -> tuple[Group, ...]:
        """The groups that it counts."""
        return tuple(group for group, counts in zip(self.presence.groups, self.found.subset, strict=True) if counts)

    @property
    def tensors(self) -> int:
        """How many tensors it counts."""
        return sum(group.tensors for group in self.counted)

    @property
    def shares(self) -> dict[Share, int]:
        """Elements by storage type, over all groups that it counts."""
        total: dict[Share, int] = {}
        for group in self.counted:
            for share, elements in group.shares:
                total[share] = total.get(share, 0) + elements
        return dict(sorted(total.items(), key=lambda item: (list(Store).index(item[0].store), item[0].slot)))

    def text(self) -> str:
        """How the number is put together, in one line."""
        return "; ".join((self._sum(), *self._remarks()))

    def _sum(self) -> str:
        if self.widths is None:
            own = [group.elements for group in self.counted if group.part in {Part.CORE, Part.EMBEDDING, Part.HEAD}]
            others = [group for group in self.counted if group.part in {Part.BUFFER, Part.EXTRA}]
            return " + ".join((f"{sum(own):,} parameters", *(f"{other.elements:,} {_name(other)}" for other in others)))
        together = merged(self.shares, lambda share: self.widths[share] if self.widths else 1)
        return " + ".join(f"{self.widths[share]} x {elements:,} {share}" for share, elements in together.items())

    def _remarks(self) -> Iterator[str]:
        for group, counts, stored in zip(self.presence.groups, self.found.subset, self.presence.stored, strict=True):
            if counts and group.part is Part.EXTRA and self.widths is not None:
                yield f"with {_name(group)}"
            # A single missing tensor makes the formula's own groups incomplete; the names say which it is.
            if counts and stored is False and group.part not in {Part.CORE, Part.EMBEDDING}:
                yield f"{group.name} counted although not stored"
            if not counts and (group.part is not Part.EXTRA or stored):
                yield f"{group.name} not counted" + (" although stored" if stored else "")
        if self.widths is None:
            return
        for share in self.shares:
            layers = _layers(self.presence, share)
            if layers > 1 and self.widths[share] * layers in {1, 2, 4, 8}:
                yield f"{share.slot} held once for its {layers} layers"
        width, stated = self.widths[Share(Store.WEIGHTS)], self.types.stated
        if stated is None and not self.types.known:
            yield f"the config states no element type, {width} bytes fit"
        elif stated not in {None, width}:
            yield f"not the {stated} bytes that the config states"


def find(presence: Presence, kind: DeclaredKind, low: int, high: int, types: Types) -> tuple[Account, ...]:
    """The least odd ways to a number between `low` and `high`, both included; none where there is no way.

    Several come back, the least odd first, where different groups give the same number.
    """
    found = [
        Account(presence, subset, width, subset.cost + price, types)
        for width, price in _assumptions(presence, kind, types)
        for subset in solve(presence.items(kind, width), low, high, presence.is_consistent)
    ]
    found.sort(key=lambda account: (account.price, sum(account.found.subset)))
    if not found:
        return ()
    # Element types that the config does not state are no reason to keep silent about another subset.
    least = found[0].price // GROUP, sum(found[0].found.subset)
    distinct: dict[Subset, Account] = {}
    for account in found:
        if (account.price // GROUP, sum(account.found.subset)) == least:
            distinct.setdefault(account.found.subset, account)
    return tuple(distinct.values())


def nearest(presence: Presence, kind: DeclaredKind, value: int, types: Types) -> Account | None:
    """The combination that comes nearest to a number that nothing gives, with the likeliest element types."""
    found = [
        Account(presence, subset, width, subset.cost + price, types)
        for width, price in _assumptions(presence, kind, types)
        if price in {0, OTHER_WIDTH}
        if (subset := closest(presence.items(kind, width), value, presence.is_consistent))
    ]
    # What contradicts the names is no explanation of a number that it does not even give.
    return min(
        found, key=lambda account: (account.price >= ODD, abs(account.total - value), account.price), default=None
    )


def _assumptions(
    presence: Presence, kind: DeclaredKind, types: Types
) -> Iterator[tuple[dict[Share, Width] | None, int]]:
    """Bytes by storage type with the price of assuming them, or None where elements are counted."""
    if kind not in BYTES:
        yield None, 0
        return
    shares = sorted({share for group in presence.groups for share, _ in group.shares} | {Share(Store.WEIGHTS)})
    free = shares[:]
    buffers = [share for share in shares if share.store is Store.BUFFER]
    if len(buffers) > MAXIMUM_BUFFERS:
        free = [share for share in shares if share.store is not Store.BUFFER] + buffers[:1]
    for weights in types.weights:
        for choice in product(*(_options(presence, kind, types, share, weights) for share in free)):
            assumed = {share: width for share, (width, _) in zip(free, choice, strict=True)}
            assumed |= {share: assumed[buffers[0]] for share in buffers if share not in assumed}
            yield assumed, sum(price for _, price in choice)


def _options(
    presence: Presence, kind: DeclaredKind, types: Types, share: Share, weights: int
) -> tuple[tuple[Width, int], ...]:
    """The bytes that an element may have, each with its price; of masks that share one storage, their part of it.

    The first GPT-J keeps the masks of all its layers in one storage, which a pickle holds once.
    """
    alone = tuple(types.widths(share, weights))
    layers = _layers(presence, share)
    if kind is not DeclaredKind.FILE_BYTES or layers == 1:
        return alone
    return (*alone, *((Fraction(width) / layers, price + ONE_STORAGE) for width, price in alone))


def _layers(presence: Presence, share: Share) -> int:
    """In how many layers a mask stands; 1 for anything else."""
    if share.slot != "attention.mask":
        return 1
    return max((group.tensors for group in presence.groups if group.shares[0][0] == share), default=1)


def merged(shares: Mapping[Share, int], kind: Callable[[Share], object]) -> dict[Share, int]:
    """Elements by storage type, with the other parameters among the weights where they are of one kind."""
    weights = Share(Store.WEIGHTS)
    total = dict(shares)
    for share, elements in shares.items():
        alike = weights in shares and kind(share) == kind(weights)
        if share.store in {Store.TABLES, Store.STATES} and alike:
            total[weights] += elements
            del total[share]
    return total


def _name(group: Group) -> str:
    """A group with the reason why it is there."""
    return f"{group.name} ({group.cause})" if group.cause else f"{group.name} buffers"
