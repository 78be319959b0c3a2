"""One file = one command: `SUMMARY`, `FORMATS`, `add(parser)` for its arguments, `run(options, console)`.

No command prints or exits; what it has to say on the way goes through a `Console`, and the rest is its `Outcome`.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple, Protocol, cast


class Outcome(NamedTuple):
    """What a command came to.

    Attributes:
        text: The result, for stdout or a file.
        exit_code: The exit code of the process.
    """

    text: str
    exit_code: int = 0


class Console(Protocol):
    """What a command may tell its user while it runs."""

    @property
    def color(self) -> bool | None:
        """Whether the result may be coloured; None lets the terminal decide."""

    def say(self, line: str) -> None:
        """A remark."""

    def complain(self, line: str) -> None:
        """An error that does not end the command."""

    def progress(self, line: str) -> None:
        """What is being done, where somebody watches; "" when it is over."""


class Command(Protocol):
    """A module of this package."""

    SUMMARY: str
    FORMATS: Sequence[str]

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""

    def run(self, options: argparse.Namespace, console: Console) -> Outcome:
        """Run it.

        Raises:
            VerifyError: It cannot be done.
        """


def load() -> dict[str, Command]:
    """All commands by name."""
    names = (module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return {name: cast("Command", import_module(f"{__name__}.{name}")) for name in names}
