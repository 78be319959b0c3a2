"""What a recorded number may count, by its kind and by the names of the stored tensors.

Each way of counting has a price, and the cheapest subset that gives the number exactly is taken:

* 0: what the names prove, or what needs no assumption.
* `GROUP` for each extra that is taken to be in the file, where no names were recorded.
* `CONVENTION` for a known habit of counting: the bare model without its head; parameters without buffers;
  "non-embedding" without both embedding matrices (Biderman et al. 2023, arXiv:2304.01373, table 1).
* `ODD` for what contradicts the names, which is said: counted although not stored (`save_pretrained` counts
  a tied head that it drops), or not counted although stored (the Hub counted the fp8 scales of
  DeepSeek-R1 once, 684,531,386,000, and no longer does, 684,489,845,504).
* A few points for element types that the config does not state.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from math import ceil
from typing import TypeAlias

from verify.breakdown import Key
from verify.declared.parts import Group, Part, Share, Store
from verify.declared.search import Item, Subset
from verify.evidence.base import DeclaredKind
from verify.roles import Cause

#: Bytes of an element.
Width: TypeAlias = int | Fraction

GROUP = 100
CONVENTION = 250
ODD = 1000
#: Weights in another element type than the config states.
OTHER_WIDTH = 5

#: Kinds that count bytes of data, so that they cannot leave out what is stored.
BYTES = frozenset({DeclaredKind.INDEX_BYTES, DeclaredKind.PAYLOAD_BYTES, DeclaredKind.FILE_BYTES})

#: Kinds that describe what somebody meant to count, not what a file holds.
_MEANT = frozenset({DeclaredKind.COUNTED})

#: Kinds read off the headers or files themselves, which cannot hold what is not stored.
_FROM_FILES = frozenset({DeclaredKind.PAYLOAD_BYTES, DeclaredKind.FILE_BYTES, DeclaredKind.DTYPE_TOTAL})

#: What is bookkeeping to the one who counts: stored, but not always counted.
_UNCOUNTED = frozenset({Cause.SCALES, Cause.STORED_BUFFER})

#: Bytes of an element by the name that `torch_dtype` gives its type.
_WIDTHS = {
    "float64": 8, "float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "int8": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Presence:
    """What the recorded names say about each group.

    Attributes:
        groups: The groups of the formula.
        stored: For each, True when all its tensors are named, False when not, None when nobody knows.
        rules: Groups by position, each with others of which one must be counted along with it.
        conflicts: Pairs of groups by position that share a tensor.
    """

    groups: tuple[Group, ...]
    stored: tuple[bool | None, ...]
    rules: tuple[tuple[int, frozenset[int]], ...]
    conflicts: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, groups: tuple[Group, ...], names: frozenset[Key] | None) -> "Presence":
        """Look the tensors of each group up among the recorded ones; None where no names were recorded."""
        stored: tuple[bool | None, ...] = (None,) * len(groups)
        if names is not None:
            there = [group for group in groups if group.keys <= names]
            stored = tuple(_is_stored(group, there) for group in groups)
        pairs = combinations(range(len(groups)), 2)
        conflicts = tuple((one, two) for one, two in pairs if groups[one].keys & groups[two].keys)
        return cls(groups, stored, tuple(dict.fromkeys(_needs(groups))), conflicts)

    def items(self, kind: DeclaredKind, widths: Mapping[Share, Width] | None) -> tuple[Item, ...]:
        """The groups as items of the search, in elements or, with `widths`, in bytes."""
        return tuple(
            Item(amount(group, widths), *_prices(group, stored, kind))
            for group, stored in zip(self.groups, self.stored, strict=True)
        )

    def is_consistent(self, subset: Subset) -> bool:
        """Whether groups fit together.

        Two groups never share a tensor; scales come with their weights; who leaves out the embeddings
        leaves out the output matrix too.
        """
        return not any(subset[one] and subset[two] for one, two in self.conflicts) and all(
            not subset[one] or any(subset[other] for other in others) for one, others in self.rules
        )


def amount(group: Group, widths: Mapping[Share, Width] | None) -> int:
    """The elements of a group, or its bytes."""
    return ceil(sum(elements * (widths[share] if widths else 1) for share, elements in group.shares))


@dataclass(frozen=True, slots=True)
class Types:
    """What is known of the element types.

    Attributes:
        stated: Bytes of an element of the weights as the config states them (`torch_dtype`, `dtype`), or None.
        known: Bytes of an element by storage type, as recorded counts per dtype prove them.
        quantised: Bytes of an element of a quantised weight.
    """

    stated: int | None
    known: Mapping[Share, int] = field(default_factory=dict)
    quantised: Width = 1

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Types":
        """Read what a config states."""
        block = config.get("quantization_config")
        # MXFP4 packs two values in each byte, and the Hub counts both.
        packed = isinstance(block, Mapping) and block.get("quant_method") == "mxfp4"
        quantised: Width = Fraction(1, 2) if packed else 1
        for section in (config, config.get("text_config"), config.get("thinker_config")):
            if isinstance(section, Mapping):
                for key in ("torch_dtype", "dtype"):
                    name = str(section.get(key)).removeprefix("torch.")
                    if name in _WIDTHS:
                        return cls(_WIDTHS[name], quantised=quantised)
        return cls(None, quantised=quantised)

    @property
    def weights(self) -> tuple[int, ...]:
        """The bytes that an element of the weights may have, the likeliest first."""
        known = self.known.get(Share(Store.WEIGHTS))
        return (known,) if known else tuple(dict.fromkeys((self.stated or 4, 4, 2, 1)))

    def widths(self, share: Share, weights: int) -> Sequence[tuple[Width, int]]:
        """The bytes that an element may have, each with its price.

        Args:
            share: What is stored.
            weights: Bytes of an element of the weights under the present assumption.
        """
        if share.store is Store.QUANTISED and self.quantised != 1:
            return ((self.quantised, 0),)
        if share in self.known:
            return ((self.known[share], 0),)
        if share.store is Store.WEIGHTS:
            return ((weights, 0 if self.stated in {None, weights} else OTHER_WIDTH),)
        return _widths(share, weights)


def _widths(share: Share, weights: int) -> Sequence[tuple[Width, int]]:
    """As `Types.widths`, for everything but the weights."""
    match share.store:
        case Store.TABLES:
            # Training with frozen low-precision layers keeps both matrices in F32, and some files do too.
            return ((weights, 0), *(((4, OTHER_WIDTH + 1),) if weights < 4 else ()))  # noqa: PLR2004 - bytes of F32
        case Store.STATES:
            return ((weights, 0), *(((4, 1),) if weights < 4 else ()))  # noqa: PLR2004 - bytes of F32
        case Store.QUANTISED:
            return ((1, 0),)
        case Store.SCALES:
            # F32 in DeepSeek's files, BF16 in Qwen's, F8_E8M0 in the newer formats.
            return ((4, 0), (2, 1), (1, 2))
        case _:
            # Rotary frequencies and router biases in F32, position ids in I64, masks in BOOL or U8.
            others: list[Width] = [width for width in (4, 8, 1, 2) if width != weights]
            # `dtype_byte_size` of transformers counted a bool as one bit of a `total_size`.
            others += [Fraction(1, 8)] if share.slot == "attention.mask" else []
            return ((weights, 0), *((width, 1 + place) for place, width in enumerate(others)))


def _needs(groups: tuple[Group, ...]) -> Iterator[tuple[int, frozenset[int]]]:
    """Which groups must come with which: scales with their weights, the output matrix with the embeddings."""
    for position, group in enumerate(groups):
        for owner in group.owners:
            yield position, frozenset(other for other, holder in enumerate(groups) if owner in holder.keys)
        if group.part is Part.HEAD:
            embeddings = frozenset(other for other, holder in enumerate(groups) if holder.part is Part.EMBEDDING)
            if embeddings:
                yield position, embeddings


def _is_stored(group: Group, there: list[Group]) -> bool | None:
    """Whether a group is stored, when `there` are the groups whose names are all there.

    The names of one group may be some of those of another, which then is the one that is stored; when two
    have the very same names, shapes would have to tell and nobody knows.
    """
    if group not in there:
        return False
    if any(group.keys < other.keys for other in there):
        return False
    return None if any(group.keys == other.keys and group is not other for other in there) else True


def _prices(group: Group, stored: bool | None, kind: DeclaredKind) -> tuple[int | None, int | None]:  # noqa: FBT001 - three-valued
    """What it costs to count a group, and to leave it out; None where it cannot be."""
    odd_to_count = None if kind in _FROM_FILES else ODD
    odd_to_leave = ODD if kind in _MEANT else None
    match group.part:
        case Part.CORE:
            return 0, None
        case Part.EMBEDDING:
            return 0, CONVENTION if kind in _MEANT else None
        case Part.HEAD | Part.BUFFER if stored is None:
            return 0, CONVENTION
        case Part.EXTRA if stored is None:
            return GROUP, 0
        case Part.BUFFER | Part.EXTRA if stored and kind not in BYTES and _is_uncounted(group):
            return 0, ODD
    return (0, odd_to_leave) if stored else (odd_to_count, 0)


def _is_uncounted(group: Group) -> bool:
    return group.part is Part.BUFFER or group.cause in _UNCOUNTED
