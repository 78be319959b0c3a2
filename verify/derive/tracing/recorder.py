"""What happens while a model is traced: comparisons, loops, values that lose their expression."""

from __future__ import annotations

import dis
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

import sympy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

_HERE = str(PurePath(__file__).parent)
_MODELS = f"{PurePath('transformers', 'models')}"
_LAYERS = f"{PurePath('torch', 'nn')}"
#: What else of transformers and torch computes or decides what a model is made of. The layers of torch compare their
#: sizes beside that to reject them, or to choose the range of random weights.
_DECIDING = (
    "modeling_rope_utils.py", "modeling_layers.py", "activations.py", "backbone_utils.py", "pytorch_utils.py",
    f"{PurePath('modules', 'activation.py')}", f"{PurePath('modules', 'rnn.py')}",
    f"{PurePath('modules', 'transformer.py')}", f"{PurePath('modules', 'container.py')}",
)  # fmt: skip

#: Where weights are tied.
_TYING = f"{PurePath('transformers', 'modeling_utils.py')}"

#: A loop with more passes is no loop over layers.
_MOST_PASSES = 4_000


@dataclass(frozen=True, slots=True)
class Loop:
    """One run of a loop over a symbolic range, or over a list of the configuration.

    Attributes:
        site: Where it stands: file, line, and place in the line.
        start: Its first index.
        stop: The index after its last.
        step: Its step.
    """

    site: str
    start: sympy.Expr
    stop: sympy.Expr
    step: sympy.Expr


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a loop.

    Attributes:
        loop: The loop.
        value: The index.
        symbol: The symbol of the index.
    """

    loop: Loop
    value: int
    symbol: sympy.Symbol


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list at a symbolic index: `layer_types[i]`.

    Attributes:
        path: The list.
        index: The index.
        plain: The symbol of the entry at the traced index: `layer_types[3]`.
    """

    path: str
    index: sympy.Expr
    plain: sympy.Symbol


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison that was made.

    Attributes:
        sign: Of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `is`.
        left: The left side.
        right: The right side.
        outcome: What it was.
        where: The line of the source.
    """

    sign: str
    left: sympy.Expr
    right: sympy.Expr
    outcome: bool
    where: str


class Recorder:
    """The record of one trace.

    Attributes:
        comparisons: Each comparison once, in the order of the first time.
        passes: The pass of each loop symbol.
        entries: What each symbol of an entry at a symbolic index stands for.
        concretised: What lost its expression, by where.
        values: The traced value of each symbol.
        switches: The first line that read each switch: a field that is no number.
        typed: What the model asked the type of.
    """

    #: The one that is being written; None outside a trace.
    current: ClassVar[Recorder | None] = None

    def __init__(self) -> None:
        self.comparisons: dict[tuple[str, Any, Any], Comparison] = {}
        self.passes: dict[sympy.Symbol, Pass] = {}
        self.entries: dict[sympy.Symbol, Entry] = {}
        self.concretised: dict[tuple[str, str], None] = {}
        self.values: dict[sympy.Symbol, int] = {}
        self.switches: dict[str, tuple[Any, str]] = {}
        self.typed: dict[str, None] = {}
        self._active: list[Pass] = []
        self._runs: dict[Loop, tuple[Pass, ...]] = {}

    @property
    def active(self) -> tuple[Pass, ...]:
        """The passes of loops that are being run, the outermost first."""
        return tuple(self._active)

    def compared(self, sign: str, left: Any, right: Any, *, outcome: bool) -> None:
        """Note a comparison in a model or configuration, unless it only checks a type or a range."""
        key = (sign, left, right)
        if key in self.comparisons or (left == right and sign != "in"):
            return
        where, deciding = _place()
        if where and deciding:
            self.comparisons[key] = Comparison(sign, left, right, outcome, where)

    def concretise(self, what: str, expr: Any) -> None:
        """Note that a value lost its expression, unless that happened where weights are initialised."""
        where, deciding = _place()
        if where and deciding:
            self.concretised[f"{what} of {expr}", where] = None

    @staticmethod
    def reads(name: str) -> bool:
        """Whether it is the model or its configuration that reads a field now, or its base class whether to tie."""
        frame = _caller()
        reader = frame.f_code.co_filename if frame else ""
        return _MODELS in reader or (reader.endswith(_TYING) and name == "tie_word_embeddings")

    def loop(self, start: sympy.Expr, stop: sympy.Expr, step: sympy.Expr, values: Sequence[int]) -> Iterator[Any]:
        """The indices of a loop, each a symbol of its own; the pass is active until the next is asked for."""
        from verify.derive.tracing.symbols import SymbolicInt

        if len(values) > _MOST_PASSES:
            yield from values
            return
        frame = _caller()
        loop = Loop(f"{_line(frame)}:{frame.f_lasti}" if frame else "", start, stop, step)
        # A loop that runs again as before makes no new symbols: Jamba lists the kinds of all layers for each layer.
        if loop not in self._runs:
            self._runs[loop] = tuple(self._pass(loop, value) for value in values)
        for at in self._runs[loop]:
            self._active.append(at)
            try:
                yield SymbolicInt(at.value, at.symbol)
            finally:
                self._active.remove(at)

    def _pass(self, loop: Loop, value: int) -> Pass:
        name = sympy.Symbol(f"pass{len(self.passes)}", integer=True, nonnegative=True)
        self.passes[name] = Pass(loop, value, name)
        self.values[name] = value
        return self.passes[name]

    def entry(self, path: str, index: sympy.Expr, plain: sympy.Symbol) -> sympy.Symbol:
        """The symbol of an entry at a symbolic index."""
        name = sympy.Symbol(f"{path}[{index}]", **plain.assumptions0)
        self.entries[name] = Entry(path, index, plain)
        if plain in self.values:
            self.values[name] = self.values[plain]
        return name

    @staticmethod
    def in_model() -> bool:
        """Whether the code that runs is that of a model, and not of a validator or of Python itself."""
        frame = _caller()
        return frame is not None and _MODELS in frame.f_code.co_filename

    @staticmethod
    def in_loop() -> bool:
        """Whether a `for` of a model asks for an iterator, and not `sum` or `list`."""
        frame = _caller()
        if frame is None or _MODELS not in frame.f_code.co_filename:
            return False
        return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "GET_ITER"


def _caller() -> FrameType | None:
    """The frame that called into this folder."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to a caller
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame


