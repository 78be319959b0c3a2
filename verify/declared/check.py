"""A recorded number and what it should be."""

import msgspec

from verify.evidence.base import Declared


class DeclaredCheck(msgspec.Struct, frozen=True):
    """A recorded number beside what the files hold and what the formula says; none stands in for another.

    Attributes:
        declared: The number and who recorded it.
        expected: What the formula and the known causes give for it, in the same unit; None where they cannot.
        how: What was counted, such as `parameters + stored buffer`.
        explained: Whether it is right, or the disagreement is itself proved.
        counted: What the headers hold of it; None where there are none.
    """

    declared: Declared
    expected: int | None
    how: str
    explained: bool
    counted: int | None = None

    @property
    def computed(self) -> int | None:
        """What the number is held against: what was counted, else what is expected."""
        return self.expected if self.counted is None else self.counted

    @property
    def difference(self) -> int | None:
        """Declared minus computed, or None where nothing could be computed."""
        return None if self.computed is None else self.declared.value - self.computed
