"""Two traces of one formula, of which each saw a rule for the layers only in part.

Where a list of kinds begins with another kind, `i > 0` does not show: the trace finds `layer_types[i] == "hybrid"` for
what is `i > 0 and layer_types[i] == "hybrid"`. A trace of a configuration that begins with that kind sees it, and may
miss it in turn for the other kind. Then one of the ways to put both rules together is right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from verify.derive.building.points import predicts
from verify.derive.formulas.expressions import Expression
from verify.derive.formulas.formula import DerivedTerm, Predicate, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verify.derive.building.points import Point

_Key = tuple[str, str, tuple[Expression, ...]]


def merged(first: Region, second: Region) -> Iterator[Region]:
    """The regions that have the rules of both: where both hold, and where either does.

    Args:
        first: A region.
        second: Another one; there is nothing to merge unless both have the same terms but for their rules.

    Yields:
        Regions that hold where both do.
    """
    others = {_key(term): term for term in second.terms}
    if not len(first.terms) == len(second.terms) == len(others) or set(map(_key, first.terms)) != others.keys():
        return
    values = {**second.values, **first.values}
    conditions = tuple(dict.fromkeys(first.conditions + second.conditions))
    for word in ("and", "or"):
        terms = tuple(_joined(term, others[_key(term)], word) for term in first.terms)
        if terms != first.terms:
            yield Region(terms, conditions, values)


def needed(regions: Sequence[Region], published: Sequence[Region], seen: Sequence[Point]) -> list[Region]:
    """The regions without those that lie in another one, which predicts everything that was seen there.

    Args:
        regions: The regions.
        published: The same, with the conditions that are published.
        seen: The configurations that were built.
    """
    conditions = [frozenset(each.conditions) for each in published]
    kept = list(range(len(regions)))
    for at in range(len(regions)):
        inside = [point for point in seen if not published[at].flipped(point.values)]
        for other in kept:
            within = conditions[other] < conditions[at] or (conditions[other] == conditions[at] and other < at)
            if at in kept and within and all(predicts(published[other], point) for point in inside):
                kept.remove(at)
                break
    return [regions[at] for at in kept]


def _key(term: DerivedTerm) -> _Key:
    return term.pattern, term.kind, term.axes


def _joined(one: DerivedTerm, other: DerivedTerm, word: str) -> DerivedTerm:
    pairs = zip(one.repeats, other.repeats, strict=True)
    return replace(one, repeats=tuple(_both(left, right, word) for left, right in pairs))


def _both(one: Predicate, other: Predicate, word: str) -> Predicate:
    """A rule of two rules; what both say stands once. No rule at all is one that always holds."""
    if one == other or one.stop != other.stop:
        return one
    if one.where is None or other.where is None:
        return one if (one.where is None) == (word == "or") else other
    texts = (one.where.text, other.where.text)
    mixed = any(f" {'or' if word == 'and' else 'and'} " in text for text in texts)
    parts = [f"({text})" for text in texts] if mixed else [part for text in texts for part in text.split(f" {word} ")]
    return Predicate(one.stop, Expression(f" {word} ".join(dict.fromkeys(parts))))
