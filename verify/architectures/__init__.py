"""Formulas: one file, one family, named as its `model_type`.

A family module has four names, and nothing has to be registered anywhere else:

* `SOURCE`: the paper and the modelling code that the formula was written from;
* `ALIASES`: other `model_type`s that have the same formula;
* `NAMES`: a `NameTable`, the slot of each stored tensor by its exact name;
* `formula(config)`: the `Formula` for one config.
"""

from importlib import import_module
from typing import Protocol, cast

from msgspec.structs import replace

from verify.architectures._quantization import KEY, quantisation_extras
from verify.config import Config
from verify.errors import UnknownArchitectureError
from verify.formula import Formula
from verify.names import NameTable
from verify.roles import Cause


class Family(Protocol):
    """What a family module offers."""

    __name__: str
    SOURCE: str
    ALIASES: tuple[str, ...]
    NAMES: NameTable

    def formula(self, config: Config) -> Formula:
        """The formula for one config."""


def predict(family: Family, config: Config) -> Formula:
    """The formula of a family for one config, with what a quantised checkpoint holds besides.

    A family whose layers are quantised in a way of its own reads `quantization_config` itself; all others get what
    is usual, once for the model and once for each layer that predicts further tokens.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    formula = family.formula(config)
    if config.was_read(KEY):
        return formula
    groups = (formula.terms, *(extra.terms for extra in formula.additions if extra.cause is Cause.MTP_LAYER))
    more = tuple(extra for group in groups for extra in quantisation_extras(config, group))
    return replace(formula, extras=(*formula.extras, *more))


def names() -> tuple[str, ...]:
    """The families there are, sorted."""
    from pkgutil import iter_modules

    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def known() -> tuple[str, ...]:
    """Every name that `find` takes: families and aliases, sorted."""
    return tuple(sorted({*names(), *(alias for name in names() for alias in load(name).ALIASES)}))


def load(name: str) -> Family:
    """The family module of that name."""
    return cast("Family", import_module(f"{__name__}.{name}"))


def _load(name: str) -> Family | None:
    """The family module of exactly that name; reading one file is faster than listing them all."""
    if not name.isidentifier() or name.startswith("_"):
        return None
    try:
        return load(name)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        return None


def find(model_type: str) -> Family:
    """The family of a `model_type`, by its own name or as an alias.

    Raises:
        UnknownArchitectureError: No family has it.
    """
    own = _load(model_type)
    if own:
        return own
    for name in names():
        if model_type in load(name).ALIASES:
            return load(name)
    raise UnknownArchitectureError(
        f"model_type {model_type!r} has no formula",
        expected="one of those that `verify families` lists",
        hint="give one with --formula, or add a file to verify/architectures",
    )
