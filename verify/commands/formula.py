"""`verify formula`: the exact formula of a model, a family, or a type of the library."""

import argparse

from verify.commands import Console, Outcome
from verify.commands._model import MODEL, access, add_base, add_reading

SUMMARY = "print the formula of a model, a family or a type"
FORMATS = ("table", "json")


def add(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add_reading(parser)
    add_base(parser)
    parser.add_argument("model", metavar="MODEL|FAMILY", help=f"{MODEL}; or what `verify families` lists")


def run(options: argparse.Namespace, console: Console) -> Outcome:
    """Print it, with its legend."""
    from verify import architectures
    from verify.derive import library
    from verify.pipeline import example, subject
    from verify.render import formats

    model = options.model
    if model in architectures.known() or library.known(model):
        found = example(model)
        model = f"{model} at the sizes of {found.gathered.file.model}"
    else:
        found = subject(
            model,
            base=options.base,
            evidence=options.evidence,
            revision=options.revision,
            access=access(options, console),
            formula_only=True,
        )
    return Outcome(formats.formula(found, model, options.format, color=console.color))
