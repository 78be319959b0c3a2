"""The ledger of published claims: text for a terminal, JSON, CSV and Markdown.

The JSON is a list with one object for each claim: `{"id", "source", "statement", "published", "recomputed", "verdict",
"why"}`. `published` is text, because its digits say how precise it is; `recomputed` is a number (whole where it is
one; a share in per cent), a text where the claim is about a word, a list of them where the claim states several, and
null where it could not be checked. `verdict` is `holds`, `approximate`, `false`, `inconsistent` or `not checkable`.
"""

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from verify.claims import Amount, Row, Verdict
from verify.claims._ledger import signed_percent
from verify.render.csv import write
from verify.render.drawing import drawn
from verify.render.escape import prose
from verify.render.markdown import grid
from verify.render.text import visible

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = ("id", "source", "statement", "published", "recomputed", "verdict", "deviation", "why")

_STYLES = {Verdict.FALSE: "red", Verdict.INCONSISTENT: "red", Verdict.NOT_CHECKABLE: "dim"}

_INDENT = 4

#: Decimals of a number in JSON that is not whole.
_DIGITS = 6


def render(rows: Sequence[Row], form: str, *, width: int | None = None, color: bool | None = None) -> str:
    """Claims in the format that was asked for.

    Args:
        rows: The judged claims.
        form: `table`, `json`, `csv` or `markdown`.
        width: Columns of the table; the terminal's own when None.
        color: Whether to write colours; when None, if standard output is a terminal.
    """
    if form == "json":
        return claims_json(rows)
    if form == "csv":
        return claims_csv(rows)
    if form == "markdown":
        return claims_markdown(rows)
    return _terminal(rows, width, color)


def claims_json(rows: Iterable[Row]) -> str:
    """A JSON list, ending in a newline; plain ASCII."""
    found = [
        {
            "id": row.claim.id,
            "source": str(row.source),
            "statement": row.claim.statement,
            "published": row.published,
            "recomputed": _values(row),
            "verdict": str(row.verdict),
            "why": row.why,
        }
        for row in rows
    ]
    return json.dumps(found, indent=2) + "\n"


def claims_csv(rows: Iterable[Row]) -> str:
    """One line for each claim; `deviation` is the largest relative error of the published numbers."""
    return write(
        COLUMNS,
        (
            (
                row.claim.id,
                str(row.source),
                row.claim.statement,
                row.published,
                row.recomputed,
                str(row.verdict),
                _deviation(row),
                row.why,
            )
            for row in rows
        ),
    )


def claims_markdown(rows: Sequence[Row]) -> str:
    """A section for each source with one row for each claim, below a line that counts the verdicts."""
    sections = [
        f"## {prose(key)}: {prose(str(found[0].source))}\n\n{_grid(found)}"
        for key, found in ((key, list(group)) for key, group in groupby(rows, key=lambda row: row.source.key))
    ]
    legend = (
        "`holds`: equal at the published precision. `approximate`: off by no more than the threshold that the row "
        "states. `inconsistent`: the source's own formula gives another number. Every verdict is computed."
    )
    return "\n\n".join(("# Published claims", summary(rows), legend, *sections)) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """How many claims there are and how many of each verdict, in one sentence."""
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    claims = "1 claim" if len(rows) == 1 else f"{len(rows)} claims"
    return f"{claims}: {verdicts}." if verdicts else f"{claims}."


def _grid(rows: Iterable[Row]) -> str:
    columns = ("claim", "statement", "published", "recomputed", "verdict", "why")
    return grid(
        columns,
        (
            (
                prose(row.claim.id),
                prose(row.claim.statement),
                prose(row.published),
                prose(row.recomputed),
                f"**{_verdict(row)}**" if row.verdict in _STYLES else _verdict(row),
                prose(row.why),
            )
            for row in rows
        ),
        left=len(columns),
    )


def _terminal(rows: Sequence[Row], width: int | None, color: bool | None) -> str:  # noqa: FBT001  None is its third value
    """A paragraph for each claim: its verdict, both values, what it says and why it is judged so."""

    def draw(console: "Console") -> None:
        from rich.padding import Padding

        for row in rows:
            console.print(f"{row.claim.id}  {_verdict(row)}", style=_STYLES.get(row.verdict, "bold"))
            values = f"published {row.published}, recomputed {row.recomputed}" if row.values else ""
            for text in filter(None, (row.claim.statement, values, row.why)):
                console.print(Padding(visible(text), (0, 0, 0, _INDENT)))
            console.print()
        console.print(summary(rows))

    return drawn(draw, width, color)


def _verdict(row: Row) -> str:
    """The verdict, with how far off where it is approximate."""
    close = row.verdict is Verdict.APPROXIMATE and row.deviation is not None
    return f"{row.verdict} ({_deviation(row)})" if close else str(row.verdict)


def _deviation(row: Row) -> str:
    return "" if row.deviation is None else signed_percent(row.deviation)


def _values(row: Row) -> object:
    """The recomputed values as JSON has them."""
    found = [_value(stated, value) for stated, value in zip(row.claim.published, row.values, strict=False)]
    return found if len(found) > 1 else found[0] if found else None


def _value(stated: Amount | str, value: Fraction | int | str) -> int | float | str:
    if isinstance(value, str):
        return value
    exact = Fraction(value) * (100 if isinstance(stated, Amount) and stated.scale == "%" else 1)
    return exact.numerator if exact.denominator == 1 else round(float(exact), _DIGITS)
