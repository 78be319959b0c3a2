"""The command line: arguments in, exit code out. The only module that prints."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from verify import cli_memory
from verify.errors import UsageError, VerifyError

if TYPE_CHECKING:
    from verify.evidence.select import Access
    from verify.verification import Unchecked, Verification

EXIT_CODES = """\
exit codes:
  0  exact, or every difference explained (--strict: exact only; --tolerance: close enough)
  1  an unexplained difference
  2  the command line is wrong
  3  could not be checked
In a list of models the worst wins."""

_MODEL = "owner/name[@revision] on the Hub, a folder, a weight file or a config.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows `verify`; the process's own arguments when None.

    Returns:
        The exit code.
    """
    if sys.stdout is None:  # closed by the caller, as `>&-` does
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as the process is
    # Modules that load make objects that stay: looking through them every 700 costs a tenth of a header check.
    gc.set_threshold(100_000)
    options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
    try:
        return int(options.run(options))
    except VerifyError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:  # the reader of stdout went away, as `| head` does
        _abandon_stdout()
        return 0
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        self.exit(2, f"verify: error: {message}; see `{self.prog} --help`\n")


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="verify",
        description="Tells whether an analytic parameter formula of a transformer is true of a real checkpoint.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = _command(
        commands, "check", _check, "compare a formula with checkpoints", ("table", "json", "csv", "markdown")
    )
    check.add_argument("models", nargs="+", metavar="MODEL", help=_MODEL)
    _add_judging(check)
    breakdown = _command(commands, "breakdown", _breakdown, "parameters by layer type", ("table", "json", "csv"))
    breakdown.add_argument("model", metavar="MODEL", help=_MODEL)
    breakdown.add_argument("--layers", action="store_true", help="one row for each layer index")
    formula = _command(commands, "formula", _formula, "print the formula of a model or family", ("table", "json"))
    formula.add_argument("model", metavar="MODEL|FAMILY", help=f"{_MODEL}; or a family")
    memory = _command(
        commands, "memory", _memory, "bytes and operations of a run", ("table", "json", "csv", "markdown")
    )
    memory.add_argument("model", metavar="MODEL", help=_MODEL)
    if "memory" in arguments:  # its choices come from modules that no other command needs
        cli_memory.add_memory(memory)
    cli_memory.add_size(_bare(commands, "size", _size, "say what a file of a size may hold", ("table", "json", "csv")))
    claims = _bare(
        commands, "claims", _claims, "judge published counts and memory formulas", ("table", "json", "csv", "markdown")
    )
    claims.add_argument("ids", nargs="*", metavar="ID", help="A.9a, A.9, or A for all of a source; default: all")
    claims.add_argument("--reports", metavar="DIR", help="write claims.md and claims.csv into DIR")
    _bare(commands, "families", _families, "list the families there are formulas for", ("table", "json"))
    sweep = _command(commands, "sweep", _sweep, "check a list of models", ("table", "json", "csv", "markdown"))
    sweep.add_argument("list", metavar="FILE|-|records", help="one MODEL a line; `records` for all recorded models")
    _add_judging(sweep)
    regress = _bare(commands, "regress", _regress, "say which models moved since a git revision", ("table", "json"))
    regress.add_argument("new", metavar="DIR", help="reports as they are now, from `verify sweep --reports DIR`")
    regress.add_argument("--old", default="reports", metavar="DIR", help="the committed reports; default: reports")
    regress.add_argument("--base", default="HEAD", metavar="REV", help="git revision to compare with; default: HEAD")
    return parser


