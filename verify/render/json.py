"""Results as JSON: a contract for other programs, versioned by `schema`.

Keys may be added under the same number; a key that changes its meaning or goes raises it. Counts are
whole numbers of elements unless a key says bytes. The text is plain ASCII: whatever a tensor is called,
nothing but JSON escapes of it is written.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from verify.architectures import Family
from verify.breakdown import Breakdown, expect
from verify.conventions import counts
from verify.formula import Formula, Term
from verify.render.text import ranges
from verify.roles import Kind, Role
from verify.symbols import Size
from verify.triangulate import Triangulation
from verify.verification import Row, Verdict, Verification

SCHEMA = 1


def render(verification: Verification) -> str:
    """A verification as a JSON object, ending in a newline.

    `difference` is measured minus expected parameters and `ratio` expected divided by measured ones, to
    six digits; both are null where no tensors were measured, as are the counts under `measured`.
    """
    evidence = verification.evidence
    return _dump(
        {
            "schema": SCHEMA,
            "model": verification.model,
            "revision": evidence.revision,
            "evidence": {"kind": str(evidence.strength), "source": evidence.source, "where": evidence.where},
            "architecture": verification.architecture,
            "family": verification.family,
            "formula": verification.formula,
            "formula_source": verification.formula_source,
            "expected": {
                "parameters": verification.expected_parameters,
                "buffers": verification.expected.total(Kind.BUFFER),
                "by_role": _by_role(verification.expected_by_role),
                "conventions": counts(verification.exact),
            },
            "measured": _measured(verification.measured, verification.measured_strength),
            "difference": verification.difference,
            "ratio": _six_digits(verification.ratio),
            "findings": _findings(verification),
            "declared": _declared(verification),
            "comparisons": _comparisons(verification),
            **_triangulation(verification.triangulation),
            "notes": list(verification.notes),
            "unread_config_keys": list(verification.unread),
            "unclassified": [tensor.name for tensor in (verification.measured or Breakdown({})).unclassified],
            "verdict": str(verification.verdict),
        }
    )


def render_unchecked(model: str, reason: str) -> str:
    """A model that could not be checked, with the reason."""
    verdict = str(Verdict.UNCHECKED)
    return _dump({"schema": SCHEMA, "model": model, "verdict": verdict, "reason": reason})


def render_breakdown(verification: Verification, *, layers: bool = False) -> str:
    """The breakdown as a JSON object: one row per layer type, or per layer type and layer index.

    `share` is the part of all measured (else expected) parameters; it and `ratio` (expected / measured) have
    six digits. What nobody knows is null.
    """
    from verify.render.groups import layer_order  # only layers need an order

    rows = verification.rows(layers=layers)
    return _dump(
        {
            "schema": SCHEMA,
            "model": verification.model,
            "architecture": verification.architecture,
            "expected": {"parameters": verification.expected_parameters},
            "measured": {"strength": verification.measured_strength, "parameters": verification.measured_parameters},
            "rows": [_row(row) for row in (layer_order(rows) if layers else rows)],
        }
    )


def render_families(
    families: Iterable[tuple[str, Family, Sequence[str]]], derived: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The families there are formulas for, with their other names, sources and the records they are tried on.

    Args:
        families: Each name with its module and records.
        derived: The types for which there is no more than a formula derived from code, by kind.
    """
    return _dump(
        {
            "schema": SCHEMA,
            "families": [
                {"family": name, "aliases": list(family.ALIASES), "source": family.SOURCE, "records": list(records)}
                for name, family, records in families
            ],
            "derived": {kind: list(types) for kind, types in (derived or {}).items()},
        }
    )


def render_formula(
    formula: Formula, *, model: str, architecture: str, model_type: str, unread: Iterable[str] = ()
) -> str:
    """A formula as a JSON object: totals, closed form, and every term with its axes.

    Args:
        formula: The formula.
        model: The model or the family it was asked for.
        architecture: The class named in the config.
        model_type: The `model_type` of the config.
        unread: Config keys that nobody read.
    """
    return _dump(
        {
            "schema": SCHEMA,
            "model": model,
            "architecture": architecture,
            "model_type": model_type,
            "family": formula.name,
            "source": formula.source,
            "parameters": formula.count(),
            "conventions": counts(formula),
            "buffers": formula.count(Kind.BUFFER),
            "by_role": _by_role(Breakdown(expect(formula.terms)).by_role()),
            "text": formula.text(),
            "text_by_letters": formula.text(letters=True),
            "latex": formula.latex(),
            "symbols": [
                {"name": each.name, "letter": each.letter, "value": each.value, "definition": each.definition}
                for each in formula.symbols
            ],
            "terms": [_term(term) for term in formula.terms],
            "extras": [
                {
                    "cause": str(extra.cause),
                    "elements": extra.count,
                    "absent": extra.absent,
                    "note": extra.note,
                    "terms": [_term(term) for term in extra.terms],
                }
                for extra in formula.extras
            ],
            "unread_config_keys": list(unread),
        }
    )


