"""A derived formula for programs and papers: JSON, a contract like that of `verify.render.json`, and LaTeX."""

import json
from collections.abc import Iterator
from typing import Any

from verify.derivation import Case, Derivation, Row, Switch
from verify.render.derived import heading, opening, verdict
from verify.render.json import SCHEMA
from verify.render.text import visible


def render_json(found: Derivation) -> str:
    """A derivation as a JSON object, ending in a newline.

    `regions` has every formula with all conditions under which it holds; `parameters`, `buffers`, `text` and `latex`
    are of the one that the given configuration is in, and null where that is in none.
    """
    here = next((case for case in found.cases if case.given), None)
    known, switches = found.confirmed, found.switches
    return _dump(
        {
            "schema": SCHEMA,
            "model_type": found.model_type,
            "class": found.class_name,
            "source": found.source,
            "transformers": found.transformers,
            "given": found.given,
            "revision": found.revision,
            "note": found.note,
            "confirmed": not found.failures,
            "failures": list(found.failures),
            "parameters": found.parameters,
            "buffers": found.buffers,
            "text": here and here.text,
            "latex": here and here.latex,
            "regions": [_case(case) for case in found.cases],
            "switches": {
                "changes": [_switch(switch) for switch in switches.changes],
                "idle": list(switches.idle),
                "rejected": dict(switches.rejected),
                "configurations": switches.configurations,
                "note": switches.note,
            },
            "confirmation": {
                "configurations": known.configurations,
                "varied": list(known.varied),
                "never_varied": list(known.never),
                "failure": known.failure,
                "where": known.where,
                "concretised": [{"what": what, "where": where} for what, where in known.lost],
            },
        }
    )


def render_latex(found: Derivation) -> str:
    """The closed form as LaTeX, with what is to be known about it as comments."""
    lines = [f"% {visible(line)}" for line in (verdict(found), *opening(found))]
    for case in found.cases:
        if title := heading(found, case):
            lines.append(f"% {visible(title)}")
        lines += [f"% where {visible(each.text)}" for each in case.requirements if not each.trivial]
        rows = [f"  N &= {case.latex_lines[0]}", *(f"    &\\quad {line}" for line in case.latex_lines[1:])]
        lines += [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]
    for switch in found.switches.changes:
        lines += [f"% with {visible(switch.name)}" + (", UNCONFIRMED" if switch.failure else "")]
        lines += [r"\begin{equation*}", rf"  \Delta N = {switch.latex}", r"\end{equation*}"] if switch.latex else []
    return "\n".join(lines) + "\n"


def _case(case: Case) -> dict[str, Any]:
    return {
        "given": case.given,
        "text": case.text,
        "latex": case.latex,
        "conditions": [{"text": each.text, "where": each.where, "trivial": each.trivial} for each in case.requirements],
        "terms": [_row(row) for row in case.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    """A term; `tensors` and `count` are null in a region that the given configuration is not in."""
    return {
        "pattern": row.pattern,
        "kind": row.kind,
        "axes": list(row.axes),
        "repeats": [
            {"index": each.index, "stop": each.stop, "where": each.where, "count": each.count} for each in row.repeats
        ],
        "tensors": row.tensors,
        "count": row.elements,
    }


def _switch(switch: Switch) -> dict[str, Any]:
    return {
        "settings": dict(switch.settings),
        "text": switch.text,
        "latex": switch.latex,
        "parameters": switch.parameters,
        "added": [_row(row) for row in switch.added],
        "removed": [_row(row) for row in switch.removed],
        "configurations": switch.configurations,
        "failure": switch.failure,
    }


def _dump(value: dict[str, Any]) -> str:
    return "".join(_pieces(value)) + "\n"


def _pieces(value: dict[str, Any]) -> Iterator[str]:
    return json.JSONEncoder(indent=2).iterencode(value)
