"""A family file as expressions over config paths: its own `formula` runs on the symbolic values of a configuration.

A `Size` is a polynomial over hyper-parameters by the names that the family gives them. Which path of the
configuration each of them was read from, or how it follows from others, is not looked up anywhere: the numbers that
the family reads carry their paths, and what it computes from them carries the expression.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy

from verify.config import Config
from verify.derive.building import configurations
from verify.derive.formulas.printing import text
from verify.derive.proof.algebra import is_number
from verify.derive.tracing.private import PythonMod
from verify.derive.tracing.recorder import Recorder
from verify.derive.tracing.shims import computes_sizes, names, recording
from verify.derive.tracing.symbols import SymbolicFloat, SymbolicInt
from verify.derive.tracing.trace import symbolic_keywords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from verify.architectures import Family
    from verify.derive.building.classes import Target
    from verify.derive.proof.algebra import Algebra
    from verify.formula import Formula, Term
    from verify.symbols import Size, Symbol

_FORMULAS = ("verify.architectures.", "verify.config")
#: How the count of layers is named where the family has no closed form for it (`Layers.some`).
_OPAQUE = "#["


@dataclass(frozen=True, slots=True)
class Expected:
    """A formula of a family with symbolic sizes.

    Attributes:
        formula: The formula; the value of each hyper-parameter in it knows its path or expression.
        facts: Pairs of expressions that were found equal, and without which the family may have another formula.
    """

    formula: Formula
    facts: tuple[tuple[str, str], ...]


def predicted(family: Family, target: Target, keywords: configurations.Keywords, config: Any) -> Formula:
    """The formula of a family at a configuration, in numbers.

    Args:
        family: The family.
        target: The class.
        keywords: The keywords of the configuration.
        config: The object that is built from them.

    Raises:
        ConfigError: The family refuses the configuration.
    """
    return family.formula(Config(_json(target, keywords, config)))


def expected(family: Family, target: Target, keywords: configurations.Keywords) -> Expected:
    """The formula of a family at a configuration, with symbolic sizes.

    Raises:
        ConfigError: The family refuses the configuration, or its class does.
    """
    recorder = _Equations()
    with recording(recorder), names(lambda name: computes_sizes(name) or name.startswith(_FORMULAS)):
        symbolic = symbolic_keywords(keywords, recorder)
        config = configurations.build(target.config_class, symbolic)
        formula = family.formula(Config(_json(target, symbolic, config)))
    return Expected(formula, tuple(recorder.equal))


class Sizes:
    """Turns sizes of a family into expressions over config paths."""

    def __init__(self, plain: Sequence[Formula], algebra: Algebra) -> None:
        """Say what is at hand.

        Args:
            plain: The same formula at each configuration, in numbers.
            algebra: What reads expressions.
        """
        self._algebra = algebra
        self._numbers: dict[str, list[int]] = {}
        for formula in plain:
            for symbol in formula.symbols:
                self._numbers.setdefault(symbol.name, []).append(symbol.value)

    def polynomial(self, size: Size) -> sympy.Expr:
        """The polynomial of a size.

        Raises:
            DeriveError: A hyper-parameter in it was computed in a way that cannot be followed.
        """
        total = sympy.Integer(0)
        for monomial, factor in size.polynomial.items():
            total += sympy.Mul(self._number(factor), *map(self._symbol, monomial))
        return sympy.expand(total)

    def _symbol(self, symbol: Symbol) -> sympy.Expr:
        value = symbol.value
        if isinstance(value, SymbolicInt | SymbolicFloat):
            return self._algebra.adopt(value.expr)
        return self._algebra.named(symbol.name, self._numbers[symbol.name])

    def _number(self, value: int) -> sympy.Expr:
        return self._algebra.adopt(value.expr) if isinstance(value, SymbolicInt) else sympy.Integer(value)


def closed(term: Term) -> bool:
    """Whether there is a closed form for the number of its layers."""
    return term.layers is None or not any(symbol.name.startswith(_OPAQUE) for symbol in term.layers.count.symbols())


def _json(target: Target, keywords: configurations.Keywords, config: Any) -> dict[str, Any]:
    """The config.json of some keywords, as the class completes it; values that are symbolic stay so."""
    completed = configurations.keywords(target.config_class, config)
    values = _section(keywords, completed, config)
    return {**values, "model_type": target.model_type, "architectures": [target.model_class.__name__]}


def _section(keywords: Mapping[str, Any], completed: Mapping[str, Any], config: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"model_type": config.model_type}
    for name, value in {**keywords, **completed}.items():
        if isinstance(value, dict) and configurations.CLASS in value:
            found[name] = _section(keywords.get(name) or {}, value, getattr(config, name))
        elif name != configurations.CLASS:
            found[name] = copy.copy(value) if isinstance(value, dict) else value
    return found


class _Equations(Recorder):
    """Notes which expressions a family, or the configuration class, finds equal."""

    def __init__(self) -> None:
        super().__init__()
        self.equal: dict[tuple[str, str], None] = {}

    def compared(self, sign: str, left: Any, right: Any, *, outcome: bool) -> None:
        """Note an equation between expressions, or between a value and a number."""
        if (sign, outcome) not in (("==", True), ("!=", False)) or left == right:
            return
        # A remainder of a number is about the index of a layer.
        if left.is_number or any(part.args[0].is_number for part in left.atoms(PythonMod)):
            return
        sides = text(left), text(right)
        if all(map(is_number, sides)):
            self.equal[sides] = None

    def concretise(self, what: str, expr: Any) -> None:
        """A number that lost its expression stays a constant, which the proof will not take for an expression."""

    def loop(self, _start: Any, _stop: Any, _step: Any, values: Any) -> Iterator[int]:
        """Layers are listed one by one."""
        return iter(values)

    @staticmethod
    def in_loop() -> bool:
        """Entries of lists are read one by one."""
        return False
