"""One check, from a model's name to its verification; everything here is composed from elsewhere."""

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import msgspec
from msgspec import structs

from verify import adapters, architectures
from verify import lint as linting
from verify.architectures import Family
from verify.breakdown import Breakdown, expect, measure
from verify.config import Config
from verify.declared import headers
from verify.declared.check import DeclaredCheck
from verify.diff import diff
from verify.errors import UnknownArchitectureError, UsageError, VerifyError
from verify.evidence import packing, select
from verify.evidence.base import Evidence, Strength
from verify.evidence.packing import Unpacked
from verify.evidence.select import Access, Choice, Gathered
from verify.explain import Finding, explain
from verify.formula import Formula
from verify.lint import Lint
from verify.reference import Reference, parse
from verify.roles import Cause
from verify.triangulate import Sides, Triangulation, rows
from verify.verification import Comparison, Verdict, Verification

#: Causes that speak of a checkpoint and not of a formula.
_OF_THE_CHECKPOINT = frozenset({Cause.INDEX, Cause.UNCLASSIFIED, Cause.DTYPE})

# Findings that the note of a comparison names; a hostile file has as many as tensors.
_SAID = 40


class Subject(msgspec.Struct, frozen=True):
    """A model with its formula: what every command starts from.

    Attributes:
        gathered: The evidence.
        config: Its config, which knows what was read.
        family: The module of its family.
        formula: The family's formula for this config.
    """

    gathered: Gathered
    config: Config
    family: Family
    formula: Formula


def subject(
    model: str | os.PathLike[str],
    *,
    family: str = "",
    evidence: str = "auto",
    revision: str = "",
    access: Access | None = None,
    formula_only: bool = False,
    base: str = "",
) -> Subject:
    """Collect the evidence for a model and find its formula.

    Args:
        model: `owner/name[@revision]`, a folder, a weight file or a config.json.
        family: A family to use instead of the one that `model_type` names.
        evidence: `auto`, `header`, `recorded` or `meta`.
        revision: A branch, tag or commit of a Hub id.
        access: How the Hub may be reached.
        formula_only: Whether to look at no more than the config.
        base: The base model of an adapter, instead of the one that its adapter_config.json names.

    Raises:
        VerifyError: There is no such evidence or no such formula, or the config is impossible.
    """
    if evidence not in set(Choice):
        raise UsageError(f"evidence is {evidence!r}", expected=f"one of {', '.join(Choice)}")
    collect = select.configured if formula_only else select.gather
    reference, access = parse(os.fspath(model), revision), access or Access()
    gathered = collect(reference, Choice(evidence), access)
    config = Config(gathered.file.config)
    if adapters.is_adapter(gathered.file.config):
        return _adapter(gathered, config, _base(gathered, reference, base, access), family)
    if base:
        raise UsageError(f"--base {base} for {model}, which is no adapter", hint="drop --base")
    try:
        found = architectures.find(family or config.text("model_type"))
    except UnknownArchitectureError:
        return _of_library(gathered, config) if formula_only else _from_code(gathered, config)
    return Subject(gathered, config, found, architectures.predict(found, config))


def _from_code(gathered: Gathered, config: Config) -> Subject:
    """A model without a family file, with the formula that is derived from its code."""
    from verify.derive import fallback

    made, formula = fallback.derived(gathered, config)
    # What a check asks of a family, a derived formula has too.
    return Subject(made.gathered, config, cast("Family", made), formula)


def _of_library(gathered: Gathered, config: Config) -> Subject:
    """A config without a family file, with the formula of the library at its values."""
    from verify.derive import library

    # Nothing asks for the names of the tensors where no more than the config is looked at.
    return Subject(gathered, config, cast("Family", None), library.at(gathered.file.config, config))


def _base(gathered: Gathered, adapter: Reference, given: str, access: Access) -> Evidence:
    """The config.json of the base model of an adapter."""
    values = gathered.file.config
    return select.config_alone(parse(given) if given else adapters.base_reference(values, adapter), access)


def _adapter(gathered: Gathered, config: Config, base: Evidence, family: str) -> Subject:
    """An adapter, with the formula of what it adds to its base model."""
    made = adapters.adapt(config, gathered.file.config, base.config, family=family)
    called = base.model + (f" ({base.revision})" if base.revision else "") + (f": {base.note}" if base.note else "")
    unread = f"of its config.json nobody read {', '.join(made.unread)}" if made.unread else ""
    notes = filter(None, (made.note(called), unread))
    # What a check asks of a family, an adapter has too.
    return Subject(replace(gathered, notes=(*gathered.notes, *notes)), config, cast("Family", made), made.whole)


