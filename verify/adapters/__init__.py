"""Adapters of PEFT: what adapter_config.json says that a file holds, on the shapes of the base model.

An adapter is checked as any model is: `adapt` gives a formula of terms such as `attention.q.lora_A : r x hidden_size`
and the table of its names. The shapes come from the formula of the base model's family; no tensor is read, and
nothing that adapter_config.json names is imported.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from verify import architectures
from verify.adapters import expected, naming
from verify.adapters.base import config as base_config
from verify.adapters.base import has_output_layer
from verify.adapters.base import reference as base_reference
from verify.adapters.kinds import COMMON, KINDS
from verify.adapters.targets import DEFAULTS, Targets
from verify.config import Config
from verify.errors import ConfigError, UnknownArchitectureError
from verify.formula import ONE, Formula
from verify.names import NameTable
from verify.roles import Cause
from verify.symbols import Size

__all__ = ["Adapter", "adapt", "base_reference", "is_adapter"]

_TYPE = "peft_type"


class Adapter(msgspec.Struct, frozen=True):
    """An adapter on a base model: to a check, the same as a family.

    Attributes:
        SOURCE: The paper and the code that the formula was written from.
        NAMES: The names of the tensors in a file.
        ranks: The ranks, as a text; "" where there are none.
        whole: What the file holds.
        base: The formula of the base model.
        unread: Keys of the base model's config.json that nobody read.
        ALIASES: None.
    """

    SOURCE: str
    NAMES: NameTable
    ranks: str
    whole: Formula
    base: Formula
    unread: tuple[str, ...] = ()
    ALIASES: tuple[str, ...] = ()

    @property
    def __name__(self) -> str:
        return self.whole.name

    def formula(self, config: Config) -> Formula:  # noqa: ARG002 - it was made for one config
        """What the file holds."""
        return self.whole

    def note(self, base: str) -> str:
        """What a reader wants to know first: the base model, and how much is trained.

        Args:
            base: What the base model is called.
        """
        trained, whole = self.whole.count(), self.base.count()
        rank = f" of rank {self.ranks}" if self.ranks else ""
        share = f"{100 * trained / whole:.4g} % of" if whole else "beside"
        return f"{self.whole.name}{rank}: {trained:,} parameters, {share} the {whole:,} of its base model {base}"


def is_adapter(values: Mapping[str, object]) -> bool:
    """Whether a config is an adapter_config.json."""
    return _TYPE in values


def adapt(config: Config, values: Mapping[str, object], base: Mapping[str, object], *, family: str = "") -> Adapter:
    """What an adapter adds to a base model.

    Args:
        config: The adapter_config.json.
        values: The same, parsed.
        base: The config.json of the base model.
        family: The family of the base model, instead of the one that its `model_type` names.

    Raises:
        ConfigError: A key of either is missing or impossible, or the adapter has what no formula describes.
        UnknownArchitectureError: No formula is known for the kind of adapter, or for the base model.
    """
    name = config.text(_TYPE)
    kind = KINDS.get(name)
    if kind is None:
        raise UnknownArchitectureError(f"peft_type {name!r} has no formula", expected=f"one of {', '.join(KINDS)}")
    config.set_aside(*COMMON, *kind.unread, *kind.refused)
    refused = next((key for key in kind.refused if values.get(key)), "")
    if refused:
        raise ConfigError(f"adapter_config.json: {refused} has no formula", expected=f"a plain {kind.name}")
    if is_adapter(base):
        raise ConfigError("the base model is an adapter itself", expected="a model", hint="give it with --base")
    model = base_config(base, values)
    found = architectures.find(family or model.text("model_type"))
    whole = architectures.predict(found, model)
    if not has_output_layer(model):
        whole = replace(whole, extras=tuple(each for each in whole.extras if each.cause is not Cause.TIED_HEAD_STORED))
    targets = Targets(config, values, DEFAULTS.get(model.text("model_type"), ()) if kind.ranked else ())
    rank = Size.symbol("r", config.integer("r")) if kind.ranked else ONE
    made, nested = expected.formula(expected.Wanted(kind, config, values, targets, whole, found.NAMES, rank))
    ranks = sorted({rank.value, *targets.ranks.values()}) if kind.ranked else []
    return Adapter(
        SOURCE=kind.source,
        NAMES=naming.table(kind, found.NAMES, nested),
        ranks=" to ".join(map(str, dict.fromkeys((*ranks[:1], *ranks[-1:])))),
        whole=made,
        base=whole,
        unread=model.unread(),
    )