def _bare(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    formats: tuple[str, ...],
) -> argparse.ArgumentParser:
    """A subcommand with the options that even those share that read no model."""
    parser = commands.add_parser(
        name, help=summary, description=summary, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    parser.add_argument("--format", choices=formats, default="table", help="default: table")
    parser.add_argument("-o", "--output", metavar="FILE|-", default="-", help="where the result goes; default: stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no result on stdout, only the exit code")
    return parser


def _command(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    formats: tuple[str, ...],
) -> argparse.ArgumentParser:
    """A subcommand that reads a model."""
    parser = _bare(commands, name, run, summary, formats)
    parser.add_argument(
        "--evidence",
        choices=("auto", "header", "recorded", "meta"),
        default="auto",
        help="what to rest on; auto takes the strongest and adds the transformers implementation",
    )
    parser.add_argument("--revision", default="", help="branch, tag or commit of a Hub model")
    parser.add_argument("--offline", action="store_true", help="stay off the network")
    parser.add_argument("--token", help="Hub token; default: where `hf auth login` keeps it, or HF_TOKEN")
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="seconds to wait for a server")
    return parser


def _add_judging(parser: argparse.ArgumentParser) -> None:
    """Options of the commands that reach a verdict."""
    parser.add_argument(
        "--formula", default="", metavar="NAME|EXPRESSION|FILE.py", help="default: the exact formula of the family"
    )
    parser.add_argument("--strict", action="store_true", help="only `exact` passes")
    parser.add_argument("--tolerance", type=_ratio, default=0.0, metavar="R", help="pass when |ratio - 1| <= R")
    parser.add_argument("--reports", metavar="DIR", help="write CSV, Markdown and JSON into DIR/<owner>--<name>/")


def _ratio(text: str) -> float:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a ratio between 0 and 1")
    return value


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _check(options: argparse.Namespace) -> int:
    from verify.render import formats

    _refuse_shared_folders(options.models, options)
    results = [_attempt(model, options, alone=len(options.models) == 1) for model in options.models]
    _emit(formats.checks(results, options.format, color=_color(options)), options)
    return max(_code(result, options) for result in results)


def _sweep(options: argparse.Namespace) -> int:
    from verify.render import formats

    results = []
    models = _listed(options.list)
    _refuse_shared_folders(models, options)
    for place, model in enumerate(models, start=1):
        _progress(f"{place}/{len(models)} {model}")
        results.append(_attempt(model, options, alone=len(models) == 1))
    _progress("")
    if options.reports:
        from verify.render.files import write_index

        write_index(results, Path(options.reports))
    _emit(formats.sweep(results, options.format, color=_color(options)), options)
    return max((_code(result, options) for result in results), default=0)


def _listed(name: str) -> list[str]:
    """The models of a list: one a line, `#` begins a comment; `records` are all recorded models."""
    if name == "records":
        from verify.evidence.recorded import known

        return list(known())
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read: {error}", expected="a text file with one MODEL a line") from None
    models = [model for line in text.splitlines() if (model := line.partition("#")[0].strip())]
    if not models:
        raise UsageError(f"{name} names no model", expected="one MODEL a line")
    return models


def _attempt(model: str, options: argparse.Namespace, *, alone: bool) -> "Verification | Unchecked":
    """Check one model; what could not be checked is a result with a reason, and no reason to drop the others."""
    from verify.pipeline import check
    from verify.verification import Unchecked

    try:
        found = check(
            model,
            formula=options.formula,
            evidence=options.evidence,
            revision=options.revision,
            access=_access(options),
        )
    except VerifyError as error:
        if alone and isinstance(error, UsageError):
            raise
        _complain(str(error))
        return Unchecked(model, str(error), error.exit_code)
    if options.reports:
        _write_reports(found, model, options)
    return found


def _refuse_shared_folders(models: Sequence[str], options: argparse.Namespace) -> None:
    """Two models whose reports have one place would leave only the last of them."""
    from verify.reference import parse

    owners: dict[str, str] = {}
    for model in dict.fromkeys(models) if options.reports else ():
        try:
            folder = parse(model, options.revision).folder_name
        except VerifyError:  # it will be a row with this reason
            continue
        if owners.setdefault(folder, model) != model:
            raise UsageError(
                f"the reports of {owners[folder]} and {model} would both be {Path(options.reports) / folder}",
                expected="models whose folders differ",
                hint="check them apart, with another --reports",
            )


