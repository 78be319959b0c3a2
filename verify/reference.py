"""What the user called MODEL: a Hub id, a folder, a weight file or a config.json."""

import os
from pathlib import Path
from typing import NamedTuple

from verify.errors import NotFoundError, UsageError

#: What is so called is a file, and no model of the Hub.
_SUFFIXES = frozenset({".json", ".safetensors", ".gguf", ".bin", ".pt", ".pth"})


class Reference(NamedTuple):
    """A model as the user named it.

    Attributes:
        name: The Hub id without its revision, or the path as it was given.
        path: The folder or file, or None for a Hub id.
        revision: The branch, tag or commit of a Hub id, or "".
    """

    name: str
    path: Path | None = None
    revision: str = ""

    @property
    def folder_name(self) -> str:
        """The name of its folder under `reports/`: `owner--name`, or the last parts of a path."""
        if self.path is None:
            return self.name.replace("/", "--")
        path = self.path.resolve()
        return path.name if path.is_dir() else f"{path.parent.name}--{path.name}"


def parse(model: str, revision: str = "") -> Reference:
    """Read a MODEL argument.

    Args:
        model: `owner/name[@revision]`, a folder, a weight file or a config.json.
        revision: A revision given apart from it.

    Raises:
        UsageError: It is empty, or names two revisions.
        NotFoundError: It looks like a path and nothing is there.
    """
    if not model.strip():
        raise UsageError("MODEL is empty", expected="owner/name[@revision], a folder, a weight file or a config.json")
    path = _path(model)
    if os.path.exists(path):  # noqa: PTH110 - a name that no file can have does not exist; Path.exists raises for some
        if revision:
            raise UsageError(f"{model} is a path and has no revision", hint="drop --revision")
        return Reference(model, path)
    if model.startswith(("/", "./", "../", "~")) or path.suffix in _SUFFIXES:
        raise NotFoundError(
            f"{model} does not exist", expected="a folder, a weight file or a config.json", hint="check the path"
        )
    name, sign, at = model.partition("@")
    if sign and not at:
        raise UsageError(f"{model} names no revision", expected="one after the @, or no @")
    if at and revision and at != revision:
        raise UsageError(f"MODEL names revision {at} and --revision {revision}", expected="one of them")
    if name.count("/") > 1:
        raise NotFoundError(f"{model} is neither a path nor a Hub id", expected="owner/name[@revision] or a path")
    return Reference(name, None, at or revision)


def _path(model: str) -> Path:
    path = Path(model)
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user
        return path
