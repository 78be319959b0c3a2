"""The result of a check: a verdict, its findings and everything the reports show."""

from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from verify.breakdown import EMPTY, Breakdown, Key
from verify.declared.check import DeclaredCheck
from verify.errors import UnavailableError
from verify.evidence.base import Evidence
from verify.explain import Finding
from verify.formula import Formula
from verify.roles import Cause, Kind, Role
from verify.tensor import Tensor
from verify.triangulate import Triangulation

if TYPE_CHECKING:
    import pandas as pd


#: What stands for a kind in the rows of tensors that no name table knows.
UNCLASSIFIED = "unclassified"


class Verdict(StrEnum):
    """What a check came to; the later, the worse."""

    EXACT = "exact"
    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"
    UNCHECKED = "unchecked"


class Comparison(msgspec.Struct, frozen=True):
    """One pair of a triangulation: formula, implementation, file.

    Attributes:
        left: Name of one side.
        right: Name of the other.
        left_parameters: Parameters of the one.
        right_parameters: Parameters of the other.
        agree: Whether they agree in every slot, layer and shape, or every difference is explained.
        note: What differs, in one sentence.
    """

    left: str
    right: str
    left_parameters: int
    right_parameters: int
    agree: bool
    note: str = ""


class Row(msgspec.Struct, frozen=True):
    """One line of a breakdown table.

    Attributes:
        layer_type: The slot, as `attention.q`; the name of an unclassified tensor.
        role: Its coarse role.
        kind: Parameter, buffer, bookkeeping or unclassified.
        layer: The layer index, or None outside the layers and in tables over the whole model.
        tensors: Measured (else expected) number of tensors.
        expected: Predicted elements, or None where the formula does not speak of single slots.
        measured: Measured elements, or None where the evidence does not.
        share: Measured (else expected) share of all parameters, as a fraction; None for other kinds.
    """

    layer_type: str
    role: str
    kind: str
    layer: int | None
    tensors: int
    expected: int | None
    measured: int | None
    share: Fraction | None

    @property
    def difference(self) -> int | None:
        """Measured minus expected elements."""
        return None if self.expected is None or self.measured is None else self.measured - self.expected

    @property
    def ratio(self) -> Fraction | None:
        """Expected divided by measured, for display; None where either is unknown or measured is 0."""
        return Fraction(self.expected, self.measured) if self.expected is not None and self.measured else None


