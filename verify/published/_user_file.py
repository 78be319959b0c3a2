"""Formulas from a Python file that the user named.

The file has a function `formula(config)`, where `config` is the parsed config.json, read-only. It returns
one of

* a whole number: the parameters of the model;
* a mapping from roles (`attention`) or slots (`mlp.gate`, `encoder.attention.q`) to whole numbers;
* a `verify.formula.Formula`.

The file is run, because the user named it; nothing else in `verify` runs code that it is given.
"""

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from difflib import get_close_matches
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Never

from verify.config import Config
from verify.errors import ExpressionError
from verify.formula import Formula
from verify.published._expression import MAX_VALUE
from verify.published._record import Stated, read_slot
from verify.roles import Kind, Role, Slot

#: The name that the module has while it runs; no import statement can spell it.
_MODULE = "<verify formula>"


def load(path: Path, config: Config) -> Stated:
    """What the function `formula(config)` of a file states.

    Args:
        path: The Python file.
        config: The config that is passed on; the keys that the function reads count as read.

    Raises:
        ExpressionError: There is no such file or function, it fails, or what it returns is no count.
    """
    if not path.is_file():
        raise ExpressionError(f"no file {path}", expected="a Python file with formula(config)", hint="check the path")
    with _errors_of(path), redirect_stdout(sys.stderr), _module(path) as module:
        function = getattr(module, "formula", None)
        if not callable(function):
            _refuse(path, "no function formula", "def formula(config)", "add it")
        return _stated(path, function, config)


class _View(Mapping[str, object]):
    """A config.json as a plain mapping that cannot be written and that records what is read."""

    def __init__(self, config: Config, values: Mapping[str, object]) -> None:
        self._config = config
        self._values = values

    def __getitem__(self, key: str) -> object:
        value = self._values[key]
        if isinstance(value, Mapping):
            return _View(self._config.section(key), value)
        if value is not None:
            _record(self._config, key, value)
        return deepcopy(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self._values))


def _view(config: Config) -> _View:
    return _View(config, MappingProxyType(config._values))  # noqa: SLF001 (Config has no public way to list its keys)


def _record(config: Config, key: str, value: object) -> None:
    """Read a key through the typed reader of its type, so that the config knows."""
    match value:
        case bool():
            config.flag(key, default=False)
        case str():
            config.text(key)
        case list() | tuple():
            config.items(key)
        case _:
            config.number(key)


@contextmanager
def _module(path: Path) -> Iterator[ModuleType]:
    """The file as a module, for as long as it is needed.

    It is in `sys.modules` meanwhile, where dataclasses look their module up. `sys.path` stays as it is.
    """
    spec = spec_from_file_location(_MODULE, path, loader=_Uncached(_MODULE, str(path)))
    if spec is None or spec.loader is None:
        _refuse(path, "cannot be imported", "a Python file", "check it")
    module = module_from_spec(spec)
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[_MODULE]


class _Uncached(SourceFileLoader):
    """Loads a source file; neither reads nor writes `__pycache__` beside it."""

    def path_stats(self, path: str) -> Mapping[str, object]:
        """Refuse the file's time stamp, without which importlib leaves byte code alone."""
        raise OSError(path)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn whatever the file raises into one line with its place in the file."""
    try:
        yield
    except ExpressionError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 (the file is the user's and may raise anything)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{path}:{line}" if line else f"{path}"
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        found = f"{where}: {type(error).__name__}: {text[:200]}"
        raise ExpressionError(found, expected="formula(config) that returns a count", hint="correct the file") from None


def _refuse(path: Path, found: str, expected: str, hint: str) -> Never:
    raise ExpressionError(f"{path}: {found}", expected=expected, hint=hint)


def _stated(path: Path, function: Callable[[Mapping[str, object]], object], config: Config) -> Stated:
    result = function(_view(config))
    if isinstance(result, Formula):
        return _from_formula(path, result)
    if isinstance(result, Mapping):
        return _from_mapping(path, result)
    total = _count(path, "formula(config)", result)
    return _named(path, total, {}, {})


def _from_formula(path: Path, formula: Formula) -> Stated:
    by_slot: dict[str, int] = {}
    by_role: dict[Role, int] = {}
    for term in formula.of(Kind.PARAMETER):
        count = _count(path, str(term.slot), term.count)
        by_slot[str(term.slot)] = by_slot.get(str(term.slot), 0) + count
        by_role[term.slot.role] = by_role.get(term.slot.role, 0) + count
    total = _positive(path, sum(by_slot.values()))
    return Stated(
        name=formula.name,
        source=formula.source or str(path),
        total=total,
        by_role={role: by_role[role] for role in Role if role in by_role},
        by_slot=by_slot,
        text=formula.text(),
        latex=formula.latex(),
        formula=formula,
    )


def _from_mapping(path: Path, result: Mapping[object, object]) -> Stated:
    by_role: dict[Role, int] = {}
    by_slot: dict[str, int] = {}
    whole: set[Role] = set()
    for key, value in result.items():
        slot = _slot(path, key)
        count = _count(path, str(key), value)
        if slot.part:
            by_slot[str(slot)] = count
        else:
            whole.add(slot.role)
        by_role[slot.role] = by_role.get(slot.role, 0) + count
    both = [text for text in by_slot if read_slot(text).role in whole]
    if both:
        role = read_slot(both[0]).role
        _refuse(path, f"{role} and {both[0]} at once", "a role or its slots", "leave one out")
    return _named(path, sum(by_role.values()), {role: by_role[role] for role in Role if role in by_role}, by_slot)


def _named(path: Path, total: int, by_role: dict[Role, int], by_slot: dict[str, int]) -> Stated:
    """A statement in numbers only; its text is the number."""
    digits = str(_positive(path, total))
    return Stated(path.name, str(path), total, by_role, by_slot, text=digits, latex=digits)


def _slot(path: Path, key: object) -> Slot:
    try:
        return read_slot(str(key))
    except ValueError:
        close = get_close_matches(str(key).partition(".")[0], list(Role), n=1)
        hint = f"did you mean {close[0]}?" if close else "rename it"
        _refuse(path, f"{key!r} is no role or slot", f"one of {', '.join(Role)}, or such as mlp.gate", hint)


def _count(path: Path, what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        expected = "a whole number, a mapping of them, or a Formula" if what == "formula(config)" else "a whole number"
        shown = f"{what} is {value!r}"[:120]
        _refuse(path, shown, expected, "divide with // instead of /" if isinstance(value, float) else "return that")
    if not 0 <= value <= MAX_VALUE:
        found = f"{what} is negative" if value < 0 else f"{what} is above 2**127"
        _refuse(path, found, "a count of parameters", "check its signs and powers")
    return int(value)


def _positive(path: Path, total: int) -> int:
    if total < 1:
        _refuse(path, "formula(config) comes to 0", "at least 1 parameter", "check it")
    return total
