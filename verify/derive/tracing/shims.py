"""What is put in place while a model is traced, by one context manager, and always taken away again.

* In the modules of transformers: `int`, `float`, `list`, `tuple`, `range`, `len`, `enumerate`, `min`, `max`, `math`,
  `numpy` and `torch`, so that `int(8 * hidden_size / 3)` stays symbolic and the index of a loop is a symbol.
* A `TorchFunctionMode` that hands each torch function `torch.SymInt` for a symbolic integer, and back.
* `torch.nn.init` does nothing, and everything is built on the meta device.
"""

from __future__ import annotations

import builtins
import itertools
import math
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
import torch
from torch.overrides import TorchFunctionMode

from verify.derive.tracing import filtered, private
from verify.derive.tracing.lists import SymbolicList, SymbolicTuple
from verify.derive.tracing.ranges import Range, product, ranged, unrolled
from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.symbols import (
    SymbolicFloat,
    SymbolicInt,
    expression,
    from_torch,
    is_symbolic,
    number,
    plain,
    symbol,
)
from verify.evidence.meta import without_initialising

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MISSING = object()

#: Modules of transformers beside `transformers.models.*` that compute sizes.
_SHARED = frozenset(
    {
        "transformers.configuration_utils", "transformers.modeling_rope_utils", "transformers.modeling_layers",
        "transformers.pytorch_utils", "transformers.activations", "transformers.backbone_utils",
    }
)  # fmt: skip

#: The module of torch that numbers parameters inside their names.
_UNROLLED = "torch.nn.modules.rnn"


@contextmanager
def symbolic(recorder: Recorder) -> Iterator[None]:
    """Trace what is built inside: shims, hooks and the recorder are there until the block is left, however it is.

    Args:
        recorder: What is told about comparisons, loops and lost expressions.
    """
    with ExitStack() as stack:
        stack.enter_context(recording(recorder))
        stack.enter_context(names(computes_sizes))
        yield


@contextmanager
def building(recorder: Recorder) -> Iterator[None]:
    """Inside `symbolic`: modules are built on the meta device with symbolic shapes and without initialising."""
    with without_initialising(), private.enable_python_dispatcher(), torch.device("meta"), _Symbolic(recorder):
        yield


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """The recorder is told what happens inside the block."""
    before, Recorder.current = Recorder.current, recorder
    try:
        yield
    finally:
        Recorder.current = before


def computes_sizes(name: str) -> bool:
    """Whether a module of that name is one of transformers that holds models or configurations."""
    return name.startswith("transformers.models.") or name in _SHARED


@contextmanager
def names(chosen: Callable[[str], bool]) -> Iterator[None]:
    """The names of `_BUILTINS` in each imported module whose name is chosen."""
    changed: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for name, module in list(sys.modules.items()):
            if module is None or not (name == _UNROLLED or chosen(name)):
                continue
            namespace = vars(module)
            wanted = {"range": unrolled}.items() if name == _UNROLLED else _wanted(namespace)
            for key, value in wanted:
                changed.append((namespace, key, namespace.get(key, _MISSING)))
                namespace[key] = value
        yield
    finally:
        for namespace, key, value in reversed(changed):
            if value is _MISSING:
                namespace.pop(key, None)
            else:
                namespace[key] = value


def _wanted(namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in _BUILTINS.items():
        if key not in namespace:
            yield key, value
    for key, value in list(namespace.items()):
        if isinstance(value, type(math)) and value in _MODULES:
            yield key, _MODULES[value]
        elif getattr(value, "__module__", "") == "math" and key in _FUNCTIONS:
            yield key, _FUNCTIONS[key]


class _Standin(type):
    """A type that stands for a built-in one: the same checks, but a conversion keeps the expression."""

    kind: type
    convert: Callable[[Any], Any]

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.kind)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.kind)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs:
            value = from_torch(args[0]) if isinstance(args[0], torch.SymInt) else args[0]
            if isinstance(value, (SymbolicInt, SymbolicFloat, SymbolicList, SymbolicTuple)):
                return cls.convert(value)
        return cls.kind(*args, **kwargs)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls.kind

    def __hash__(cls) -> int:
        return hash(cls.kind)

    def __or__(cls, other: Any) -> Any:
        return cls.kind | other

    def __ror__(cls, other: Any) -> Any:
        return other | cls.kind

    def __getitem__(cls, item: Any) -> Any:
        return cls.kind[item]  # type: ignore[index]

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.kind, name)