def _ties() -> bool:
    """Whether transformers asks if a model that has weights to tie shall tie them.

    Source: `PreTrainedModel.get_expanded_tied_weights_keys` (`transformers/modeling_utils.py`, 5.23).
    """
    frame = _caller()
    return bool(
        frame and frame.f_code.co_name == "get_expanded_tied_weights_keys" and frame.f_locals.get("tied_mapping")
    )


def place() -> str:
    """The line of the model or layer that is running: `modeling_jamba.py:612`; "" outside of any."""
    return _place()[0]


def _place() -> tuple[str, bool]:
    """The line of the model or layer that is running, and whether what runs decides what the model is made of."""
    frame = _caller()
    path = frame.f_code.co_filename if frame else ""
    while frame is not None:
        if _is_model(frame.f_code.co_filename):
            return _line(frame), _MODELS in path or path.endswith(_DECIDING)
        frame = frame.f_back
    return "", False


def _is_model(path: str) -> bool:
    return _MODELS in path or _LAYERS in path


def _line(frame: FrameType) -> str:
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}"


def source_line(frames: Iterable[Any]) -> str:
    """The innermost line of a model among the frames of a traceback, else of a layer of torch."""
    found = [frame for frame in frames if _is_model(frame.filename)]
    models = [frame for frame in found if _MODELS in frame.filename] or found
    return f"{PurePath(models[-1].filename).name}:{models[-1].lineno}" if models else ""
