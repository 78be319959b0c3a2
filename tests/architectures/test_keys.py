"""No key of a config changes a shape in silence: the formula follows it, refuses it, or reports it as unread."""

from collections.abc import Iterator, Mapping

import transformers

from verify import architectures
from verify.breakdown import expect, measure
from verify.config import Config
from verify.diff import diff
from verify.errors import ConfigError, VerifyError
from verify.evidence import meta
from verify.evidence.packing import unpack
from verify.tensor import Tensor

Values = dict[str, object]


def changed(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, Values]]:
    """Each whole-number and boolean key in turn, changed: (its path, the whole object)."""
    for key, value in values.items():
        if isinstance(value, Mapping) and key.endswith("_config"):
            for path, section in changed(value, f"{prefix}{key}."):
                yield path, {**values, key: section}
        elif isinstance(value, bool):
            yield f"{prefix}{key}", {**values, key: not value}
        elif isinstance(value, int):
            yield from ((f"{prefix}{key}", {**values, key: other}) for other in (2 * value, value + 1))


def built(values: Values) -> tuple[Tensor, ...] | None:
    """What transformers makes of a config, or None where it refuses."""
    try:
        return meta.read(values, model="tiny").tensors
    except VerifyError:
        return None


def silent(values: Values, path: str, tensors: tuple[Tensor, ...]) -> bool:
    """Whether the formula neither follows a changed key, nor refuses it, nor reports it as unread."""
    family = architectures.find(str(values["model_type"]))
    config = Config(values)
    try:
        formula = family.formula(config)
    except ConfigError:
        return False
    measured = measure(unpack(tensors, ""), family.NAMES)
    equal = not diff(expect(formula.terms), measured.cells) and not measured.unclassified
    return not equal and not any(path.startswith(key) for key in config.unread())


def test_no_key_changes_a_shape_in_silence(base: Values) -> None:
    whole = transformers.CONFIG_MAPPING[str(base["model_type"])].from_dict(dict(base)).to_dict()
    values = {**whole, "architectures": base["architectures"]}
    before = built(values)
    assert before is not None
    ignored = [
        path
        for path, other in changed(values)
        if (after := built(other)) is not None and after != before and silent(other, path, after)
    ]
    assert ignored == []