def _as_float(value: Any) -> Any:
    return value if isinstance(value, float) else SymbolicFloat(float(plain(value)), value.expr)


#: `case int(value)` of a `match` binds the attribute that `__match_args__` names.
_Integer = _Standin("int", (), {"kind": int, "convert": staticmethod(math.trunc), "__match_args__": ("real",)})
_Float = _Standin("float", (), {"kind": float, "convert": staticmethod(_as_float)})
_List = _Standin("list", (), {"kind": list, "convert": staticmethod(lambda items: SymbolicList.of(items.path)(items))})
_Tuple = _Standin(
    "tuple", (), {"kind": tuple, "convert": staticmethod(lambda items: SymbolicTuple.of(items.path)(items))}
)


def _len(value: Any) -> Any:
    length = builtins.len(value)
    if isinstance(value, (SymbolicList, SymbolicTuple)):
        return number(length, symbol(f"len({value.path})", length))
    return filtered.length(value)


def _enumerate(items: Any, start: int = 0) -> Any:
    if not isinstance(items, (SymbolicList, SymbolicTuple)) or Recorder.current is None:
        return builtins.enumerate(items, start)
    return ((at + start, items[at]) for at in Range(_len(items)))


def _extreme(choose: Callable[..., Any], combine: Any) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        numbers = args if len(args) > 1 else tuple(args[0]) if isinstance(args[0], (list, tuple)) else ()
        if kwargs or not any(map(is_symbolic, numbers)) or not all(isinstance(one, (int, float)) for one in numbers):
            return choose(*args, **kwargs)
        return number(choose(map(plain, numbers)), combine(*map(expression, numbers)))

    return function


def _isinstance(value: Any, kinds: Any) -> bool:
    """`isinstance`, which a formula rests on where it is asked of a value of the configuration."""
    if Recorder.current and isinstance(value, (SymbolicInt, SymbolicFloat, SymbolicList, SymbolicTuple)):
        path = value.path if isinstance(value, (SymbolicList, SymbolicTuple)) else str(value.expr)
        Recorder.current.typed[path] = None
    return isinstance(value, kinds)


_BUILTINS: dict[str, Any] = {
    "int": _Integer, "float": _Float, "list": _List, "tuple": _Tuple, "range": ranged, "len": _len,
    "enumerate": _enumerate, "min": _extreme(min, private.functions.Min), "max": _extreme(max, private.functions.Max),
    "isinstance": _isinstance,
}  # fmt: skip


def _root(value: Any) -> Any:
    return number(math.sqrt(plain(value)), sympy.sqrt(value.expr))


def _logarithm(name: str) -> Callable[..., Any]:
    def function(value: Any, *base: Any) -> Any:
        return number(
            getattr(math, name)(plain(value), *base), sympy.Function(name)(value.expr, *map(expression, base))
        )

    return function


def _product(items: Any, **_: Any) -> Any:
    found: Any = 1
    for item in items if isinstance(items, (list, tuple)) else (items,):
        found = found * item
    return found


#: Functions of `math` that keep the expression.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ceil": math.ceil, "floor": math.floor, "trunc": math.trunc, "sqrt": _root, "prod": _product,
    "log": _logarithm("log"), "log2": _logarithm("log2"),
    "gcd": lambda *values: number(math.gcd(*map(plain, values)), sympy.Function("gcd")(*map(expression, values))),
    "isqrt": lambda value: number(math.isqrt(plain(value)), sympy.floor(sympy.sqrt(value.expr))),
    "pow": lambda base, exponent: _as_float(base) ** exponent,
}  # fmt: skip

_ARRAYS: dict[str, Callable[..., Any]] = {
    "prod": _product, "ceil": lambda value: _as_float(math.ceil(value)), "sqrt": _root, "log2": _logarithm("log2"),
    "floor": lambda value: _as_float(math.floor(value)),
}  # fmt: skip


class _Module:
    """A module whose functions keep expressions, or say that they do not."""

    def __init__(self, module: Any, kept: dict[str, Callable[..., Any]]) -> None:
        self._module = module
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, type) or not callable(found):
            return found
        kept = self._kept.get(name)

        def function(*args: Any, **kwargs: Any) -> Any:
            if not _any_symbolic(args) and not _any_symbolic(tuple(kwargs.values())):
                return found(*args, **kwargs)
            if kept is not None:
                return kept(*args, **kwargs)
            if name.startswith("is"):
                return found(*plain(args), **plain(kwargs))
            if Recorder.current:
                Recorder.current.concretise(f"{self._module.__name__}.{name}()", _first(args))
            return found(*plain(args), **plain(kwargs))

        return function


