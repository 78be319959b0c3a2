"""One trace: the class of a target, built on the meta device with symbolic hyper-parameters."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sympy
import torch

from verify.derive.building import configurations
from verify.derive.building.instances import deadline, lacking
from verify.derive.errors import DeriveError
from verify.derive.tracing import per_layer, private
from verify.derive.tracing.lists import SymbolicList, SymbolicTuple
from verify.derive.tracing.reads import LABELS, reads
from verify.derive.tracing.recorder import Comparison, Entry, Pass, Recorder, source_line
from verify.derive.tracing.shims import building, symbolic
from verify.derive.tracing.symbols import (
    SymbolicFloat,
    SymbolicInt,
    SymbolicStr,
    expression,
    from_torch,
    plain,
    symbol,
)
from verify.errors import VerifyError
from verify.evidence.module_state import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from verify.derive.building.classes import Target


@dataclass(frozen=True, slots=True)
class TracedTensor:
    """A tensor of the traced module.

    Attributes:
        name: Its module name.
        kind: Whether it is a parameter or a persistent buffer.
        axes: Its axes in the order of the shape, over symbols named by path and symbols of passes of loops.
        shape: Its shape where it was traced.
        passes: The passes of loops in which it was created, the outermost first.
        after: How many comparisons had been made by then.
    """

    name: str
    kind: Literal["parameter", "buffer"]
    axes: tuple[sympy.Expr, ...]
    shape: tuple[int, ...]
    passes: tuple[Pass, ...]
    after: int


@dataclass(frozen=True, slots=True)
class Traced:
    """What a trace found.

    Attributes:
        values: The flat values of the configuration that was traced.
        tensors: Parameters, tied ones once, and persistent buffers, in the order of the module.
        comparisons: What the source compared.
        passes: The pass of a loop that each loop symbol stands for.
        entries: The entry of a list that each symbol with a symbolic index stands for.
        concretised: What lost its expression, and where.
        switches: Path, value and line of each switch, word or None that the model read.
        typed: The values that the model asked the type of: `isinstance(config.patch_size, int)`.
    """

    values: Mapping[str, Any]
    tensors: tuple[TracedTensor, ...]
    comparisons: tuple[Comparison, ...]
    passes: Mapping[sympy.Symbol, Pass]
    entries: Mapping[sympy.Symbol, Entry]
    concretised: tuple[tuple[str, str], ...]
    switches: tuple[tuple[str, Any, str], ...]
    typed: tuple[str, ...] = ()


def trace(target: Target, keywords: Mapping[str, Any], *, seconds: float = 60.0) -> Traced:
    """Build the class of a target with symbolic hyper-parameters.

    Args:
        target: The class.
        keywords: The nested keywords of its configuration; every number in them becomes a symbol.
        seconds: The longest that building may take.

    Raises:
        ConfigError: The configuration class rejects the keywords, or building takes too long.
        UnavailableError: The model class needs a package that is not installed.
        DeriveError: The model class cannot be built with symbolic values; the message says where.
    """
    before = set(sys.modules)
    try:
        found = _traced(target, keywords, seconds)
    except DeriveError:
        found = None
    # A module that was imported meanwhile had no shims.
    if found is None or any(name.startswith("transformers.models.") for name in set(sys.modules) - before):
        return _traced(target, keywords, seconds)
    return found


def _traced(target: Target, keywords: Mapping[str, Any], seconds: float) -> Traced:
    recorder = Recorder()
    values = configurations.flatten(keywords)
    made: dict[int, tuple[tuple[Pass, ...], int]] = {}
    kept: list[Any] = []

    def created(_module: Any, _name: str, tensor: Any) -> None:
        if tensor is not None and id(tensor) not in made:
            made[id(tensor)] = recorder.active, len(recorder.comparisons)
            kept.append(tensor)

    with symbolic(recorder), reads(recorder, values) as made_config:
        symbols = symbolic_keywords(dict(keywords), recorder)
        config = configurations.build(target.config_class, symbols)
        vars(config)[LABELS] = symbols.get("num_labels")
        made_config(config)
        hooks = [private.on_parameter(created), private.on_buffer(created)]
        try:
            with deadline(seconds), building(recorder):
                module = target.model_class(config)
        except VerifyError:
            raise
        except ImportError as error:
            raise lacking(target.model_class.__name__, error) from error
        except Exception as error:  # each class raises what it likes
            raise _failed(target, error) from error
        finally:
            for hook in hooks:
                hook.remove()
    recorder.switches.update({path: (value, per_layer.FIELDS) for path, value in per_layer.switches(values).items()})
    return Traced(
        values,
        tuple(_tensors(module, made)),
        tuple(recorder.comparisons.values()),
        recorder.passes,
        recorder.entries,
        tuple(recorder.concretised),
        tuple((path, value, where) for path, (value, where) in recorder.switches.items()),
        tuple(path for path in recorder.typed if path in values),
    )


def _failed(target: Target, error: Exception) -> DeriveError:
    where = source_line(traceback.extract_tb(error.__traceback__))
    reason = " ".join(str(error).split())[:200]
    return DeriveError(
        f"{target.model_class.__name__} cannot be built with symbolic values"
        f"{f' at {where}' if where else ''}: {type(error).__name__}{f': {reason}' if reason else ''}",
        hint="give a config, or another class",
    )


def symbolic_keywords(value: Any, recorder: Recorder, path: str = "") -> Any:
    """Keywords with a symbol for every number in them, and for every string in a list."""
    if isinstance(value, dict):
        if path and configurations.CLASS not in value:
            return value
        start = f"{path}." if path else ""
        return {
            key: item if key == configurations.CLASS else symbolic_keywords(item, recorder, f"{start}{key}")
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        items = [_entry(item, recorder, f"{path}[{at}]") for at, item in enumerate(value)]
        # A negative number is no size and stays plain, as in `vision_feature_layer`; the length of its list may be one.
        if all(isinstance(item, int | float | str) for item in items):
            return (SymbolicList if isinstance(value, list) else SymbolicTuple).of(path)(items)
        return type(value)(items)
    return value if isinstance(value, str) else _entry(value, recorder, path)


def _entry(value: Any, recorder: Recorder, path: str) -> Any:
    if isinstance(value, list | tuple):
        return symbolic_keywords(value, recorder, path)
    if isinstance(value, str):
        return SymbolicStr(value, sympy.Symbol(path))
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value:  # noqa: PLR0124
        return value
    name = symbol(path, value)
    if isinstance(value, int):
        recorder.values[name] = value
        return SymbolicInt(value, name)
    return SymbolicFloat(value, name)


def _tensors(module: Any, made: Mapping[int, tuple[tuple[Pass, ...], int]]) -> Iterator[TracedTensor]:
    held = state(module)
    for name, parameter in held.parameters.items():
        yield _tensor(name, "parameter", parameter, made)
    for name, buffer in held.buffers.items():
        yield _tensor(name, "buffer", buffer, made)


def _tensor(
    name: str, kind: Literal["parameter", "buffer"], value: Any, made: Mapping[int, tuple[tuple[Pass, ...], int]]
) -> TracedTensor:
    axes, shape = [], []
    for size in value.shape:
        axes.append(expression(size))
        shape.append(int(plain(from_torch(size) if isinstance(size, torch.SymInt) else size)))
    return TracedTensor(name, kind, tuple(axes), tuple(shape), *made.get(id(value), ((), sys.maxsize)))
