"""Which class of transformers implements a `model_type`: the auto tables of transformers, in an order of preference.

Source: `transformers/models/auto/configuration_auto.py` (`CONFIG_MAPPING_NAMES`) and `modeling_auto.py`
(`MODEL_FOR_*_MAPPING_NAMES`), transformers 5.23.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from verify.errors import ConfigError, UnavailableError, UnknownArchitectureError, VerifyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

#: The tables of each kind, best first. Among all of them the first one that lists a type decides its kind:
#: an encoder-decoder or a masked model is listed among the causal ones too, with a variant that few people use.
KINDS: dict[str, tuple[str, ...]] = {
    "seq2seq": ("SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ"),
    "masked": ("MASKED_LM",),
    "causal": ("CAUSAL_LM",),
    "image-text-to-text": ("IMAGE_TEXT_TO_TEXT",),
    "multimodal": ("MULTIMODAL_LM", "ZERO_SHOT_IMAGE_CLASSIFICATION", "VISUAL_QUESTION_ANSWERING", "RETRIEVAL"),
    "vision": (
        "IMAGE_CLASSIFICATION", "OBJECT_DETECTION", "ZERO_SHOT_OBJECT_DETECTION", "UNIVERSAL_SEGMENTATION",
        "INSTANCE_SEGMENTATION", "IMAGE_SEGMENTATION", "SEMANTIC_SEGMENTATION", "MASK_GENERATION",
        "DEPTH_ESTIMATION", "NORMAL_ESTIMATION", "POINTMAP_ESTIMATION", "POSE_ESTIMATION", "KEYPOINT_DETECTION",
        "KEYPOINT_MATCHING", "IMAGE_MATTING", "IMAGE_TO_IMAGE", "CAUSAL_IMAGE_MODELING", "VIDEO_CLASSIFICATION",
        "TEXT_RECOGNITION", "TABLE_RECOGNITION", "DOCUMENT_QUESTION_ANSWERING", "MASKED_IMAGE_MODELING",
        "BACKBONE", "IMAGE",
    ),
    "audio": (
        "CTC", "RNNT", "TDT", "AUDIO_CLASSIFICATION", "AUDIO_XVECTOR", "TEXT_TO_SPECTROGRAM", "TEXT_TO_WAVEFORM",
        "AUDIO_TOKENIZATION",
    ),
    "base": ("PRETRAINING", "TIME_SERIES_PREDICTION", "", "TOKEN_CLASSIFICATION"),
}  # fmt: skip

#: Longer than any model type; the time to find what is spelt alike grows with the square.
_LONGEST = 64
#: Names of tables that end otherwise than `_MAPPING_NAMES`.
_ENDS = {"AUDIO_TOKENIZATION": "MODEL_FOR_AUDIO_TOKENIZATION_NAMES", "": "MODEL_MAPPING_NAMES"}


@dataclass(frozen=True, slots=True)
class Target:
    """The class whose formula is derived.

    Attributes:
        model_type: The key of transformers, such as `llama`.
        config_class: Its configuration class.
        model_class: The class that is built.
        kind: One of `KINDS`.
    """

    model_type: str
    config_class: Any
    model_class: Any
    kind: str


def find(model_type: str, class_suffix: str = "", *, kind: str = "") -> Target:
    """The class that implements a model type.

    Args:
        model_type: The key of transformers, such as `llama`.
        class_suffix: The class itself or how its name ends (`ForCausalLM`); "" takes the preferred one.
        kind: One of `KINDS`, to take its class; "" takes the preferred one.

    Raises:
        UnknownArchitectureError: transformers has no such type, or the type no such class.
        UnavailableError: torch or transformers is not installed, or a package that the class needs.
    """
    transformers = _transformers()
    config_class = _config_class(transformers, model_type)
    named = [(kind, name) for table in KINDS[kind] for name in _names(_table(table), model_type)] if kind else []
    named = named or ([] if kind else _listed(model_type))
    if not named and not kind:
        named = [("base", name) for name in _unlisted(config_class)]
    chosen = next((pair for pair in named if pair[1].endswith(class_suffix)), None)
    if chosen is None:
        raise _no_class(transformers.__version__, model_type, class_suffix or kind, named)
    model_class = _model_class(transformers, model_type, chosen[1])
    # The language model of a composite type takes the text part of its configuration (`AutoModel.from_config`).
    if not issubclass(config_class, model_class.config_class):
        config_class = model_class.config_class
    return Target(model_type, config_class, model_class, chosen[0])


def find_for(config: Mapping[str, object], class_suffix: str = "") -> Target:
    """The class that a config.json names in `architectures`, else the preferred one of its type.

    Args:
        config: The parsed config.json.
        class_suffix: As for `find`; it goes before what the config names.

    Raises:
        UnknownArchitectureError: As for `find`; or the type is one of remote code, which is never run.
        UnavailableError: As for `find`.
    """
    model_type = config.get("model_type")
    known = isinstance(model_type, str) and model_type in _tables().CONFIG_MAPPING_NAMES
    if config.get("auto_map") and not known:
        raise UnknownArchitectureError(
            f"model_type {model_type!r} is implemented by code in its repository (auto_map)",
            expected=f"a model_type of transformers {_transformers().__version__}",
            hint="such code is never run; give its formula to `verify check --formula`",
        )
    if not isinstance(model_type, str):
        raise UnknownArchitectureError(
            f"model_type is {model_type!r}", expected="a model_type of transformers", hint="correct config.json"
        )
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    if not class_suffix and architecture in {name for _, name in _listed(model_type)}:
        return find(model_type, architecture)
    return find(model_type, class_suffix)


def part(target: Target, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config.json that the class of a target takes: of a composite one, that of its language model.

    Raises:
        ConfigError: There is no such section.
    """
    whole = _config_class(_transformers(), str(config.get("model_type")))
    if issubclass(whole, target.config_class):
        return config
    named = (name for name, section in whole.sub_configs.items() if issubclass(section, target.config_class))
    for name in named:
        section = config.get(name, {})
        if isinstance(section, dict):
            return section
    raise ConfigError(
        f"{whole.__name__} has no section for {target.model_class.__name__}",
        expected=f"a {target.config_class.__name__} in config.json",
        hint="name another --class",
    )


