"""Reports on disk: whole or not at all."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from verify.errors import UsageError
from verify.render import csv, index, json, markdown
from verify.verification import Unchecked, Verification

if TYPE_CHECKING:
    from verify.claims import Row


def write_reports(verification: Verification, folder: Path, *, layers: bool = True) -> tuple[Path, ...]:
    """Write breakdown.csv, report.md, result.json and, by layer, layers.csv.

    All of them are written beside their places first and moved there together, so that a failure leaves
    the reports of the last run as they were.

    Args:
        verification: What to report.
        folder: Where; made when it is not there.
        layers: Whether to write layers.csv, by far the longest.

    Returns:
        The files.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    by_layer = {folder / "layers.csv": csv.layers(verification)} if layers else {}
    texts = {
        folder / "breakdown.csv": csv.breakdown(verification),
        **by_layer,
        folder / "report.md": markdown.report(verification),
        folder / "result.json": json.render(verification),
    }
    return _write_all(folder, texts)


def write_index(results: Iterable[Verification | Unchecked], folder: Path) -> tuple[Path, ...]:
    """Write index.md and index.csv, one row per model.

    Args:
        results: The models, in the order of the rows.
        folder: Where; made when it is not there.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    found = list(results)
    texts = {folder / "index.md": index.index_markdown(found), folder / "index.csv": index.index_csv(found)}
    return _write_all(folder, texts)


def write_claims(rows: "Sequence[Row]", folder: Path) -> tuple[Path, ...]:
    """Write claims.md and claims.csv, one row for each published claim.

    Args:
        rows: The judged claims.
        folder: Where; made when it is not there.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    from verify.render import claims

    texts = {folder / "claims.md": claims.claims_markdown(rows), folder / "claims.csv": claims.claims_csv(rows)}
    return _write_all(folder, texts)


def _write_all(folder: Path, texts: Mapping[Path, str]) -> tuple[Path, ...]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    _replace_all(texts)
    return tuple(texts)


def write_text(path: Path, text: str) -> None:
    """Write one file as UTF-8, whole or not at all; a pipe or device is written to as it is.

    Raises:
        UsageError: It cannot be written.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        try:  # moving a file over /dev/null would replace the device
            path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as error:
            raise _cannot_write(path, error) from error
        return
    _replace_all({path: text})


def _replace_all(texts: Mapping[Path, str]) -> None:
    """Write every text to a temporary file in the folder of its place, then move all of them."""
    moves: list[tuple[Path, Path]] = []
    place = Path()
    try:
        for place, text in texts.items():
            if place.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            # Through a link: the file it leads to is replaced, not the link.
            target = place.resolve()
            temporary = target.with_name(f".verify-{secrets.token_hex(8)}.tmp")
            moves.append((temporary, target))
            with temporary.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(text)
        for temporary, place in moves:
            temporary.replace(place)
    except OSError as error:
        raise _cannot_write(place, error) from error
    finally:
        for temporary, _ in moves:
            temporary.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> UsageError:
    reason = error.strerror or type(error).__name__
    return UsageError(f"cannot write {path}: {reason}", hint="name another place or correct its permissions")
