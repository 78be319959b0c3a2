"""A result in the format that was asked for: `table`, `json`, `csv` or `markdown`.

A format is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from verify.verification import Unchecked, Verification

if TYPE_CHECKING:
    from verify.derivation import Derivation
    from verify.pipeline import Subject
    from verify.regress import Move


def check(result: Verification | Unchecked, form: str, *, color: bool | None = None) -> str:
    """The result of one check."""
    if form == "json":
        from verify.render import json

        if isinstance(result, Unchecked):
            return json.render_unchecked(result.model, result.reason)
        return json.render(result)
    if isinstance(result, Unchecked):
        return ""
    if form == "csv":
        from verify.render import csv

        return csv.breakdown(result)
    if form == "markdown":
        from verify.render import markdown

        return markdown.report(result)
    from verify.render import terminal

    return terminal.render(result, color=color)


def checks(results: list[Verification | Unchecked], form: str, *, color: bool | None = None) -> str:
    """The results of the checks of one call."""
    if form == "csv" and len(results) > 1:
        from verify.render import csv

        return csv.breakdowns(found for found in results if isinstance(found, Verification))
    texts = [check(result, form, color=color) for result in results]
    return together(texts) if form == "json" else "\n".join(filter(None, texts))


def sweep(results: list[Verification | Unchecked], form: str, *, color: bool | None = None) -> str:
    """The results of many checks."""
    if form == "json":
        return together([check(result, form) for result in results])
    from verify.render import index, lists

    if form == "csv":
        return index.index_csv(results)
    if form == "markdown":
        return index.index_markdown(results)
    return lists.render_index(index.lines(results), color=color)


def together(objects: list[str]) -> str:
    """JSON objects as one: itself when there is one, else an array."""
    if len(objects) == 1:
        return objects[0]
    return "[\n" + ",\n".join(text.rstrip("\n") for text in objects) + "\n]\n"


def breakdown(verification: Verification, form: str, *, layers: bool, color: bool | None = None) -> str:
    """Parameters by layer type, or by layer."""
    from verify.render import csv, json, terminal

    if form == "csv":
        return csv.layers(verification) if layers else csv.breakdown(verification)
    if form == "json":
        return json.render_breakdown(verification, layers=layers)
    return terminal.render_breakdown(verification, layers=layers, color=color)


def formula(subject: "Subject", model: str, form: str, *, color: bool | None = None) -> str:
    """The formula of a model."""
    from verify.render import json, terminal

    config = subject.config
    words = (config.architecture, config.text("model_type", default=""), config.unread())
    if form == "json":
        return json.render_formula(
            subject.formula, model=model, architecture=words[0], model_type=words[1], unread=words[2]
        )
    return terminal.render_formula(
        subject.formula, model=model, architecture=words[0], model_type=words[1], unread=words[2], color=color
    )


def families(form: str, *, color: bool | None = None) -> str:
    """What there are formulas for, and the records that each is tried on; then the types of the library."""
    from verify import architectures
    from verify.derive import library
    from verify.evidence import recorded
    from verify.render import json, lists

    tried = [(model, str(recorded.read(model).config.get("model_type"))) for model in recorded.known()]
    rows = [
        (name, family, [model for model, kind in tried if kind == name or kind in family.ALIASES])
        for name in architectures.names()
        if (family := architectures.load(name))
    ]
    own = set(architectures.known())
    types = {kind: [name for name in names if name not in own] for kind, names in library.types().items()}
    if form == "json":
        return json.render_families(rows, types)
    return lists.render_families(rows, types, color=color)


def derived(found: "Derivation", form: str, *, verbose: bool = False, color: bool | None = None) -> str:
    """The formula that was derived from the code of a class; its formats are `text`, `json`, `latex`, `markdown`."""
    from verify.render import derived as written
    from verify.render import derived_data

    if form == "json":
        return derived_data.render_json(found)
    if form == "latex":
        return derived_data.render_latex(found)
    if form == "markdown":
        return written.render_markdown(found, verbose=verbose)
    return written.render(found, verbose=verbose, color=color)


def moves(found: "tuple[Move, ...]", form: str, *, color: bool | None = None) -> str:
    """What moved between two states of the reports."""
    from verify.render import lists

    return lists.render_moves_json(found) if form == "json" else lists.render_moves(found, color=color)