def types(kind: str) -> tuple[str, ...]:
    """The model types that transformers lists for a kind, sorted; with "", all there are.

    Raises:
        UnavailableError: torch or transformers is not installed.
    """
    tables = _tables()
    if not kind:
        return tuple(sorted(tables.CONFIG_MAPPING_NAMES))
    listed = {name for table in KINDS[kind] for name in _table(table)}
    return tuple(sorted(listed & set(tables.CONFIG_MAPPING_NAMES)))


def _listed(model_type: str) -> list[tuple[str, str]]:
    """The kinds and class names of a type, best first; then the classes of other tables, such as for tagging."""
    kinds: dict[str, str] = {}
    for kind, table in _every_table():
        for name in _names(table, model_type):
            kinds.setdefault(name, kind)
    return [(kind, name) for name, kind in kinds.items()]


@cache
def _every_table() -> list[tuple[str, Mapping[str, str | tuple[str, ...]]]]:
    tables = [(kind, _table(table)) for kind, tables in KINDS.items() for table in tables]
    names = (name for name in sorted(vars(_modeling())) if name.startswith("MODEL_") and name.endswith("_NAMES"))
    return [*tables, *(("base", getattr(_modeling(), name)) for name in names)]


def _names(table: Mapping[str, str | tuple[str, ...]], model_type: str) -> tuple[str, ...]:
    names = table.get(model_type, ())
    return (names,) if isinstance(names, str) else tuple(names)


def _table(name: str) -> Mapping[str, str | tuple[str, ...]]:
    table: Mapping[str, str | tuple[str, ...]]
    table = getattr(_modeling(), _ENDS.get(name, f"MODEL_FOR_{name}_MAPPING_NAMES"), {})
    return table


def _unlisted(config_class: Any) -> list[str]:
    """Classes of a type that no table lists: the parts of composite models, in the order of their module."""
    import importlib

    from transformers import PreTrainedModel

    module = config_class.__module__.replace(".configuration_", ".modeling_")
    try:
        members = vars(importlib.import_module(module))
    except ImportError:
        return []
    return [
        name
        for name, member in members.items()
        if isinstance(member, type)
        and issubclass(member, PreTrainedModel)
        and member.__module__ == module
        and getattr(member, "config_class", None) is config_class
        and not name.endswith("PreTrainedModel")
    ]


def _config_class(transformers: ModuleType, model_type: str) -> Any:
    if model_type not in transformers.CONFIG_MAPPING:
        raise UnknownArchitectureError(
            f"model_type {model_type!r} is not in transformers {transformers.__version__}",
            expected=f"a model_type that it implements{_near(model_type)}",
            hint="spell it as config.json does; code in a repository is never run",
        )
    try:
        return transformers.CONFIG_MAPPING[model_type]
    except ImportError as error:
        raise _lacking(f"model_type {model_type}", str(error)) from error


def _near(model_type: str) -> str:
    """The types that are spelt most alike."""
    near = get_close_matches(model_type[:_LONGEST], types(""), n=3)
    return f", such as {' or '.join(near)}" if near else ""


def _model_class(transformers: ModuleType, model_type: str, name: str) -> Any:
    """The class of that name: what is exported, else what its module holds."""
    import importlib

    try:
        found = getattr(transformers, name, None)
        if found is None:
            config_class = transformers.CONFIG_MAPPING[model_type]
            module = config_class.__module__.replace(".configuration_", ".modeling_")
            found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise _lacking(name, str(error)) from error
    if getattr(found, "is_dummy", False):  # `transformers.utils.import_utils.DummyObject`, which stands in for a class
        raise _lacking(name, ", ".join(found._backends))  # noqa: SLF001 - its only other attribute
    return found


def _no_class(version: str, model_type: str, wanted: str, named: list[tuple[str, str]]) -> VerifyError:
    names = ", ".join(name for _, name in named) or "none"
    return UnknownArchitectureError(
        f"model_type {model_type} has no class {wanted or 'to build'} in transformers {version}",
        expected=f"one of its classes: {names}",
        hint="name another class" if named else "name another model_type",
    )


def _lacking(what: str, why: str) -> VerifyError:
    return UnavailableError(f"{what} needs {why}", expected="it installed", hint="install it")


@cache
def _transformers() -> ModuleType:
    """Transformers, which takes seconds, so only when it is needed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch  # noqa: F401 - to fail here if it fails
            import transformers
    except ImportError as error:
        raise UnavailableError(
            f"derivation builds the classes of transformers, and {error.name or error} cannot be imported",
            expected="torch and transformers",
            hint="pip install 'verify-params[meta]'",
        ) from error
    return transformers


def _tables() -> ModuleType:
    _transformers()
    from transformers.models.auto import configuration_auto

    return configuration_auto


def _modeling() -> ModuleType:
    _transformers()
    from transformers.models.auto import modeling_auto

    return modeling_auto