def _code(result: "Verification | Unchecked", options: argparse.Namespace) -> int:
    """The exit code of one result."""
    from verify.verification import Unchecked

    if isinstance(result, Unchecked):
        return result.exit_code
    return 0 if result.passes(strict=options.strict, tolerance=options.tolerance) else 1


def _write_reports(found: "Verification", model: str, options: argparse.Namespace) -> None:
    from verify.reference import parse
    from verify.render.files import write_reports

    folder = Path(options.reports) / parse(model, options.revision).folder_name
    alone = options.run is _check
    write_reports(found, folder, layers=alone)
    if alone and not options.quiet:
        _say(f"reports in {folder}/")


def _access(options: argparse.Namespace) -> "Access":
    from verify.evidence.select import Access

    return Access(options.token, options.offline, options.timeout)


def _breakdown(options: argparse.Namespace) -> int:
    from verify.pipeline import check
    from verify.render import formats

    found = check(options.model, evidence=options.evidence, revision=options.revision, access=_access(options))
    _emit(formats.breakdown(found, options.format, layers=options.layers, color=_color(options)), options)
    return 0


def _formula(options: argparse.Namespace) -> int:
    from verify import architectures
    from verify.pipeline import example, subject
    from verify.render import formats

    if options.model in architectures.known():
        found = example(options.model)
        model = f"{options.model} at the sizes of {found.gathered.file.model}"
    else:
        model = options.model
        found = subject(
            model, evidence=options.evidence, revision=options.revision, access=_access(options), formula_only=True
        )
    _emit(formats.formula(found, model, options.format, color=_color(options)), options)
    return 0


def _families(options: argparse.Namespace) -> int:
    from verify.render import formats

    _emit(formats.families(options.format, color=_color(options)), options)
    return 0


def _memory(options: argparse.Namespace) -> int:
    return _finish(cli_memory.run_memory(options, _access(options), color=_color(options)), options)


def _size(options: argparse.Namespace) -> int:
    return _finish(cli_memory.run_size(options, color=_color(options)), options)


def _finish(outcome: cli_memory.Outcome, options: argparse.Namespace) -> int:
    for line in outcome.said:
        _say(line)
    _emit(outcome.text, options)
    return outcome.exit_code


def _claims(options: argparse.Namespace) -> int:
    from verify import claims
    from verify.render.claims import render

    rows = claims.judged(options.ids)
    if options.reports:
        from verify.render.files import write_claims

        write_claims(rows, Path(options.reports))
    _emit(render(rows, options.format, color=_color(options)), options)
    return 0


def _regress(options: argparse.Namespace) -> int:
    from verify import regress
    from verify.render import formats

    moves = regress.compare(regress.from_git(Path(options.old), options.base), regress.from_folder(Path(options.new)))
    _emit(formats.moves(moves, options.format, color=_color(options)), options)
    return 1 if moves else 0


def _emit(text: str, options: argparse.Namespace) -> None:
    """Put the result where the user wants it; where there is none, an older file stays as it is."""
    if not text:
        return
    if options.output != "-":
        from verify.render.files import write_text

        write_text(Path(options.output), text)
    elif not options.quiet:
        try:
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:  # a full disk
            _abandon_stdout()
            raise UsageError(f"cannot write to stdout: {error.strerror}", hint="name a file with -o") from None


def _abandon_stdout() -> None:
    """Keep the interpreter from writing once more when it leaves."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    sys.stderr.write(f"verify: {text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"verify: error: {text}\n")


def _progress(text: str) -> None:
    """A line that overwrites itself, only where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _color(options: argparse.Namespace) -> bool | None:
    """No colours in a file; else as the terminal has it."""
    return None if options.output == "-" else False
