"""Configurations that the real class took, with what it built from them: what a formula is held against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify.derive.building.configurations import Keywords, build, flatten, resolved
from verify.derive.building.instances import Instance, instance
from verify.derive.building.variation import spread
from verify.derive.errors import DeriveError
from verify.derive.formulas.naming import pattern
from verify.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.derive.building.classes import Target
    from verify.derive.formulas.formula import Region

#: Caps on the number of layers to begin with: a class may want an even number, or leave no choice.
_CAPS = (13, 12, 8, 10**6)

Shapes = dict[str, Counter[tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Point:
    """A configuration that the class took.

    Attributes:
        keywords: Its keywords.
        values: The same, flat.
        shapes: How many tensors of which shape there are, by pattern.
    """

    keywords: Keywords
    values: Mapping[str, Any]
    shapes: Shapes


def built(target: Target, keywords: Keywords) -> Point:
    """Build a configuration as the class understands it; errors as for `verify.derive.building.instances.instance`."""
    settled = resolved(build(target.config_class, keywords), keywords)
    return Point(settled, flatten(settled), _shapes(instance(target, settled)))


def _shapes(made: Instance) -> Shapes:
    found: Shapes = {}
    for tensors in (made.parameters, made.buffers):
        for name, shape in tensors.items():
            found.setdefault(pattern(name), Counter())[shape] += 1
    return found


def beginning(target: Target, keywords: Keywords) -> Point | None:
    """The first configuration with few layers that the class takes."""
    for cap in _CAPS:
        try:
            return built(target, spread(keywords, layers=cap))
        except ConfigError:
            continue
    return None


def predicts(region: Region, point: Point) -> bool:
    """Whether a formula gives every tensor of a configuration."""
    try:
        return region.shapes(point.values) == point.shapes
    except DeriveError:
        return False


def difference(region: Region, point: Point) -> str:
    """The first pattern that a region predicts wrongly, for the report."""
    try:
        predicted = region.shapes(point.values)
    except DeriveError as error:
        return str(error)
    name = next((name for name in (*point.shapes, *predicted) if predicted.get(name) != point.shapes.get(name)), "")
    ours, theirs = (shapes.get(name, Counter()) for shapes in (predicted, point.shapes))
    return f"{name}: the formula says {_unlike(ours, theirs)}, the class builds {_unlike(theirs, ours)}"


def _unlike(shapes: Counter[tuple[int, ...]], others: Counter[tuple[int, ...]]) -> str:
    """The shapes that are not as frequent among others."""
    shapes = Counter({shape: number for shape, number in shapes.items() if others[shape] != number})
    return ", ".join(f"{number} of {list(shape)}" for shape, number in shapes.most_common(3)) or "none"
