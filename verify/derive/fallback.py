"""A model that no family file is for: its formula is derived from the code, for the names that files have.

What such a check compares a file with is what the code says, and no independent formula; the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from verify import architectures
from verify.derive import library
from verify.derive.errors import DeriveError
from verify.derive.formulas import terms
from verify.errors import UnavailableError, UnknownArchitectureError, VerifyError
from verify.evidence.base import Strength
from verify.evidence.meta import silence
from verify.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.architectures import Family
    from verify.config import Config
    from verify.derive.building.classes import Target
    from verify.derive.formulas.formula import Derived
    from verify.derive.stored import Stored
    from verify.evidence.base import Evidence
    from verify.evidence.select import Gathered
    from verify.formula import Formula
    from verify.names import NameTable

_FORMULA = "give one with --formula, or add a file to verify/architectures"


@dataclass(frozen=True, slots=True)
class Code:
    """A derived formula for one config: to a check, the same as a family.

    Attributes:
        SOURCE: Where the formula comes from.
        NAMES: The names of the tensors in a file.
        whole: The formula.
        gathered: The evidence; what transformers builds stands in it as it would be stored.
        ALIASES: None.
    """

    SOURCE: str
    NAMES: NameTable
    whole: Formula
    gathered: Gathered
    ALIASES: tuple[str, ...] = ()

    @property
    def __name__(self) -> str:
        return self.whole.name

    def formula(self, config: Config) -> Formula:  # noqa: ARG002 - it was made for one config
        """What the file holds."""
        return self.whole


def derived(gathered: Gathered, config: Config) -> tuple[Code, Formula]:
    """The formula of the class that a config names, for a check, and with what a quantised file holds besides.

    Args:
        gathered: The evidence.
        config: Its config; what the class reads of it is marked as read.

    Raises:
        UnknownArchitectureError: transformers is not installed, or does not know the type.
        DeriveError: No formula that is confirmed could be derived.
        VerifyError: The class rejects the config, or how it is stored is not known.
    """
    values = gathered.file.config
    _require_type(config)
    with silence():
        target, module = _built(gathered, values)
        found, pieces = _found(target, values, module)
    config.set_aside(*(key for key in values if _knows(module.config, key)))
    source = library.source(found)
    whole, names = terms.formula(
        pieces.pieces, name=f"derived:{found.model_type}", source=source, prefix=pieces.prefix, extras=pieces.extras
    )
    note = f"no family file for model_type {found.model_type}: {source}"
    made = Code(source, names, whole, _as_stored(gathered, module, pieces, note))
    return made, architectures.predict(cast("Family", made), config)


def _require_type(config: Config) -> None:
    from verify.derive.building import classes

    name = config.text("model_type")
    try:
        known = classes.types("")
    except UnavailableError as error:
        raise UnknownArchitectureError(
            f"model_type {name!r} has no formula",
            expected="one of those that `verify families` lists",
            hint=f"pip install 'verify-params[meta]' to derive one from the code, or {_FORMULA}",
        ) from error
    if name not in known:
        architectures.find(name)  # says what there are formulas for


def _built(gathered: Gathered, values: Mapping[str, Any]) -> tuple[Target, Any]:
    """The class, and a module of it: the one that was compared with the file, where there is one."""
    from verify.derive.building import classes, configurations, instances

    target = classes.find_for(values)
    module = gathered.module
    if module is None:
        return target, instances.module(target, configurations.build(target.config_class, _keywords(target, values)))
    if type(module) is not target.model_class:
        target = classes.Target(target.model_type, type(module.config), type(module), target.kind)
    return target, module


def _knows(config: Any, key: str) -> bool:
    """Whether a key means anything to a configuration class, which keeps what it does not know all the same."""
    from verify.derive.building import configurations

    known = type(config)
    if hasattr(known, key) or key in known.attribute_map:
        return True
    try:
        return key in vars(configurations.build(known, {}))
    except VerifyError:  # it has no defaults to look at
        return True


def _keywords(target: Target, values: Mapping[str, Any]) -> dict[str, Any]:
    from verify.derive.building import classes, configurations

    return configurations.keywords(target.config_class, dict(classes.part(target, values)))


def _found(target: Target, values: Mapping[str, Any], module: Any) -> tuple[Derived, Stored]:
    """A confirmed formula that gives what the module has: one of the library, else one that is derived here."""
    from verify.derive.building import configurations
    from verify.derive.confirming import confirm
    from verify.derive.stored import stored

    keywords = configurations.resolved(module.config, _keywords(target, values))
    flat = configurations.flatten(keywords)
    known = library.covering(target.model_type, target.model_class.__name__, flat)
    if known:
        try:
            return known, stored(module, terms.pieces(known.region(flat), flat))
        except DeriveError:  # the code has moved since: what it says now is derived
            pass
    found = confirm.derive(target, keywords)
    if not found.confirmation.confirmed:
        why = found.confirmation.failure or f"{found.confirmation.configurations} random configurations predicted"
        where = f" ({found.confirmation.where})" if found.confirmation.where else ""
        raise DeriveError(
            f"no family file for model_type {target.model_type}, and the formula derived from "
            f"{target.model_class.__name__} is not confirmed: {why}{where}",
            hint=_FORMULA,
        )
    return found, stored(module, terms.pieces(found.region(flat), flat))


def _as_stored(gathered: Gathered, module: Any, pieces: Stored, note: str) -> Gathered:
    """The evidence, with what transformers builds under the names that it would store it by."""
    if gathered.file.strength is Strength.META:
        return replace(gathered, file=_tensors(gathered.file, pieces), notes=(*gathered.notes, note), module=module)
    code = gathered.implementation and _tensors(gathered.implementation, pieces)
    return replace(gathered, implementation=code, notes=(*gathered.notes, note))


def _tensors(evidence: Evidence, pieces: Stored) -> Evidence:
    built = {tensor.name: tensor for tensor in evidence.tensors}
    usual = evidence.tensors[0]
    found = (
        Tensor(piece.name, built.get(pieces.sources[piece.name], usual).dtype, piece.shape) for piece in pieces.pieces
    )
    return replace(evidence, tensors=tuple(found))