def _measured(measured: Breakdown | None, strength: str) -> dict[str, Any]:
    if measured is None:
        counts = dict.fromkeys(("parameters", "buffers", "bookkeeping", "elements", "bytes"))
        return {"strength": strength, **counts, "by_role": {}}
    parameters, buffers, bookkeeping = (measured.total(kind) for kind in Kind)
    return {
        "strength": strength,
        "parameters": parameters,
        "buffers": buffers,
        "bookkeeping": bookkeeping,
        "elements": measured.elements or parameters + buffers + bookkeeping,
        "bytes": -(-measured.bits // 8),  # four-bit elements may end inside a byte
        "by_role": _by_role(measured.by_role()),
    }


def _findings(verification: Verification) -> list[dict[str, Any]]:
    return [
        {
            "cause": str(finding.cause),
            "elements": finding.elements,
            "slot": finding.slot,
            "explained": finding.explained,
            "detail": finding.detail,
        }
        for finding in verification.findings
    ]


def _declared(verification: Verification) -> list[dict[str, Any]]:
    return [
        {
            "kind": str(check.declared.kind),
            "value": check.declared.value,
            "counted": check.counted,
            "expected": check.expected,
            "computed": check.computed,
            "difference": check.difference,
            "how": check.how,
            "explained": check.explained,
            "source": check.declared.source,
            "dtype": check.declared.dtype,
            "note": check.declared.note,
        }
        for check in verification.declared
    ]


def _comparisons(verification: Verification) -> list[dict[str, Any]]:
    return [
        {
            "left": pair.left,
            "right": pair.right,
            "left_parameters": pair.left_parameters,
            "right_parameters": pair.right_parameters,
            "difference": pair.right_parameters - pair.left_parameters,
            "agree": pair.agree,
            "note": pair.note,
        }
        for pair in verification.comparisons
    ]


def _triangulation(known: Triangulation | None) -> dict[str, Any]:
    """The three differences; the key is there only where formula, implementation and stored tensors were at hand."""
    if known is None:
        return {}
    rows = [
        {
            "layer_type": row.layer_type,
            "kind": row.kind,
            "formula": row.formula,
            "implementation": row.implementation,
            "file": row.file,
            "implementation_minus_formula": row.built,
            "file_minus_implementation": row.loaded,
            "file_minus_formula": row.stored,
        }
        for row in known.rows
    ]
    loading = [
        {
            "step": str(line.step),
            "explained": line.explained,
            "tensors": line.tensors,
            "elements": line.elements,
            "difference": line.difference,
            "stored": list(line.stored),
            "parameters": list(line.parameters),
            "why": line.why,
        }
        for line in known.lines
    ]
    return {
        "triangulation": {
            "formula": known.formula,
            "implementation": known.where,
            "loads": known.loads,
            "rows": rows,
            "loading": loading,
        }
    }


def _term(term: Term) -> dict[str, Any]:
    """A term; `layers` is null outside the layers, `copies` is there only where a layer holds several."""
    layers = term.layers and {
        "count": len(term.layers.indices),
        "name": term.layers.count.text(),
        "indices": ranges(term.layers.indices),
        "condition": term.layers.text,
    }
    copies = {"copies": _size(term.copies)} if term.copies.value != 1 else {}
    return {
        "slot": str(term.slot),
        "kind": str(term.slot.kind),
        "count": term.count,
        "axes": [_size(axis) for axis in term.axes],
        "layers": layers,
        **copies,
    }


def _size(size: Size) -> dict[str, Any]:
    return {"name": size.text(), "size": size.value}


def _row(row: Row) -> dict[str, Any]:
    return {
        "layer_type": row.layer_type,
        "role": row.role,
        "kind": row.kind,
        "layer": row.layer,
        "tensors": row.tensors,
        "expected": row.expected,
        "measured": row.measured,
        "difference": row.difference,
        "ratio": _six_digits(row.ratio),
        "share": _six_digits(row.share),
    }


def _six_digits(value: Fraction | None) -> float | None:
    return None if value is None else round(value * 10**6) / 10**6


def _by_role(counts: Mapping[Role, int]) -> dict[str, int]:
    return {str(role): counts[role] for role in Role if role in counts}


def _dump(value: dict[str, Any]) -> str:
    out = io.StringIO()
    json.dump(value, out, indent=2)  # dumps would keep every token of the text until the end
    return f"{out.getvalue()}\n"
