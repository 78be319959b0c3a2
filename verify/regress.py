"""Which models moved when a formula changed: two states of `reports/`, compared.

A state is the breakdowns and the index that `verify sweep --reports` writes. The old one comes from git or from
a folder, the new one from a folder.
"""

import csv
import io
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from verify.errors import NotFoundError

BREAKDOWN = "breakdown.csv"
INDEX = "index.csv"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that is not as it was.

    Attributes:
        model: The model, or the folder of its report.
        where: The layer type, or `verdict`.
        before: Predicted elements, or the verdict, in the old state; "" where it had none.
        after: The same in the new state.
    """

    model: str
    where: str
    before: str
    after: str

    @property
    def difference(self) -> int | None:
        """After minus before, in elements; None where they are not numbers."""
        if not all(side.isdecimal() or not side for side in (self.before, self.after)):
            return None
        return int(self.after or 0) - int(self.before or 0)


def from_folder(folder: Path) -> dict[str, str]:
    """The state in a folder: the text of each breakdown and of the index, by their path in it.

    Raises:
        NotFoundError: The folder has no index.
    """
    if not (folder / INDEX).is_file():
        raise NotFoundError(f"{folder} has no {INDEX}", expected="what `make reports` writes", hint="run it first")
    files = [folder / INDEX, *sorted(folder.glob(f"*/{BREAKDOWN}"))]
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


def from_git(folder: Path, revision: str) -> dict[str, str]:
    """The state of a folder at a git revision.

    Raises:
        NotFoundError: git, the revision or the folder in it is not there.
    """
    listed = _git(folder, "ls-tree", "-r", "--name-only", revision, "--", ".").splitlines()
    wanted = [name for name in listed if name == INDEX or name.endswith(f"/{BREAKDOWN}")]
    if INDEX not in wanted:
        raise NotFoundError(
            f"{revision} has no {folder.name}/{INDEX}", expected="committed reports", hint="name another BASE"
        )
    return {name: _git(folder, "show", f"{revision}:./{name}") for name in wanted}


def compare(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Move, ...]:
    """Every verdict and every predicted number that is not as it was, by model and layer type."""
    moves = _compared("", _column(old[INDEX], "model", "verdict"), _column(new[INDEX], "model", "verdict"))
    for name in sorted({*old, *new} - {INDEX}):
        before, after = (_column(state.get(name, ""), "layer_type", "expected") for state in (old, new))
        moves += _compared(name.removesuffix(f"/{BREAKDOWN}").replace("--", "/", 1), before, after)
    return tuple(moves)


def _compared(model: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Move]:
    """Moves of one model by layer type, or of all verdicts when `model` is ""."""
    return [
        Move(model or key, key if model else "verdict", before.get(key, ""), after.get(key, ""))
        for key in dict.fromkeys((*before, *after))
        if before.get(key, "") != after.get(key, "")
    ]


def _column(text: str, key: str, value: str) -> dict[str, str]:
    return {row[key]: row[value] for row in csv.DictReader(io.StringIO(text))}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - git with our own arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            check=True,
            text=True,
            encoding="utf-8",
        )
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise NotFoundError(
            f"git: {reason.strip().splitlines()[-1]}", hint="name a revision of this repository"
        ) from None
    return done.stdout
