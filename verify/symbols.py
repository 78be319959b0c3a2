"""Whole numbers that know their symbolic form.

A `Size` is an `int` value together with the polynomial over config names that it was computed from.
Both are built by the same operators, so the count of a formula, its text and its LaTeX come from one
record and cannot drift apart.
"""

from collections.abc import Iterable, Mapping
from functools import total_ordering
from typing import TypeAlias

import msgspec

#: The usual letters of the literature for the canonical config names.
LETTERS = {
    "hidden_size": "h",
    "num_hidden_layers": "L",
    "vocab_size": "V",
    "intermediate_size": "f",
    "num_attention_heads": "a",
    "num_key_value_heads": "k",
    "head_dim": "d",
    "max_position_embeddings": "N",
    "num_experts": "E",
    "moe_intermediate_size": "m",
}


@total_ordering
class Symbol(msgspec.Struct, frozen=True):
    """A hyper-parameter inside a polynomial.

    Attributes:
        name: Its canonical config name.
        value: Its value in the config at hand.
        definition: How it follows from others when the config does not state it, or "".
    """

    name: str
    value: int
    definition: str = ""

    def __lt__(self, other: "Symbol") -> bool:
        return self.name < other.name

    @property
    def letter(self) -> str:
        """The letter the literature uses, or the name itself."""
        return LETTERS.get(self.name, self.name)

    @property
    def latex(self) -> str:
        """The symbol as LaTeX: a letter, or the name in upright type."""
        if self.name in LETTERS:
            return LETTERS[self.name]
        escaped = "".join(f"\\{each}" if each in "_#%&$" else each for each in self.name)
        return rf"\text{{{escaped}}}"


Monomial: TypeAlias = tuple[Symbol, ...]


class Size:
    """A whole number with the polynomial it was computed from; immutable."""

    __slots__ = ("polynomial", "value")

    def __init__(self, value: int, polynomial: Mapping[Monomial, int]) -> None:
        """Use `Size.of` and `Size.symbol` instead; this trusts its arguments."""
        self.value = value
        self.polynomial = polynomial

    @classmethod
    def of(cls, value: "Size | int") -> "Size":
        """A constant, or the size itself."""
        return value if isinstance(value, Size) else cls(value, {(): value} if value else {})

    @classmethod
    def symbol(cls, name: str, value: int, definition: str = "") -> "Size":
        """A hyper-parameter; `definition` says how it follows from others where it is derived."""
        return cls(value, {(Symbol(name, value, definition),): 1})

    def __add__(self, other: "Size | int") -> "Size":
        other = Size.of(other)
        total = dict(self.polynomial)
        for monomial, factor in other.polynomial.items():
            total[monomial] = total.get(monomial, 0) + factor
        return Size(self.value + other.value, {key: factor for key, factor in total.items() if factor})

    def __sub__(self, other: "Size | int") -> "Size":
        return self + Size.of(other) * -1

    def __mul__(self, other: "Size | int") -> "Size":
        other = Size.of(other)
        product: dict[Monomial, int] = {}
        for left, left_factor in self.polynomial.items():
            for right, right_factor in other.polynomial.items():
                key = tuple(sorted(left + right))
                product[key] = product.get(key, 0) + left_factor * right_factor
        return Size(self.value * other.value, {key: factor for key, factor in product.items() if factor})

    def __floordiv__(self, other: "Size | int") -> "Size":
        """Whole division; what does not cancel becomes a symbol of its own, named by its text."""
        other = Size.of(other)
        value = self.value // other.value
        factors = list(self.polynomial.values())
        if tuple(other.polynomial) == ((),) and all(factor % other.value == 0 for factor in factors):
            return Size(value, {key: factor // other.value for key, factor in self.polynomial.items()})
        return Size.symbol(f"({self.factor()} // {other.factor()})", value)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: int) -> "Size":
        return Size.of(other) - self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.value == other.value and self.polynomial == other.polynomial

    def __hash__(self) -> int:
        return hash((self.value, frozenset(self.polynomial.items())))

    def __repr__(self) -> str:
        return f"Size({self.value}, {self.text()!r})"

    def symbols(self) -> tuple[Symbol, ...]:
        """The hyper-parameters it depends on, sorted by name."""
        return tuple(sorted({symbol for monomial in self.polynomial for symbol in monomial}))

    def text(self, *, letters: bool = False) -> str:
        """The polynomial in Python syntax, over config names or over the usual letters."""
        return _sum(
            (factor, "*".join(_power(symbol.letter if letters else symbol.name, power) for symbol, power in powers))
            for powers, factor in self._ordered()
        )

    def latex(self) -> str:
        """The polynomial as LaTeX over the usual letters."""
        return _sum(
            (
                (factor, " ".join(symbol.latex + (f"^{{{power}}}" if power > 1 else "") for symbol, power in powers))
                for powers, factor in self._ordered()
            ),
            times=" ",
        )

    def factor(self, *, letters: bool = False) -> str:
        """Its text as a factor of a product: in brackets unless it is a single symbol or number."""
        text = self.text(letters=letters)
        return text if self._is_single() else f"({text})"

    def latex_factor(self) -> str:
        """Its LaTeX as a factor of a product."""
        return self.latex() if self._is_single() else rf"\left({self.latex()}\right)"

    def _is_single(self) -> bool:
        """Whether it is one symbol, or a number of at least 0."""
        match list(self.polynomial.items()):
            case [] | [((_,), 1)]:
                return True
            case [((), factor)]:
                return factor > 0
        return False

    def _ordered(self) -> list[tuple[list[tuple[Symbol, int]], int]]:
        """Monomials with counted powers, highest degree first, then by name."""
        keys = sorted(self.polynomial, key=lambda key: (-len(key), key))
        return [([(symbol, key.count(symbol)) for symbol in dict.fromkeys(key)], self.polynomial[key]) for key in keys]


def _power(name: str, power: int) -> str:
    return name if power == 1 else f"{name}**{power}"


def _sum(terms: Iterable[tuple[int, str]], times: str = "*") -> str:
    """Write `3*x - y + 2` from factors and products."""
    text = ""
    for factor, product in terms:
        size = str(abs(factor)) if not product else product if abs(factor) == 1 else f"{abs(factor)}{times}{product}"
        sign = "-" if factor < 0 else "+"
        text += f" {sign} {size}" if text else (f"-{size}" if factor < 0 else size)
    return text or "0"
