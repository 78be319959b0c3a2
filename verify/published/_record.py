"""A published formula as data, and what any stated formula comes to for one config."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from verify.config import Config
from verify.formula import Formula
from verify.published._expression import evaluate as evaluate_expression
from verify.roles import Role, Slot
from verify.symbols import Size


@dataclass(frozen=True, slots=True)
class Source:
    """Where a formula was published.

    Attributes:
        title: Title of the text.
        author: Who wrote or hosts it.
        language: Its language.
    """

    title: str
    author: str
    language: str

    def __str__(self) -> str:
        return f'{self.author}, "{self.title}" ({self.language})'


@dataclass(frozen=True, slots=True)
class Published:
    """A formula from the literature, part by part.

    Attributes:
        name: The formula itself in our letters, such as `12Lh^2+Vh`.
        parts: An expression for each role that it counts, in `verify.symbols.LETTERS`; their sum is the formula.
        source: The text it was published in.
        section: The statement in that text.
        assumptions: One sentence: for which model it would be exact.
        aliases: Other ways to write it, such as the letters of the source.
    """

    name: str
    parts: Mapping[Role, str]
    source: Source
    section: str
    assumptions: str
    aliases: tuple[str, ...] = ()

    @property
    def citation(self) -> str:
        """Source and section on one line."""
        return f"{self.source}: {self.section}"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a stated formula comes to for one config.

    Attributes:
        name: The published name, the file or the expression.
        source: Where it comes from.
        total: Parameters of the whole model, at least 1.
        by_role: Parameters by role, summing to `total`; empty when only a total is stated.
        by_slot: Parameters by slot, as `mlp.gate`; empty unless a file states slots. The slots of a role sum to
            what `by_role` has for it.
        text: The formula in Python syntax over config names.
        latex: The formula as LaTeX.
        formula: The named-axis terms, where a file gives them.
    """

    name: str
    source: str
    total: int
    by_role: dict[Role, int] = field(default_factory=dict)
    by_slot: dict[str, int] = field(default_factory=dict)
    text: str = ""
    latex: str = ""
    formula: Formula | None = None


def read_slot(text: str) -> Slot:
    """A role or slot by its text: `attention`, `mlp.gate`, `encoder.attention.q`; a role has the part "".

    Raises:
        ValueError: No role stands where one should, or a part is empty.
    """
    first, *rest = text.split(".")
    stack, role, parts = ("", first, rest) if first in set(Role) or not rest else (first, rest[0], rest[1:])
    if "" in text.split(".") or (stack and not parts):
        raise ValueError(text)
    return Slot(Role(role), ".".join(parts), stack=stack)


def evaluate(published: Published, config: Config) -> dict[Role, Size]:
    """The parts of a published formula for one config, in elements, in the order of `Role`.

    Raises:
        ExpressionError: config.json lacks a hyper-parameter that it names.
        ConfigError: config.json states one as something impossible.
    """
    return {role: evaluate_expression(published.parts[role], config) for role in Role if role in published.parts}
