"""Lists and tuples of a configuration whose entries remember their place: `depths[i]`, `layer_types[3]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy

from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.symbols import SymbolicFloat, SymbolicInt, SymbolicStr, expression, plain, symbol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class _Entries:
    """What a list and a tuple of a configuration share: a symbolic index gives a symbolic entry."""

    path: str

    def entry(self, at: Any, item: Any) -> Any:
        """The item at an index as `path[i]` or `path[-1]`, when it is still the one that the configuration had."""
        recorder = Recorder.current
        from_end = not isinstance(at, SymbolicInt) and at < 0 and recorder is not None and recorder.in_model()
        if not (isinstance(at, SymbolicInt) or from_end):
            return item
        if recorder is not None and isinstance(item, bool):
            return self._switch(at, item, recorder)
        if recorder is None or not isinstance(item, (SymbolicInt, SymbolicFloat, SymbolicStr)):
            return item
        where = f"{self.path}[{plain(at) % len(self)}]"  # type: ignore[arg-type]
        if str(item.expr) != where:
            return item
        return type(item)(plain(item), recorder.entry(self.path, expression(at), item.expr))

    def _switch(self, at: Any, item: bool, recorder: Recorder) -> bool:  # noqa: FBT001
        """A switch of a list cannot carry an expression, so reading it at an index is a comparison of its own."""
        here = sympy.Symbol(f"{self.path}[{plain(at) % len(self)}]")  # type: ignore[arg-type]
        name = recorder.entry(self.path, expression(at), here)
        recorder.compared("==", name, sympy.Symbol("True"), outcome=item)
        return item

    def walk(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items in order, each with the index of a loop of its own."""
        recorder = Recorder.current
        if recorder is None or not recorder.in_loop():
            return items
        return self._passes(list(items), recorder)

    def _passes(self, found: list[Any], recorder: Recorder) -> Iterator[Any]:
        stop = symbol(f"len({self.path})", len(found))
        for at in recorder.loop(sympy.Integer(0), stop, sympy.Integer(1), range(len(found))):
            yield self.entry(at, found[at])


class SymbolicList(list, _Entries):  # type: ignore[type-arg]
    """A list of a configuration, with symbolic entries; each path has a subclass, so that a copy keeps it."""

    @classmethod
    def of(cls, path: str) -> type[SymbolicList]:
        """The class of the list at a path."""
        return type(cls.__name__, (cls,), {"path": path})

    def __getitem__(self, at: Any) -> Any:
        item = list.__getitem__(self, at)
        return self.entry(at, item) if type(at) is not slice else _sliced(self, at, item)

    def __iter__(self) -> Iterator[Any]:
        return self.walk(list.__iter__(self))

    def __contains__(self, item: Any) -> bool:
        return _contains(self, item, list.__contains__(plain(self), plain(item)))

    def __deepcopy__(self, _memo: Any) -> SymbolicList:
        return type(self)(list.__iter__(self))

    def __copy__(self) -> SymbolicList:
        return type(self)(list.__iter__(self))

    def copy(self) -> SymbolicList:
        """A copy that knows its path."""
        return type(self)(list.__iter__(self))

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return list, (plain(self),)


class SymbolicTuple(tuple, _Entries):  # type: ignore[type-arg] # noqa: SLOT001 - a path for each subclass
    """A tuple of a configuration, with symbolic entries; each path has a subclass, so that a copy keeps it."""

    @classmethod
    def of(cls, path: str) -> type[SymbolicTuple]:
        """The class of the tuple at a path."""
        return type(cls.__name__, (cls,), {"path": path})

    def __getitem__(self, at: Any) -> Any:
        item = tuple.__getitem__(self, at)
        return self.entry(at, item) if type(at) is not slice else _sliced(self, at, item)

    def __iter__(self) -> Iterator[Any]:
        return self.walk(tuple.__iter__(self))

    def __contains__(self, item: Any) -> bool:
        return _contains(self, item, tuple.__contains__(plain(self), plain(item)))

    def __deepcopy__(self, _memo: Any) -> SymbolicTuple:
        return self

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return tuple, (plain(self),)


def whole(items: list[Any], values: Mapping[str, Any]) -> SymbolicList | None:
    """A plain list that has every entry of a list of the configuration in its place, as that list.

    Args:
        items: The plain list, such as one that a configuration class has copied entry by entry.
        values: The flat values of the configuration.

    Returns:
        The list; None where the entries are others.
    """
    if not items or not isinstance(items[0], (SymbolicInt, SymbolicFloat, SymbolicStr)):
        return None
    path = str(items[0].expr).removesuffix("[0]")
    known = values.get(path)
    if not isinstance(known, tuple) or len(known) != len(items):
        return None
    copied = all(str(getattr(item, "expr", "")) == f"{path}[{at}]" for at, item in enumerate(items))
    return SymbolicList.of(path)(items) if copied else None


def _contains(entries: Any, item: Any, outcome: bool) -> bool:  # noqa: FBT001
    if Recorder.current and isinstance(item, (SymbolicInt, SymbolicStr)):
        Recorder.current.compared("in", item.expr, sympy.Symbol(entries.path), outcome=outcome)
    return outcome


class _Part(list):  # type: ignore[type-arg]
    """The numbers of a slice with a symbolic end: what is asked of it is asked of `kv_source_layers[i + 1:]`."""

    def __init__(self, items: Any, expr: sympy.Expr) -> None:
        super().__init__(items)
        self.expr = expr

    def __contains__(self, item: Any) -> bool:
        outcome = plain(item) in plain(self)
        if Recorder.current and isinstance(item, SymbolicInt):
            Recorder.current.compared("in", item.expr, self.expr, outcome=outcome)
        return outcome


def _sliced(entries: Any, at: slice, items: Any) -> Any:
    """The items of a slice; one that begins or ends at `n - k` is another when that is negative, which is noted."""
    bounds = [bound for bound in (at.start, at.stop) if isinstance(bound, SymbolicInt)]
    for bound in bounds:
        if Recorder.current and not bound.expr.is_nonnegative:
            Recorder.current.compared(">=", bound.expr, sympy.Integer(0), outcome=plain(bound) >= 0)
    if not bounds or at.step or not all(isinstance(item, int) for item in plain(entries)):
        return items
    ends = (sympy.Symbol("None") if bound is None else expression(bound) for bound in (at.start, at.stop))
    return _Part(items, sympy.Function("Slice")(sympy.Symbol(entries.path), *ends))
