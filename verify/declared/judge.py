"""Recorded numbers against a formula: each must be what the formula and known causes give, to the last element."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from msgspec import structs

from verify.breakdown import Key
from verify.declared.accounts import Account, find, merged, nearest
from verify.declared.check import DeclaredCheck
from verify.declared.parts import Group, Part, Share, Store, groups
from verify.declared.rules import Presence, Types
from verify.evidence.base import Declared, DeclaredKind
from verify.explain import Finding
from verify.formula import Formula
from verify.roles import Cause
from verify.tensor import DTYPES

#: Bytes of header that one tensor may take. In real files it is 110 to 129 in safetensors (its JSON entry
#: and padding) and 170 to 392 in `.bin` (a pickled entry, and a zip member with its alignment and directory).
HEADER_BYTES = 512
#: Bytes that the files may hold besides, all together.
SLACK_BYTES = 65_536

#: The order in which a number is chosen to name the causes; the Hub counts what is stored.
_PRIMARY = (
    DeclaredKind.HUB_TOTAL,
    DeclaredKind.TOTAL_PARAMETERS,
    DeclaredKind.DTYPE_TOTAL,
    DeclaredKind.PAYLOAD_BYTES,
    DeclaredKind.INDEX_BYTES,
    DeclaredKind.COUNTED,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded number, what was computed for it, and the account behind that.

    Attributes:
        check: The result for the report.
        account: How the number, or the elements it belongs to, is put together; None where nothing fits.
        wrong: Whether the number itself is proved wrong.
    """

    check: DeclaredCheck
    account: Account | None
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class _Context:
    presence: Presence
    types: Types
    declared: tuple[Declared, ...]
    tensors: int

    def find(self, kind: DeclaredKind, low: int, high: int | None = None) -> tuple[Account, ...]:
        """The accounts of a number; the element types that recorded dtypes prove are tried first."""
        high = low if high is None else high
        found = find(self.presence, kind, low, high, self.types)
        return found or find(self.presence, kind, low, high, replace(self.types, known={}))

    def with_dtypes(self) -> "_Context":
        """The same, with the element types that the recorded counts per dtype prove."""
        known: dict[Share, int] = {}
        for number in self.declared:
            if number.kind is DeclaredKind.DTYPE_TOTAL and number.dtype in DTYPES:
                _, held = next(_divided(self, number), (None, {}))
                known |= dict.fromkeys(held.get(number.dtype, ()), DTYPES[number.dtype].bits // 8)
        return replace(self, types=replace(self.types, known=known))


def judge(
    formula: Formula,
    declared: tuple[Declared, ...],
    *,
    names_present: frozenset[Key] | None,
    config: Mapping[str, object],
) -> tuple[DeclaredCheck, ...]:
    """Hold each recorded number against the formula.

    A number of elements is the formula's parameters and persistent buffers with a consistent subset of its
    extras, exactly; a number of bytes the same, each element with the size of its type. Sizes of files hold
    headers too: they are compared with the data they must hold, and never called exact.

    Args:
        formula: The family's formula for this config, with its extras.
        declared: The recorded numbers.
        names_present: Slots and layers of the stored tensors (`stored`), or None where no names were recorded.
        config: The parsed config.json; only the element type is read from it.

    Returns:
        One check per number, in the same order. What cannot be put together has `explained=False`, with the
        nearest combination as `computed`.
    """
    return tuple(found.check for found in judged(formula, declared, names_present=names_present, config=config))


def findings(
    formula: Formula,
    declared: tuple[Declared, ...],
    *,
    names_present: frozenset[Key] | None,
    config: Mapping[str, object],
) -> tuple[Finding, ...]:
    """What the recorded numbers and names say about the checkpoint, as findings.

    Args:
        formula: As in `judge`.
        declared: As in `judge`.
        names_present: As in `judge`.
        config: As in `judge`.

    Returns:
        One explained finding for each extra that the primary number counts or the names prove, for what it
        leaves out of the formula, and for each number that is proved wrong; one unexplained finding for each
        number that nothing gives. Empty when the formula is exact.
    """
    results = judged(formula, declared, names_present=names_present, config=config)
    solved = [found for found in results if found.account and found.check.explained and not found.wrong]
    primary = min(
        (found for found in solved if found.check.declared.kind in _PRIMARY),
        key=lambda found: _PRIMARY.index(found.check.declared.kind),
        default=None,
    )
    presence = Presence.of(groups(formula), names_present)
    return (*_causes(presence, primary), *(_complaint(found) for found in results if _is_complaint(found)))


def judged(
    formula: Formula,
    declared: tuple[Declared, ...],
    *,
    names_present: frozenset[Key] | None,
    config: Mapping[str, object],
) -> tuple[Judged, ...]:
    """As `judge`, with the account behind each check."""
    parts = groups(formula)
    tensors = sum(group.tensors for group in parts if group.part is not Part.EXTRA)
    context = _Context(Presence.of(parts, names_present), Types.of(config), declared, tensors).with_dtypes()
    first = {
        position: _RULES[number.kind](context, number)
        for position, number in enumerate(declared)
        if number.kind is not DeclaredKind.FILE_BYTES
    }
    sizes = {found.check.declared.value for found in first.values() if _is_size(found)}
    sizes |= {_dtype_bytes(context, found.check) for found in first.values() if found.check.explained}
    return tuple(
        first[position] if position in first else _file_bytes(context, number, sizes)
        for position, number in enumerate(declared)
    )


def _is_size(found: Judged) -> bool:
    sizes = {DeclaredKind.INDEX_BYTES, DeclaredKind.PAYLOAD_BYTES}
    return found.check.explained and not found.wrong and found.check.declared.kind in sizes


def _dtype_bytes(context: _Context, check: DeclaredCheck) -> int:
    """Bytes of the data as the dtypes that one source recorded give them; 0 where they do not."""
    if check.declared.kind is not DeclaredKind.DTYPE_TOTAL:
        return 0
    values = _together(context, check.declared)
    return (
        sum(value * DTYPES[name].bits for name, value in values.items()) // 8 if values.keys() <= DTYPES.keys() else 0
    )


def _total(context: _Context, number: Declared) -> Judged:
    """A number that one account gives exactly, or none."""
    found = context.find(number.kind, number.value)
    if not found:
        return _unexplained(context, number)
    text = found[0].text()
    if len(found) > 1:
        text += "; the same sum comes of " + ", or of ".join(other.text() for other in found[1:])
    return Judged(DeclaredCheck(number, number.value, text, explained=True), found[0])


def _unexplained(context: _Context, number: Declared) -> Judged:
    near = nearest(context.presence, number.kind, number.value, context.types)
    if near is None:
        return Judged(DeclaredCheck(number, None, "nothing can be computed", explained=False), None)
    unit = "elements" if near.widths is None else "bytes"
    text = f"nearest: {near.text()}; {number.value - near.total:+,} {unit} remain"
    return Judged(DeclaredCheck(number, near.total, text, explained=False), near)


def _index_bytes(context: _Context, number: Declared) -> Judged:
    """`total_size` of an index: the bytes of the data, unless the headers of the files say otherwise.

    The index of DeepSeek-V3 counts 2 bytes for each of its 684,531,386,000 elements, most of which have 1.
    """
    measured = [one.value for one in context.declared if one.kind is DeclaredKind.PAYLOAD_BYTES]
    if not measured or number.value in measured:
        return _total(context, number)
    for width in dict.fromkeys((context.types.stated or 2, 4, 2, 1)):
        counted, rest = divmod(number.value, width)
        accounts = () if rest else context.find(DeclaredKind.HUB_TOTAL, counted)
        if accounts:
            text = (
                f"wrong: it counts {width} bytes for each of {counted:,} elements ({accounts[0].text()}), "
                f"the headers of the files add up to {measured[0]:,} bytes"
            )
            return Judged(DeclaredCheck(number, measured[0], text, explained=True), accounts[0], wrong=True)
    return _total(context, number)


def _dtype_total(context: _Context, number: Declared) -> Judged:
    """The elements of one dtype, judged together with the others of the same source.

    Their sum must be a number of elements that the groups give, and then each dtype must hold whole storage
    types: weights, quantised weights, scales, the buffers of a slot.
    """
    for account, held in _divided(context, number):
        here = merged({share: account.shares[share] for share in held[number.dtype]}, lambda _: number.dtype)
        text = " + ".join(f"{elements:,} {share}" for share, elements in here.items())
        return Judged(DeclaredCheck(number, number.value, text, explained=True), account)
    values = _together(context, number)
    found = _unexplained(context, structs.replace(number, value=sum(values.values())))
    check = DeclaredCheck(number, None, f"{', '.join(values)} together: {found.check.how}", explained=False)
    return Judged(check, found.account)


def _together(context: _Context, number: Declared) -> dict[str, int]:
    """The elements of each dtype that the same source recorded."""
    same = (other for other in context.declared if other.kind is number.kind and other.source == number.source)
    return {other.dtype: other.value for other in same}


def _divided(context: _Context, number: Declared) -> Iterator[tuple[Account, dict[str, list[Share]]]]:
    """The ways to divide what is counted among the dtypes recorded together with this one."""
    values = _together(context, number)
    for account in context.find(number.kind, sum(values.values())):
        for held in _assignments(account, values):
            yield account, held


def _assignments(account: Account, values: Mapping[str, int]) -> Iterable[dict[str, list[Share]]]:
    """Every way to divide the storage types of an account among dtypes so that each dtype's count is met."""
    shares = account.shares
    for dtypes in product(*([name for name in values if _may_hold(name, share)] for share in shares)):
        held: dict[str, list[Share]] = {name: [] for name in values}
        for share, name in zip(shares, dtypes, strict=True):
            held[name].append(share)
        if all(sum(shares[share] for share in held[name]) == value for name, value in values.items()):
            yield held


def _may_hold(dtype: str, share: Share) -> bool:
    """Whether a dtype can be that of a storage type; weights are floating-point, quantised weights small."""
    match share.store:
        case Store.WEIGHTS | Store.TABLES | Store.STATES:
            return dtype in {"F64", "F32", "F16", "BF16"}
        case Store.QUANTISED:
            return dtype.startswith(("F8_", "I8", "U8"))
        case _:
            return True


def _file_bytes(context: _Context, number: Declared, sizes: Iterable[int]) -> Judged:
    """The size of the weight files: the data and a plausible amount of headers."""
    room = HEADER_BYTES * context.tensors + SLACK_BYTES
    fitting = [size for size in sizes if 0 < number.value - size <= room]
    found = context.find(DeclaredKind.INDEX_BYTES, max(fitting)) if fitting else ()
    found = found or context.find(number.kind, number.value - room, number.value - 1)
    if not found:
        return _unexplained(context, number)
    headers = number.value - found[0].total
    text = (
        f"{found[0].text()}; {headers:,} bytes beyond these {found[0].total:,} are headers, "
        f"{headers // found[0].tensors} for each of {found[0].tensors:,} tensors, not exact"
    )
    return Judged(DeclaredCheck(number, found[0].total, text, explained=True), found[0])


_RULES: Mapping[DeclaredKind, Callable[[_Context, Declared], Judged]] = {
    DeclaredKind.HUB_TOTAL: _total,
    DeclaredKind.TOTAL_PARAMETERS: _total,
    DeclaredKind.COUNTED: _total,
    DeclaredKind.DTYPE_TOTAL: _dtype_total,
    DeclaredKind.INDEX_BYTES: _index_bytes,
    DeclaredKind.PAYLOAD_BYTES: _total,
}


def _causes(presence: Presence, primary: Judged | None) -> Iterator[Finding]:
    """A finding for each group in which the checkpoint is not what the formula alone says."""
    subset = primary.account.found.subset if primary and primary.account else (None,) * len(presence.groups)
    where = f"{primary.check.declared.kind} {primary.check.declared.value:,}" if primary else ""
    # Who counts by a convention of his own leaves out what the checkpoint has all the same.
    meant = primary is None or primary.check.declared.kind is DeclaredKind.COUNTED
    for group, counts, stored in zip(presence.groups, subset, presence.stored, strict=True):
        if group.cause:
            if counts or stored:
                yield _extra(group, group.cause, where if counts else "", stored=stored is not False)
        elif group.part is Part.HEAD and (stored is False or (stored is None and counts is False and not meant)):
            slot = min(key[0] for key in group.keys)
            detail = f"not counted in {where}" if stored is None else "its tensors are not among the recorded names"
            yield Finding(Cause.OTHER_HEAD, -group.elements, str(slot), explained=True, detail=detail)
        elif group.part is Part.BUFFER and stored is None and counts is False and not meant:
            detail = f"not counted in {where}"
            yield Finding(Cause.STORED_BUFFER, -group.elements, group.name, explained=True, detail=detail)


def _extra(group: Group, cause: Cause, where: str, *, stored: bool) -> Finding:
    """The finding for an extra that is counted, stored, or both."""
    if not stored:
        detail = f"{where} counts it although no such tensor is stored"
        return Finding(Cause.DECLARED, group.elements, group.name, explained=True, detail=detail)
    shown = f"counted in {where}" if where else "stored, but not counted"
    detail = "; ".join(filter(None, (group.note, shown)))
    return Finding(cause, group.elements, group.name, explained=True, detail=detail)


def _is_complaint(found: Judged) -> bool:
    return found.wrong or not found.check.explained


def _complaint(found: Judged) -> Finding:
    """The finding for a number that is wrong or that nothing gives."""
    number = found.check.declared
    counts_elements = found.account is not None and found.account.widths is None
    remaining = (found.check.difference or 0) if counts_elements and not found.wrong else 0
    detail = f"{number.value:,} recorded by {number.source}; {found.check.how}"
    name = f"{number.kind} {number.dtype}".strip()
    return Finding(Cause.DECLARED, remaining, name, explained=found.check.explained, detail=detail)