class Verification(msgspec.Struct, frozen=True):
    """Everything a check found.

    Attributes:
        evidence: What it rests on.
        architecture: The class named in the config.
        family: The family whose names and terms were used.
        formula: Name or text of the formula that was checked.
        exact: The family's formula, term by term; the basis of the tables.
        expected: The cells the checked formula predicts; empty when it states totals only.
        expected_parameters: Parameters it predicts.
        expected_by_role: Its prediction by role; empty when it states a total only.
        measured: What the tensors are, or None where the evidence has none.
        measured_strength: The kind of evidence `measured` comes from (`header` or `meta`).
        findings: Every difference and its cause.
        declared: Recorded numbers beside computed ones.
        comparisons: Triangulation of formula, implementation and file.
        unread: Config keys that nobody read.
        verdict: The verdict.
        formula_source: Where the checked formula comes from.
        notes: What could not be checked, and why this evidence was used.
        triangulation: The differences between formula, implementation and file, where all three are at hand.
    """

    evidence: Evidence
    architecture: str
    family: str
    formula: str
    exact: Formula
    expected: Breakdown
    expected_parameters: int
    expected_by_role: dict[Role, int]
    measured: Breakdown | None
    measured_strength: str
    findings: tuple[Finding, ...]
    declared: tuple[DeclaredCheck, ...]
    comparisons: tuple[Comparison, ...]
    unread: tuple[str, ...]
    verdict: Verdict
    formula_source: str = ""
    notes: tuple[str, ...] = ()
    triangulation: Triangulation | None = None

    @property
    def model(self) -> str:
        """The model as the user named it."""
        return self.evidence.model

    @property
    def measured_parameters(self) -> int | None:
        """Parameters that were measured, or None where the evidence has no tensors."""
        return None if self.measured is None else self.measured.total()

    @property
    def difference(self) -> int | None:
        """Measured minus expected parameters."""
        return None if self.measured_parameters is None else self.measured_parameters - self.expected_parameters

    @property
    def ratio(self) -> Fraction | None:
        """Expected divided by measured parameters."""
        return Fraction(self.expected_parameters, self.measured_parameters) if self.measured_parameters else None

    def passes(self, *, strict: bool = False, tolerance: float = 0.0) -> bool:
        """Whether the check succeeded.

        Args:
            strict: Only `exact` passes.
            tolerance: For approximations: also pass when |ratio - 1| is at most this, unless index and files disagree.
        """
        if self.verdict is Verdict.EXACT or (self.verdict is Verdict.EXPLAINED and not strict):
            return True
        if any(finding.cause is Cause.INDEX and not finding.explained for finding in self.findings):
            return False
        return self.ratio is not None and tolerance > 0 and abs(self.ratio - 1) <= tolerance

    def rows(self, *, layers: bool = False) -> tuple[Row, ...]:
        """The breakdown table: one row per slot, or per slot and layer index, then each unclassified tensor.

        Args:
            layers: One row for each layer index.
        """
        keys = dict.fromkeys((*self.expected.cells, *(self.measured.cells if self.measured else ())))
        grouped: dict[Key, list[Key]] = {}
        for slot, layer in keys:
            grouped.setdefault((slot, layer if layers else None), []).append((slot, layer))
        unclassified = self.measured.unclassified if self.measured else ()
        whole = self.measured_parameters or self.expected_parameters
        return (
            *(self._row(key, group, whole) for key, group in grouped.items()),
            *(self._unclassified(tensor, whole) for tensor in unclassified),
        )

    def _unclassified(self, tensor: Tensor, whole: int) -> Row:
        """A tensor that no name table knows: measured as a parameter, and expected by nobody."""
        share = Fraction(tensor.elements, whole) if whole else None
        expected = 0 if self.expected.cells else None
        return Row(tensor.name, str(Role.OTHER), UNCLASSIFIED, None, 1, expected, tensor.elements, share)

    def _row(self, key: Key, group: Iterable[Key], whole: int) -> Row:
        slot, layer = key
        cells = list(group)
        predicted = [self.expected.cells.get(cell, EMPTY) for cell in cells]
        expected = sum(cell.elements for cell in predicted) if self.expected.cells else None
        measured = [self.measured.cells.get(cell, EMPTY) for cell in cells] if self.measured else []
        elements = sum(cell.elements for cell in measured) if self.measured else None
        share = Fraction(elements if elements is not None else expected or 0, whole) if whole else None
        return Row(
            layer_type=str(slot),
            role=str(slot.role),
            kind=str(slot.kind),
            layer=layer,
            tensors=sum(cell.tensors for cell in (measured or predicted)),
            expected=expected,
            measured=elements,
            share=share if slot.kind is Kind.PARAMETER else None,
        )

    def to_frame(self, *, layers: bool = False) -> "pd.DataFrame":
        """The breakdown as a pandas data frame, one row per slot or per slot and layer.

        Columns: layer_type, role, kind, layer, tensors, expected, measured, difference (elements),
        ratio (expected / measured) and share (of all measured parameters).

        Raises:
            UnavailableError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise UnavailableError(
                "pandas is not installed", expected="it for to_frame()", hint="pip install 'verify-params[report]'"
            ) from None
        return pd.DataFrame(
            [
                {
                    "layer_type": row.layer_type,
                    "role": row.role,
                    "kind": row.kind,
                    "layer": row.layer,
                    "tensors": row.tensors,
                    "expected": row.expected,
                    "measured": row.measured,
                    "difference": row.difference,
                    "ratio": None if row.ratio is None else float(row.ratio),
                    "share": None if row.share is None else float(row.share),
                }
                for row in self.rows(layers=layers)
            ]
        )


class Unchecked(msgspec.Struct, frozen=True):
    """A model that could not be checked.

    Attributes:
        model: The model as the user named it.
        reason: Why, in one line.
        exit_code: What the process exits with when only this was asked for.
    """

    model: str
    reason: str
    exit_code: int = 3
