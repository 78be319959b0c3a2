"""Many models in one table: a row for each, also for those that could not be checked."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from verify.render.csv import write
from verify.render.escape import code, prose
from verify.render.markdown import grid
from verify.render.summary import cause_list, declared_total
from verify.render.text import number, signed
from verify.verification import Verdict, Verification

COLUMNS = ("model", "verdict", "formula", "expected", "measured", "rests_on", "difference", "causes")


class Unchecked(Protocol):
    """A model that could not be checked."""

    @property
    def model(self) -> str:
        """The model as the user named it."""

    @property
    def reason(self) -> str:
        """Why it could not be checked, in one line."""


class Line(msgspec.Struct, frozen=True):
    """One row of the index.

    Attributes:
        model: The model as the user named it.
        verdict: The verdict.
        formula: The formula that was checked.
        expected: Parameters it predicts.
        measured: Measured parameters, else the recorded total of elements.
        rests_on: Where `measured` comes from: `header`, `meta`, or the kind of the recorded number.
        difference: Measured minus expected.
        causes: Why they differ; the reason where the model could not be checked.
    """

    model: str
    verdict: str
    formula: str
    expected: int | None
    measured: int | None
    rests_on: str
    difference: int | None
    causes: str


def lines(results: Iterable[Verification | Unchecked]) -> tuple[Line, ...]:
    """The rows of the index, in the order given."""
    return tuple(_line(result) for result in results)


def summary(found: Sequence[Line]) -> str:
    """How many models there are and how many of each verdict, in one sentence."""
    counts = {verdict: sum(line.verdict == verdict for line in found) for verdict in Verdict}
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    models = "1 model" if len(found) == 1 else f"{len(found)} models"
    return f"{models}: {verdicts}." if verdicts else f"{models}."


def index_markdown(results: Iterable[Verification | Unchecked]) -> str:
    """A Markdown table with one row per model, in the order given, below a line that counts the verdicts."""
    found = lines(results)
    rows = [
        (
            prose(line.model),
            f"**{line.verdict}**" if line.verdict == Verdict.UNEXPLAINED else line.verdict,
            code(line.formula),
            prose(line.causes) or "-",
            line.rests_on or "-",
            number(line.expected),
            number(line.measured),
            signed(line.difference),
        )
        for line in found
    ]
    columns = ("model", "verdict", "formula", "causes", "measured is", "expected", "measured", "difference")
    return f"# Models\n\n{summary(found)}\n\n{grid(columns, rows, left=5)}\n"


def index_csv(results: Iterable[Verification | Unchecked]) -> str:
    """The same as CSV."""
    return write(
        COLUMNS,
        (
            (
                line.model,
                line.verdict,
                line.formula,
                line.expected,
                line.measured,
                line.rests_on,
                line.difference,
                line.causes,
            )
            for line in lines(results)
        ),
    )


def _line(result: Verification | Unchecked) -> Line:
    if not isinstance(result, Verification):
        return Line(result.model, str(Verdict.UNCHECKED), "", None, None, "", None, result.reason)
    measured, rests_on = result.measured_parameters, result.measured_strength
    total = declared_total(result)
    if measured is None:
        measured, rests_on = (total.declared.value, str(total.declared.kind)) if total else (None, "")
    return Line(
        model=result.model,
        verdict=str(result.verdict),
        formula=result.formula,
        expected=result.expected_parameters,
        measured=measured,
        rests_on=rests_on,
        difference=None if measured is None else measured - result.expected_parameters,
        causes=cause_list(result),
    )
