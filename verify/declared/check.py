"""A recorded number and what it should be."""

from dataclasses import dataclass

from verify.evidence.base import Declared


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A recorded number beside what the formula and the known causes give for it.

    Attributes:
        declared: The number and who recorded it.
        computed: What it should be, in the same unit, or None where it cannot be computed.
        how: How `computed` was put together, such as `parameters + stored buffer`.
        explained: Whether the two agree, or the disagreement is itself proved.
    """

    declared: Declared
    computed: int | None
    how: str
    explained: bool

    @property
    def difference(self) -> int | None:
        """Declared minus computed, or None where nothing could be computed."""
        return None if self.computed is None else self.declared.value - self.computed
