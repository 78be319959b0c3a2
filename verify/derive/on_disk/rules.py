"""The private rules by which transformers stores its models, and their version.

Read in transformers 5.23: `conversion_mapping.get_model_conversion_mapping` gives the rules of a model, those of its
parts scoped to them; `core_model_loading.rename_source_key` applies all renamings and then at most one converter;
`revert_weight_conversion` turns the rules round, applies at most one converter, and the renamings to what it makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verify.derive.on_disk.names import Rename

#: The version of transformers whose private functions these are.
CHECKED = "5.23"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one model in one direction.

    Attributes:
        rename: All renamings, one after the other.
        convert: The first converter that matches: the new name, and its source pattern.
        converters: Converters by each of their source patterns; of two with one pattern the last, as in transformers.
        numbers: Numbers that the rules speak of; None where what a rule does depends on what it has seen.
    """

    rename: Rename
    convert: Rename
    converters: Mapping[str, Any]
    numbers: frozenset[str] | None


def require() -> str:
    """The version of transformers.

    Raises:
        UnavailableError: It is another than the one whose rules these are.
    """
    import transformers

    found = transformers.__version__
    if found.split(".")[:2] != CHECKED.split("."):
        raise UnavailableError(
            f"how transformers {found} stores its models is not known",
            expected=f"transformers {CHECKED}",
            hint=f"pip install 'transformers=={CHECKED}.*'",
        )
    return str(found)


def loading(model: Any) -> Rules:
    """From stored names to names in the module, old names included."""
    from transformers.conversion_mapping import get_model_conversion_mapping

    return _rules(get_model_conversion_mapping(model))


def saving(model: Any) -> Rules:
    """From names in the module to stored names: no old names, and no change of a prefix that nothing tells of."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import PrefixChange

    used: Sequence[Any] | None = getattr(model, "_weight_conversions", None)
    if used is None:
        known = get_model_conversion_mapping(model, add_legacy=False)
        used = [each for each in known if not isinstance(each, PrefixChange)]
    return _rules([each.reverse_transform() for each in used[::-1]])


def _rules(transforms: Sequence[Any]) -> Rules:
    from transformers import core_model_loading as core

    renamings: list[Any] = [each for each in transforms if isinstance(each, core.WeightRenaming)]
    converters: list[Any] = [each for each in transforms if isinstance(each, core.WeightConverter)]
    texts = [text for each in transforms for text in (*each.source_patterns, *each.target_patterns)]
    texts += [each.scope_prefix or "" for each in transforms]
    stateful = any(isinstance(each, core.GroupWeightRename) for each in transforms)
    return Rules(
        rename=lambda name: (core.apply_renamings(name, renamings), None),
        convert=lambda name: core.apply_converters(name, converters),
        converters={pattern: each for each in converters for pattern in each.source_patterns},
        numbers=None if stateful else frozenset(re.findall(r"\d+", " ".join(texts))),
    )
