"""The command line: arguments in, exit code out. The only module that prints."""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from verify import commands
from verify.errors import UsageError, VerifyError

EXIT_CODES = """\
exit codes:
  0  exact, or every difference explained (--strict: exact only; --tolerance: close enough)
  1  an unexplained difference
  2  the command line is wrong
  3  could not be checked
In a list of models the worst wins."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows `verify`; the process's own arguments when None.

    Returns:
        The exit code.
    """
    if sys.stdout is None:  # closed by the caller, as `>&-` does
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as the process is
    # Modules and tensors stay: looking through them every 700 objects, or 100,000, costs a tenth of a header check.
    gc.set_threshold(1_000_000)
    atexit.register(gc.freeze)  # nor is anything looked through when the process ends
    options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
    console = _Console(options)
    try:
        outcome = options.command.run(options, console)
        console.progress("")
        _emit(outcome.text, options)
    except VerifyError as error:
        console.progress("")
        console.complain(str(error))
        return error.exit_code
    except BrokenPipeError:  # the reader of stdout went away, as `| head` does
        _abandon_stdout()
        return 0
    except KeyboardInterrupt:
        return 130
    return int(outcome.exit_code)


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
    known = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, command in commands.load().items():
        summary = command.SUMMARY
        its = known.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in arguments:  # choices may come from modules that no other command needs
            its.set_defaults(command=command)
            command.add(its)
            _add_output(its, command.FORMATS)
    return parser


def _add_output(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    parser.add_argument("--format", choices=formats, default=formats[0], help=f"default: {formats[0]}")
    parser.add_argument("-o", "--output", metavar="FILE|-", default="-", help="where the result goes; default: stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no result on stdout, only the exit code")


class _Console:
    """What a command says while it runs; stdout is left to the result."""

    def __init__(self, options: argparse.Namespace) -> None:
        # No colours in a file; else as the terminal has it.
        self.color = None if options.output == "-" else False
        self._line = ""

    def say(self, line: str) -> None:
        sys.stderr.write(f"verify: {line}\n")

    def complain(self, line: str) -> None:
        sys.stderr.write(f"verify: error: {line}\n")

    def progress(self, line: str) -> None:
        """A line that overwrites itself, only where somebody watches."""
        if line != self._line and sys.stderr.isatty():
            from verify.render.text import visible

            sys.stderr.write(f"\r\x1b[K{visible(line)}")
            sys.stderr.flush()
            self._line = line


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