def _any_symbolic(values: Any) -> bool:
    return any(is_symbolic(value) or (isinstance(value, (list, tuple)) and _any_symbolic(value)) for value in values)


def _first(values: Any) -> Any:
    return next((value.expr for value in values if is_symbolic(value)), "a list")


class _TensorType(_Standin):
    """Stands for a class of tensors, whose constructor takes sizes past every hook of torch."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return torch.empty(*args) if any(map(is_symbolic, args)) and not kwargs else cls.kind(*args, **kwargs)


class _Torch:
    """The module `torch`, with constructors of tensors that take symbolic sizes."""

    Tensor = _TensorType("Tensor", (), {"kind": torch.Tensor})
    FloatTensor = _TensorType("FloatTensor", (), {"kind": torch.FloatTensor})

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class _Itertools:
    """The module `itertools`, with products of symbolic ranges."""

    product = staticmethod(product)

    def __getattr__(self, name: str) -> Any:
        return getattr(itertools, name)


_MODULES: dict[Any, Any] = {
    math: _Module(math, _FUNCTIONS), np: _Module(np, _ARRAYS), torch: _Torch(), itertools: _Itertools(),
}  # fmt: skip


class _Symbolic(TorchFunctionMode):
    """Hands torch a `SymInt` for each symbolic integer, and gives the caller symbolic integers back."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._shapes = private.Shapes()

    def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if str(kwargs.get("device") or "").startswith("cpu"):
            return function(*self._lost(function, args), **plain(kwargs))
        if function is torch.norm_except_dim:
            return self._norm(*args)
        if function is torch.arange and _any_symbolic((*args, *kwargs.values())):
            return self._arange(*args, **kwargs)
        if function is torch.normal and _any_symbolic((kwargs.get("size"),)):  # it has no symbolic path
            return self._from(torch.empty(self._to(kwargs["size"]), dtype=kwargs.get("dtype"), device="meta"))
        symbolic_args, symbolic_kwargs = self._to(args), self._to(kwargs)
        try:
            return self._from(function(*symbolic_args, **symbolic_kwargs))
        except Exception:  # noqa: BLE001 - no symbolic path: each operator raises what it likes
            return self._from(function(*self._lost(function, args), **plain(kwargs)))

    def _lost(self, function: Any, args: Any) -> Any:
        if _any_symbolic(args):
            self._recorder.concretise(f"torch.{getattr(function, '__name__', function)}()", _first(args))
        return plain(args)

    def _arange(self, *bounds: Any, **kwargs: Any) -> Any:
        """`torch.arange`, whose length would otherwise be computed in floats."""
        start, end, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3] if bounds else (0, 0, 1)
        start, end, step = kwargs.get("start", start), kwargs.get("end", end), kwargs.get("step", step)
        whole = all(isinstance(bound, int) for bound in (start, end, step))
        length = end - start if step == 1 else (end - start + step - 1) // step
        dtype = kwargs.get("dtype") or (torch.int64 if whole else torch.float32)
        return self._from(torch.empty(self._to([_Integer(length)]), dtype=dtype, device=kwargs.get("device") or "meta"))

    def _norm(self, tensor: Any, _power: int = 2, dim: int = 0) -> Any:
        """`torch.norm_except_dim` of weight normalisation, which cannot be dispatched with symbolic shapes."""
        sizes = [size if at == dim % tensor.dim() else 1 for at, size in enumerate(tensor.shape)]
        return torch.empty(self._to(sizes if dim >= 0 else []), device="meta")

    def _to(self, value: Any) -> Any:
        if isinstance(value, SymbolicInt):
            return self._shapes.size(value.expr, plain(value), self._recorder.values)
        if isinstance(value, list):
            return [self._to(item) for item in list.__iter__(value)]
        if type(value) in (tuple, torch.Size) or isinstance(value, SymbolicTuple):
            return tuple(self._to(item) for item in tuple.__iter__(value))
        if type(value) is dict:
            return {key: self._to(item) for key, item in value.items()}
        if type(value) is slice:
            return slice(self._to(value.start), self._to(value.stop), self._to(value.step))
        return plain(value) if isinstance(value, SymbolicFloat) else value

    def _from(self, value: Any) -> Any:
        if isinstance(value, torch.SymInt):
            return from_torch(value)
        if type(value) in (torch.Size, tuple) and any(isinstance(item, (torch.SymInt, tuple)) for item in value):
            return tuple(self._from(item) for item in value)
        return value
