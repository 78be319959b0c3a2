"""A report in Markdown, for a person: the verdict first, then what it rests on.

The text is the same for the same input: no dates, no order that depends on the machine.
"""

from collections.abc import Iterable, Iterator, Sequence

from verify.breakdown import Breakdown
from verify.evidence.base import Strength
from verify.formula import Term
from verify.render import triangulation as three
from verify.render.escape import code, prose
from verify.render.groups import Table, table
from verify.render.summary import DECLARED, STRENGTHS, caveats, headline, otherwise, outcome
from verify.render.text import number, percent, ranges, ratio, signed, visible
from verify.roles import Kind
from verify.symbols import Size
from verify.triangulate import Triangulation
from verify.verification import Row, Verification

#: Lists longer than this are cut, with a count; result.json and the CSV files hold them whole.
LONGEST_LIST = 40


def report(verification: Verification) -> str:
    """The whole report, ending in one newline."""
    shown = table(verification)
    sections = (
        [f"# {prose(verification.model)}", _verdict(verification)],
        ["## Evidence", *_evidence(verification)],
        ["## By role", _roles(shown)],
        ["## By layer type", _layer_types(shown)],
        _titled("## Differences and their causes", _findings(verification)),
        _titled("## Recorded numbers", _declared(verification)),
        _titled("## Formula, implementation, file", _comparisons(verification)),
        _triangulation(verification.triangulation),
        ["## Notes, and what could not be checked", _open(verification)],
        ["## Formula", *_formula(verification)],
    )
    return "\n\n".join(part for section in sections for part in section if part) + "\n"


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A Markdown table; the cells must be escaped already.

    Args:
        columns: The titles.
        rows: The cells, as many as there are titles.
        left: How many columns are set flush left; the others hold numbers.
    """
    rule = [":---" if place < left else "---:" for place in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _titled(title: str, body: str) -> list[str]:
    """A section that is left out when there is nothing to say."""
    return [title, body] if body else []


def _verdict(verification: Verification) -> str:
    return f"**{verification.verdict}.** {headline(verification, code)} {outcome(verification, code)}"


def _evidence(verification: Verification) -> Iterator[str]:
    evidence = verification.evidence
    strength = STRENGTHS[evidence.strength]
    measured = {str(key): text for key, text in STRENGTHS.items()}.get(verification.measured_strength, "")
    facts = [
        ("evidence", f"{code(str(evidence.strength))}: {strength}"),
        ("source", f"{code(evidence.source)}, {code(evidence.where)}" if evidence.where else code(evidence.source)),
        ("revision", code(evidence.revision) if evidence.revision else "not stated"),
        ("architecture", code(verification.architecture) if verification.architecture else "not stated"),
        ("expected numbers rest on", f"the formula {code(verification.formula)} and config.json"),
        ("measured numbers rest on", prose(measured) if verification.measured else "nothing: no tensor shapes at hand"),
    ]
    if verification.measured:
        facts.append(
            ("built" if verification.measured_strength == Strength.META else "stored", _holds(verification.measured))
        )
    yield grid(("", ""), facts, left=2)
    if evidence.note and evidence.note not in verification.notes:
        yield prose(evidence.note)


def _holds(measured: Breakdown) -> str:
    """Everything there is, by kind, with its size; four-bit elements may end inside a byte."""
    counts = [f"{number(measured.total(kind))} in {kind}s" for kind in (Kind.PARAMETER, Kind.BUFFER)]
    bookkeeping = measured.total(Kind.BOOKKEEPING)
    if bookkeeping:
        counts.append(f"{number(bookkeeping)} in bookkeeping")
    return f"elements: {', '.join(counts)}; {number(-(-measured.bits // 8))} bytes"


def _roles(shown: Table) -> str:
    columns = ("role", "tensors", "expected", shown.reference, "difference", "expected / measured", "share")
    rows = [_counts(group.total, group.total.layer_type) for group in shown.groups]
    return grid(columns, [*rows, _counts(shown.total, "**all parameters**")])


def _counts(row: Row, title: str) -> tuple[str, ...]:
    return (
        title,
        number(row.tensors),
        number(row.expected),
        number(row.measured),
        signed(row.difference),
        ratio(row.ratio),
        percent(row.share),
    )


def _layer_types(shown: Table) -> str:
    rows = [row for group in shown.groups for row in group.rows]
    if not rows:
        return "The checked formula states totals only, and no tensors were at hand."
    if shown.approximation:
        chosen = [
            (code(row.layer_type), row.role, number(row.tensors), number(row.measured), percent(row.share))
            for row in rows[:LONGEST_ROWS]
        ]
        body = grid(("layer type", "role", "tensors", shown.reference, "share"), chosen, left=2)
    else:
        columns = ("layer type", "tensors", "expected", "measured", "difference", "expected / measured", "share")
        body = grid(columns, [_counts(row, code(row.layer_type)) for row in rows[:LONGEST_ROWS]])
    return body + _cut(len(rows), LONGEST_ROWS, "layers.csv and breakdown.csv have them all")


#: A real model has some dozens of layer types; more are unclassified tensors.
LONGEST_ROWS = 200


def _findings(verification: Verification) -> str:
    rows = [
        (
            "proven" if finding.explained else "**not explained**",
            str(finding.cause),
            code(finding.slot),
            prose(finding.detail) or "-",
            signed(finding.elements),
        )
        for finding in verification.findings[:LONGEST_LIST]
    ]
    if not rows:
        return ""
    columns = ("", "cause", "where", "why", "elements")
    return grid(columns, rows, left=4) + _cut(len(verification.findings), LONGEST_LIST, "result.json has them all")


def _declared(verification: Verification) -> str:
    rows = [
        (
            DECLARED[check.declared.kind] + (f" ({code(check.declared.dtype)})" if check.declared.dtype else ""),
            prose("; ".join(filter(None, (check.declared.source, check.declared.note)))),
            prose(check.how) if check.how else "-",
            "yes" if check.explained else "**no**" if check.computed is not None else "-",
            number(check.declared.value),
            number(check.counted),
            number(check.expected),
            signed(check.difference),
        )
        for check in verification.declared
    ]
    columns = ("number", "declared by", "counted as", "agrees", "declared", "counted", "expected", "difference")
    return grid(columns, rows, left=4) if rows else ""


def _comparisons(verification: Verification) -> str:
    rows = [
        (
            prose(pair.left),
            prose(pair.right),
            "yes" if pair.agree else "**no**",
            prose(pair.note) or "-",
            number(pair.left_parameters),
            number(pair.right_parameters),
            signed(pair.right_parameters - pair.left_parameters),
        )
        for pair in verification.comparisons
    ]
    columns = ("one side", "other side", "agree", "note", "parameters of the one", "of the other", "difference")
    return grid(columns, rows, left=4) if rows else ""


def _triangulation(known: Triangulation | None) -> list[str]:
    """The three differences, where there are any, and what the implementation does with the stored tensors."""
    if known is None:
        return []
    differ = [[code(title), *cells] for title, *cells in three.differences(known)]
    steps = [
        (prose(step), prose(names), prose(why) or "-", *numbers) for step, names, why, *numbers in three.loading(known)
    ]
    return [
        f"Formula {code(known.formula)}, implementation {code(known.where)}, file:",
        grid(three.DIFFERENCES, differ[:LONGEST_ROWS]) + _cut(len(differ), LONGEST_ROWS, "result.json has them all"),
        "What the implementation makes of the stored tensors:",
        grid(three.LOADING, steps[:LONGEST_ROWS], left=3) + _cut(len(steps), LONGEST_ROWS, "result.json has them all"),
    ]


def _open(verification: Verification) -> str:
    """Notes, caveats, unread keys and unclassified tensors, each in one point."""
    unclassified = verification.measured.unclassified if verification.measured else ()
    points = [prose(note) for note in (*verification.notes, *caveats(verification))]
    if verification.unread:
        points.append(f"Config keys that no formula read: {_listed(verification.unread)}.")
    if unclassified:
        names = [tensor.name for tensor in unclassified]
        points.append(f"Tensors that no name table knows ({len(names)}): {_listed(names)}.")
    return (
        "\n".join(f"- {point}" for point in points) or "Nothing: every tensor and every config key was accounted for."
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - LONGEST_LIST
    return ", ".join(code(name) for name in names[:LONGEST_LIST]) + (f" and {rest} more" if rest > 0 else "")


def _cut(length: int, longest: int, where: str) -> str:
    return f"\n\n{length - longest} more are not shown; {where}." if length > longest else ""


def _formula(verification: Verification) -> Iterator[str]:
    exact = verification.exact
    if verification.formula != exact.name:
        yield f"Checked: {code(verification.formula)}. Source: {prose(verification.formula_source) or 'not stated'}."
        yield f"The exact formula of the family {code(exact.name)}, for comparison:"
    yield f"```text\n{visible(exact.text(letters=True))}\n```"
    legend = [
        (code(each.letter), code(each.name), prose(each.definition) or "config.json", number(each.value))
        for each in exact.symbols
    ]
    yield grid(("letter", "config name", "from", "value"), legend, left=3)
    yield grid(("layer type", "axes", "shape", "layers", "copies", "elements"), map(_term, exact.terms), left=4)
    yield f"```math\n{visible(exact.latex())}\n```"
    yield "\n".join(f"- {prose(line)}" for line in otherwise(exact))
    source = exact.source or verification.formula_source
    yield f"Source: {prose(source)}." if source else ""


def _term(term: Term) -> tuple[str, ...]:
    layers = f"{ranges(term.layers.indices)}" if term.layers else "-"
    condition = f" ({code(term.layers.text)})" if term.layers and term.layers.text else ""
    return (
        code(str(term.slot)),
        code(" x ".join(factor(axis) for axis in term.axes)),
        " x ".join(str(size) for size in term.shape),
        layers + condition,
        number(term.copies.value),
        number(term.count),
    )


def factor(size: Size) -> str:
    """An axis by letters, in brackets where it is a sum."""
    text = size.text(letters=True)
    return f"({text})" if len(size.polynomial) > 1 else text
