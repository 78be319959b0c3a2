"""A formula cut into groups of elements that a recorded number counts or leaves out as a whole.

The formula's own parameters, its embeddings, its head and its persistent buffers are a group each, and so
is each `Extra`. Inside a group, elements that share one storage type form a `Store`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from verify.breakdown import Key, expect
from verify.formula import Formula, Term
from verify.roles import Cause, Kind, Role, Slot

#: Weights of a recurrence, which files of bfloat16 may keep in F32: those of Qwen3.5 do, those of Qwen3.6 do not
#: (vllm-project/vllm#51836).
_STATES = frozenset({(Role.ATTENTION, "A_log"), (Role.NORM, "linear")})


class Store(StrEnum):
    """What shares one element type in a file."""

    WEIGHTS = "weights"
    TABLES = "embedding and head weights"
    STATES = "state weights"
    QUANTISED = "quantised weights"
    SCALES = "scales"
    BUFFER = "buffers"


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """One storage type inside a group; each slot of buffers or state weights has its own.

    Attributes:
        store: What is stored.
        slot: The slot of a buffer or a state weight, "" for the others.
    """

    store: Store
    slot: str = ""

    def __str__(self) -> str:
        return f"{self.slot} {self.store}".strip()


class Part(StrEnum):
    """What a group is to the formula."""

    CORE = "parameters"
    EMBEDDING = "embeddings"
    HEAD = "head"
    BUFFER = "buffers"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Group:
    """Elements that are counted together or not at all.

    Attributes:
        part: What they are to the formula.
        name: What they are called in a sentence.
        shares: Elements by storage type.
        keys: The slots and layers that hold them.
        tensors: How many tensors they are.
        owners: Slots and layers of the weights that scales belong to.
        cause: Why a file holds them, for an extra.
        note: The sentence that goes with an extra.
    """

    part: Part
    name: str
    shares: tuple[tuple[Share, int], ...]
    keys: frozenset[Key]
    tensors: int
    owners: frozenset[Key]
    cause: Cause | None = None
    note: str = ""

    @property
    def elements(self) -> int:
        """All its elements."""
        return sum(elements for _, elements in self.shares)


def groups(formula: Formula) -> tuple[Group, ...]:
    """All groups of a formula, its own terms first; groups without elements are left out."""
    bookkeeping = [term for term in _every_term(formula) if term.slot.kind is Kind.BOOKKEEPING]
    quantised = frozenset(_owners(bookkeeping))
    own: dict[tuple[Part, str], list[Term]] = {}
    for term in formula.terms:
        own.setdefault(_part(term), []).append(term)
    found = [
        _group(part, name, terms, quantised)
        for (part, name), terms in sorted(own.items(), key=lambda item: list(Part).index(item[0][0]))
    ]
    for extra in formula.additions:
        group = _group(Part.EXTRA, _several(extra.terms), extra.terms, quantised)
        found.append(replace(group, cause=extra.cause, note=extra.note))
    return tuple(group for group in found if group.elements)


def _every_term(formula: Formula) -> Iterable[Term]:
    return chain(formula.terms, *(extra.terms for extra in formula.additions))


def _part(term: Term) -> tuple[Part, str]:
    """The group of one of the formula's own terms, with its name."""
    if term.slot.kind is Kind.BUFFER:
        return Part.BUFFER, str(term.slot)
    if term.slot.role is Role.HEAD:
        return Part.HEAD, "the head"
    if term.slot.role is Role.EMBEDDING:
        return Part.EMBEDDING, "the embeddings"
    return Part.CORE, "parameters"


def _several(terms: Iterable[Term]) -> str:
    """What to call several slots: the first of them, and how many more."""
    first, *others = dict.fromkeys(str(term.slot) for term in terms) or [""]
    return f"{first} and {len(others)} more" if others else first


def _group(part: Part, name: str, terms: Iterable[Term], quantised: frozenset[Key]) -> Group:
    shares: Counter[Share] = Counter()
    cells = expect(terms)
    for key, cell in cells.items():
        shares[_share(key, quantised)] += cell.elements
    owners = frozenset(_owners(terms))
    tensors = sum(cell.tensors for cell in cells.values())
    return Group(part, name, tuple(sorted(shares.items())), frozenset(cells), tensors, owners)


def _share(key: Key, quantised: frozenset[Key]) -> Share:
    slot = key[0]
    if slot.kind is Kind.BUFFER:
        return Share(Store.BUFFER, str(slot))
    if slot.kind is Kind.BOOKKEEPING:
        return Share(Store.SCALES)
    if key in quantised:
        return Share(Store.QUANTISED)
    if (slot.role, slot.part) in _STATES:
        return Share(Store.STATES, str(slot))
    return Share(Store.TABLES if slot.role in {Role.EMBEDDING, Role.HEAD} else Store.WEIGHTS)


def _owners(terms: Iterable[Term]) -> Iterable[Key]:
    """The weights that bookkeeping belongs to: `attention.q.weight_scale_inv` belongs to `attention.q`."""
    for term in terms:
        if term.slot.kind is Kind.BOOKKEEPING:
            owner = Slot(term.slot.role, term.slot.part.rpartition(".")[0], Kind.PARAMETER, term.slot.stack)
            yield from ((owner, layer) for layer in term.indices)
