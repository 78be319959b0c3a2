"""From what a user writes after `--formula` to what it states."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import verify.published
from verify.config import Config
from verify.errors import ExpressionError
from verify.published._expression import evaluate as evaluate_expression
from verify.published._record import Published, Stated, evaluate
from verify.published._user_file import load
from verify.symbols import Size

_SUPERSCRIPTS = str.maketrans({"²": "^2", "³": "^3", "·": "*", "\u00d7": "*"})
#: A sign of multiplication or a space, except between two digits, which would run together.
_BETWEEN_FACTORS = re.compile(r"(?<![0-9])[* ]+|[* ]+(?![0-9])")


def find(name: str) -> Published | None:
    """The published formula of that name.

    Powers may be written `²`, `^2` or `**2`, products with or without `*`; spaces do not count.
    """
    return _by_spelling().get(_spelling(name))


def names() -> tuple[str, ...]:
    """The names of all published formulas, sorted."""
    return tuple(sorted(published.name for published in _all()))


def resolve(text: str, config: Config, *, others: Iterable[str] = ()) -> Stated:
    """What a formula given by the user states for one config.

    Args:
        text: A published name, else a path that ends in `.py`, else an expression.
        config: Where hyper-parameters are read.
        others: Other names that the caller accepts, to suggest when `text` is a typo of one.

    Raises:
        ExpressionError: It is none of them, or cannot be evaluated.
        ConfigError: config.json states a named hyper-parameter as something impossible.
    """
    published = find(text)
    if published:
        return _published(published, config)
    if text.strip().endswith(".py"):
        return load(Path(text.strip()), config)
    try:
        size = evaluate_expression(text, config)
    except ExpressionError as error:
        close = get_close_matches(text, (*others, *names()), n=3, cutoff=0.6)
        if not close:
            raise
        raise ExpressionError(str(error), hint=f"known formulas: {', '.join(close)}") from None
    return _stated(size, " ".join(text.split()), "an expression given by the user")


def _published(published: Published, config: Config) -> Stated:
    parts = evaluate(published, config)
    total = sum(parts.values(), Size.of(0))
    by_role = {role: size.value for role, size in parts.items()}
    return Stated(published.name, published.citation, total.value, by_role, text=total.text(), latex=total.latex())


def _stated(size: Size, name: str, source: str) -> Stated:
    return Stated(name, source, size.value, text=size.text(), latex=size.latex())


def _all() -> Iterator[Published]:
    """The formulas of every source: the modules of this package that are no machinery."""
    for module in iter_modules(verify.published.__path__):
        if not module.name.startswith("_"):
            yield from import_module(f"verify.published.{module.name}").FORMULAS


@cache
def _by_spelling() -> dict[str, Published]:
    return {_spelling(name): published for published in _all() for name in (published.name, *published.aliases)}


def _spelling(text: str) -> str:
    """A name without the freedoms that writers take."""
    powers = text.translate(_SUPERSCRIPTS).replace("**", "^")
    return _BETWEEN_FACTORS.sub("", " ".join(powers.split()))