def example(family: str) -> Subject:
    """A family's formula at the sizes of a recorded checkpoint of it, else at those its class has by default.

    Args:
        family: A family or an alias.

    Raises:
        VerifyError: There is no such family, or no record of it and no transformers either.
    """
    from verify.evidence import meta, recorded

    if family not in architectures.known():
        return _of_defaults(family)
    found = architectures.find(family)
    name = found.__name__.rpartition(".")[2]
    evidence = recorded.of_type((family,)) or recorded.of_type((name, *found.ALIASES)) or meta.defaults(family)
    config = Config(evidence.config)
    return Subject(Gathered(evidence, None, ()), config, found, architectures.predict(found, config))


def _of_defaults(model_type: str) -> Subject:
    """The formula of the library for a type at the defaults of its class."""
    from verify.derive import library

    entry = library.find(model_type)
    known = entry.shelf
    evidence = Evidence(
        f"the defaults of {known.class_name}", Strength.META, "meta", f"transformers {known.transformers}",
        {"model_type": model_type, "architectures": [known.class_name]},
    )  # fmt: skip
    config = Config(evidence.config)
    return Subject(Gathered(evidence, None, ()), config, cast("Family", None), library.formula(entry, entry.values))


def check(
    model: str | os.PathLike[str],
    *,
    formula: str = "",
    evidence: str = "auto",
    revision: str = "",
    access: Access | None = None,
    base: str = "",
) -> Verification:
    """Compare a formula with a checkpoint.

    Args:
        model: `owner/name[@revision]`, a folder, a weight file or a config.json.
        formula: Empty for the family's own; else a family, a published name, an expression, or a `.py` file.
        evidence: `auto`, `header`, `recorded` or `meta`.
        revision: A branch, tag or commit of a Hub id.
        access: How the Hub may be reached.
        base: The base model of an adapter, instead of the one that its adapter_config.json names.

    Raises:
        VerifyError: The check could not be made.
    """
    family = formula if formula and formula in architectures.known() else ""
    found = subject(model, family=family, evidence=evidence, revision=revision, access=access, base=base)
    if formula and not family and adapters.is_adapter(found.gathered.file.config):
        raise UsageError(f"--formula {formula} for an adapter", expected="none, or the family of its base model")
    result = _against_family(found)
    return result if family or not formula else _against_statement(result, formula, found.config)


def lint(model: str | os.PathLike[str], *, revision: str = "", access: Access | None = None) -> Lint:
    """Hold a checkpoint against itself, without any formula.

    Args:
        model: `owner/name[@revision]`, a folder or a weight file.
        revision: A branch, tag or commit of a Hub id.
        access: How the Hub may be reached.

    Raises:
        VerifyError: Its headers cannot be read.
    """
    gathered = select.gather(parse(os.fspath(model), revision), Choice.HEADER, access or Access())
    return linting.lint(gathered.file)


def _against_family(found: Subject) -> Verification:
    """Compare the family's formula with all the evidence there is."""
    file, built = found.gathered.file, found.gathered.implementation
    expected, extras = Breakdown(expect(found.formula.terms)), found.formula.extras
    # A header without tensors is a checkpoint without tensors, and no reason to look at something else.
    has_shapes = bool(file.tensors) or file.strength is Strength.HEADER
    unpacked = _unpacked(file) if has_shapes else None
    stored = _measure(unpacked, found.family, expected) if unpacked else None
    code = _measure(_unpacked(built), found.family, expected) if built else None
    measured = stored or code
    basis = file if stored else built
    differences = explain(expected.cells, extras, measured, file.problems) if measured else ()
    if stored:
        checks = headers.expect(headers.compare(file.declared, stored), expected, stored, differences)
        findings = headers.findings(checks)
    else:
        checks, findings = _against_numbers(found)
    three = rows(expected, code, stored) if code and stored else ()
    sides, unknown = _triangulate(found, unpacked, three) if unpacked and three else (None, "")
    return Verification(
        evidence=file,
        architecture=found.config.architecture,
        family=found.formula.name,
        formula=found.formula.name,
        exact=found.formula,
        expected=expected,
        expected_parameters=found.formula.count(),
        expected_by_role=expected.by_role(),
        measured=measured,
        measured_strength=str(basis.strength) if basis else "",
        findings=(*differences, *findings),
        declared=checks,
        comparisons=_comparisons(found.formula, expected, stored, code, sides),
        unread=found.config.unread(),
        verdict=_verdict((*differences, *findings)),
        formula_source=found.formula.source,
        notes=tuple(filter(None, (file.note, *found.gathered.notes, unknown))),
        triangulation=sides,
    )


