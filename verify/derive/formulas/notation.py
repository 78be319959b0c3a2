"""How a formula is written: in the syntax of expressions, or as LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from verify.derive.formulas.latex import factor, latex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verify.derive.formulas.formula import Predicate


class Notation(Protocol):
    """What two ways to write a formula differ in."""

    def atom(self, expression: str) -> str:
        """A config value, or what is no sum or product of some."""

    def power(self, base: str, exponent: int) -> str:
        """A power of an atom."""

    def product(self, factors: Sequence[str]) -> str:
        """Factors, multiplied."""

    def brackets(self, inner: str) -> str:
        """What is in brackets."""

    def number_of(self, index: str, modules: Predicate) -> str:
        """How many modules a set has."""

    def sum_over(self, sets: Sequence[tuple[str, Predicate]]) -> str:
        """What stands before brackets to sum them over all modules of some sets."""


class Plain:
    """The syntax of expressions."""

    def atom(self, expression: str) -> str:
        """As it is."""
        return expression

    def power(self, base: str, exponent: int) -> str:
        """`base**2`."""
        return f"{base}**{exponent}"

    def product(self, factors: Sequence[str]) -> str:
        """`a*b`."""
        return "*".join(factors)

    def brackets(self, inner: str) -> str:
        """`(a + b)`."""
        return f"({inner})"

    def number_of(self, index: str, modules: Predicate) -> str:
        """`#[i < num_hidden_layers: condition]`."""
        return f"#[{set_text(index, modules)}]"

    def sum_over(self, sets: Sequence[tuple[str, Predicate]]) -> str:
        """`sum[i < len(depths)]`."""
        return f"sum[{', '.join(set_text(index, modules) for index, modules in sets)}]"


class Latex:
    """LaTeX, with the usual letters of the literature for the usual names."""

    def atom(self, expression: str) -> str:
        """A letter, a name in upright type, or an expression of them."""
        return factor(expression)

    def power(self, base: str, exponent: int) -> str:
        """`h^{2}`."""
        return f"{{{base}}}^{{{exponent}}}" if len(base) > 1 else f"{base}^{{{exponent}}}"

    def product(self, factors: Sequence[str]) -> str:
        r"""`a b`; words are kept apart by a space."""
        return (r" \, " if any(one.startswith(r"\text") for one in factors) else " ").join(factors)

    def brackets(self, inner: str) -> str:
        r"""`\left(a + b\right)`."""
        return rf"\left({inner}\right)"

    def number_of(self, index: str, modules: Predicate) -> str:
        r"""`\#\{i < L : \ldots\}`."""
        return rf"\#\{{{_set(index, modules)}\}}"

    def sum_over(self, sets: Sequence[tuple[str, Predicate]]) -> str:
        r"""`\sum_{i < L}`."""
        return "".join(rf"\sum_{{{_set(index, modules)}}}" for index, modules in sets)


PLAIN, LATEX = Plain(), Latex()


def set_text(index: str, modules: Predicate) -> str:
    """A set of modules as it is printed: `i < num_hidden_layers: i % 2 == 1`."""
    return f"{index} < {modules.stop}" + (f": {modules.where}" if modules.where else "")


def _set(index: str, modules: Predicate) -> str:
    where = f" : {latex(modules.where.text)}" if modules.where else ""
    return f"{latex(index)} < {latex(modules.stop.text)}{where}"
