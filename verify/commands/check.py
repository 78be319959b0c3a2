"""`verify check`: a formula against checkpoints."""

import argparse

from verify.commands import Console, Outcome
from verify.commands._model import MODEL, access, add_judging, add_reading, call_ahead
from verify.errors import VerifyError

SUMMARY = "compare a formula with checkpoints"
FORMATS = ("table", "json", "csv", "markdown")


def add(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add_reading(parser)
    parser.add_argument("models", nargs="+", metavar="MODEL", help=MODEL)
    add_judging(parser)
    parser.add_argument("--lint", action="store_true", help="hold the checkpoint against itself, without any formula")


def run(options: argparse.Namespace, console: Console) -> Outcome:
    """Check the models, each for itself."""
    call_ahead(options.models[0], options)
    if options.lint:
        return _lint(options, console)
    from verify.commands._judge import attempt, exit_code, refuse_shared_folders, said_where
    from verify.render import formats
    from verify.verification import Verification

    refuse_shared_folders(options.models, options)
    alone = len(options.models) == 1
    results = []
    for model in options.models:
        results.append(attempt(model, options, console, alone=alone, layers=True))
        if options.reports and isinstance(results[-1], Verification):
            said_where(model, options, console)
    text = formats.checks(results, options.format, color=console.color)
    return Outcome(text, max(exit_code(result, options) for result in results))


def _lint(options: argparse.Namespace, console: Console) -> Outcome:
    """Look at what the checkpoints say of themselves; exit code 1 when something is wrong."""
    from verify.pipeline import lint
    from verify.render.lint import render

    found, codes = [], [0]
    for model in options.models:
        try:
            found.append(lint(model, revision=options.revision, access=access(options, console)))
        except VerifyError as error:
            if len(options.models) == 1:
                raise
            console.complain(str(error))
            codes.append(error.exit_code)
    passed = all(not each.problems if options.strict else each.clean for each in found)
    return Outcome(render(found, options.format, color=console.color), max(*codes, int(not passed)))