def _triangulate(found: Subject, unpacked: Unpacked, sides: tuple[Sides, ...]) -> tuple[Triangulation | None, str]:
    """What the implementation would make of the stored tensors; or None, and why that is not known."""
    from verify.derive import on_disk
    from verify.derive.on_disk import steps as on_disk_steps

    shapes = {lot.owner(place): lot.shape for lot in unpacked.lots if not lot.part for place in lot.places}
    try:
        loaded = on_disk.implementation(found.gathered.module, shapes, unpacked.flat)
    except VerifyError as error:
        return None, f"what the implementation makes of the stored tensors: {error}"
    return Triangulation(found.formula.name, loaded.where, sides, on_disk_steps.lines(loaded, shapes)), ""


def _against_numbers(found: Subject) -> tuple[tuple[DeclaredCheck, ...], tuple[Finding, ...]]:
    """Recorded numbers and names beside the formula, where no headers are at hand: (checks, findings)."""
    from verify.declared import judge, names

    formula, file, table = found.formula, found.gathered.file, found.family.NAMES
    method = packing.scheme(file.config)
    present = names.stored(formula, table, file.names, method) if file.names else None
    differences = names.names_differences(formula, table, file.names, method) if file.names else ()
    checks = judge.judge(formula, file.declared, names_present=present, config=file.config)
    return checks, (
        *differences,
        *judge.findings(formula, file.declared, names_present=present, config=file.config),
    )


def _against_statement(result: Verification, text: str, config: Config) -> Verification:
    """Compare a published formula, an expression or a file's formula with what the family's check measured."""
    from verify import published
    from verify.attribute import attribute

    stated = published.resolve(text, config, others=architectures.known())
    measured = result.measured or result.expected
    if stated.formula:
        terms = expect(stated.formula.terms)
        findings = explain(terms, (*stated.formula.extras, *result.exact.extras), measured, result.evidence.problems)
    else:
        terms = {}
        # What is wrong with the checkpoint itself is wrong whatever formula is asked about.
        itself = (finding for finding in result.findings if finding.cause in _OF_THE_CHECKPOINT)
        findings = (*attribute(stated, measured), *itself)
    basis = () if result.measured else (f"no tensors at hand: compared with the {result.family} formula",)
    return structs.replace(
        result,
        formula=stated.name,
        formula_source=stated.source,
        expected=Breakdown(terms),
        expected_parameters=stated.total,
        expected_by_role=stated.by_role,
        findings=findings,
        unread=config.unread(),
        verdict=_verdict(findings),
        notes=(*result.notes, *basis),
    )


def _unpacked(evidence: Evidence) -> Unpacked:
    """The tensors of a checkpoint or an implementation; what the latter builds is never packed."""
    return packing.unpack(evidence.tensors, packing.scheme(evidence.config) if evidence.source != "meta" else "")


def _measure(unpacked: Unpacked, family: Family, expected: Breakdown) -> Breakdown:
    """The checkpoint's tensors by slot, in the layout of the family that fits best."""
    found = [measure(unpacked, table) for table in family.NAMES.variants()]
    return min(found, key=lambda side: len(diff(expected.cells, side.cells))) if len(found) > 1 else found[0]


def _comparisons(
    formula: Formula,
    expected: Breakdown,
    stored: Breakdown | None,
    code: Breakdown | None,
    known: Triangulation | None,
) -> tuple[Comparison, ...]:
    """Each two of formula, implementation and file, as far as they are at hand."""
    sides = {"formula": expected, "implementation": code, "file": stored}
    there = [(name, side) for name, side in sides.items() if side]
    pairs = [_compare(left, right, formula) for place, left in enumerate(there) for right in there[place + 1 :]]
    if known:  # of what it makes of the file, the implementation itself knows best
        pairs[-1] = structs.replace(pairs[-1], agree=known.loads, note=known.note)
    return tuple(pairs)


def _compare(left: tuple[str, Breakdown], right: tuple[str, Breakdown], formula: Formula) -> Comparison:
    findings = explain(left[1].cells, formula.extras, right[1])
    said = [f"{found.cause}: {found.slot} {found.elements:+,}" for found in findings[:_SAID]]
    note = "; ".join(said) + (f"; and {len(findings) - _SAID} more" if len(findings) > _SAID else "")
    agree = all(found.explained for found in findings)
    return Comparison(left[0], right[0], left[1].total(), right[1].total(), agree, note)


def _verdict(findings: Iterable[Finding]) -> Verdict:
    """Exact without findings, explained when each has a proven cause."""
    explained = [finding.explained for finding in findings]
    if not explained:
        return Verdict.EXACT
    return Verdict.EXPLAINED if all(explained) else Verdict.UNEXPLAINED
