"""A derived formula as plain text: its terms by where they occur, then the conditions under which it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.derive.formulas.expressions import INDICES, Expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.derive.formulas.formula import Derived, DerivedTerm, Region

_OPERATORS = frozenset("+-*/%")


def text(derived: Derived) -> str:
    """All regions of a formula, one after another."""
    lines = [f"{derived.model_type} {derived.class_name}, transformers {derived.transformers}"]
    for number, region in enumerate(derived.regions, start=1):
        if len(derived.regions) > 1:
            lines.append(f"region {number} of {len(derived.regions)}")
        lines.extend(region_lines(region))
    return "\n".join(lines)


def region_lines(region: Region) -> Iterator[str]:
    """The lines of one region."""
    groups: dict[tuple[str, str], list[DerivedTerm]] = {}
    for term in region.terms:
        start = term.pattern.partition("{}")[0] if term.repeats else ""
        groups.setdefault((start, where(term)), []).append(term)
    for (start, repeats), terms in groups.items():
        yield f"  [{repeats}] {start}".rstrip()
        for term in terms:
            yield f"      {term.pattern}: {axes(term)}{' (buffer)' if term.kind == 'buffer' else ''}"
    if region.conditions:
        yield "  holds where"
        yield from (f"      {condition.text}" for condition in region.conditions)


def where(term: DerivedTerm) -> str:
    """Where a term occurs: `i >= first_k_dense_replace`, `i < num_layers; j == 0`, `once`."""
    return "; ".join(part.text(INDICES[at]) for at, part in enumerate(term.repeats)) or "once"


def axes(term: DerivedTerm) -> str:
    """The axes of a term as a product: `(num_key_value_heads*head_dim) * hidden_size`; `1` for a single number."""
    return " * ".join(map(_axis, term.axes)) or "1"


def _axis(axis: Expression) -> str:
    depth, plain = 0, True
    for char in axis.text:
        depth += (char in "([") - (char in ")]")
        plain &= depth > 0 or char not in _OPERATORS
    return axis.text if plain else f"({axis.text})"
