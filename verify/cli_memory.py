"""The commands `memory` and `size`: their arguments, and what they hand to the command line to print."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.evidence.select import Access

_MODES = ("training", "inference")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to.

    Attributes:
        text: The result, for stdout or a file.
        said: Lines for stderr.
        exit_code: The exit code of the process.
    """

    text: str
    said: Sequence[str] = ()
    exit_code: int = 0


def add_memory(parser: argparse.ArgumentParser) -> None:
    """The arguments of `verify memory`, beside those that all commands on a model share."""
    from verify.memory.base import KNOWN, Setting

    # What the names stand for is said once, in the docstring of Setting.
    parser.add_argument("--mode", choices=_MODES, default="training", help="a training step or a prefill")
    for name, default in (("batch", 1), ("sequence", 2048)):
        parser.add_argument(f"--{name}", type=_count, default=default, metavar="N", help=f"default: {default}")
    for name, help_ in (
        ("dtype", "of the weights in inference"),
        ("precision", "of a training step"),
        ("optimizer", "of a training step"),
        ("attention", "implementation of attention"),
        ("checkpointing", "activations that are computed again"),
    ):
        default = getattr(Setting(), name)
        parser.add_argument(f"--{name}", choices=KNOWN[name], default=default, help=f"{help_}; default: {default}")
    parser.add_argument("--device", choices=("fake", "cpu", "cuda"), default="fake", help="what it is run on")
    parser.add_argument("--no-measure", action="store_true", help="formulas only; torch is not needed")


def run_memory(options: argparse.Namespace, access: "Access", *, color: bool | None) -> Outcome:
    """Check the memory of a run, and render it."""
    from verify.memory.base import Mode, Setting
    from verify.memory.check import check
    from verify.render.memory import render
    from verify.verification import Verdict

    setting = Setting(
        batch=options.batch,
        sequence=options.sequence,
        mode=Mode(options.mode),
        dtype=options.dtype,
        precision=options.precision,
        optimizer=options.optimizer,
        attention=options.attention,
        checkpointing=options.checkpointing,
    )
    found = check(
        options.model,
        setting,
        evidence=options.evidence,
        revision=options.revision,
        access=access,
        device=options.device,
        measure=not options.no_measure,
    )
    code = {Verdict.UNEXPLAINED: 1, Verdict.UNCHECKED: 0 if options.no_measure else 3}.get(found.verdict, 0)
    warnings = [note for note in found.notes if note.startswith("warning:")]
    failed = [found.how] if found.how.startswith("nothing was run:") and not options.no_measure else []
    return Outcome(render(found, options.format, color=color), (*warnings, *failed), code)


def add_size(parser: argparse.ArgumentParser) -> None:
    """The argument of `verify size`."""
    parser.add_argument("size", metavar="SIZE", help="such as 100GB or 13.5GiB")


def run_size(options: argparse.Namespace, *, color: bool | None) -> Outcome:
    """Say what a file of a size may hold."""
    from verify.memory.weights import size
    from verify.render.memory import render_size

    return Outcome(render_size(options.size, size(options.size), options.format, color=color))


def _count(text: str) -> int:
    """A whole number of at least 1, in digits."""
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or not plain.isascii() or len(plain) > len("1" * 18) or int(plain) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(plain)
