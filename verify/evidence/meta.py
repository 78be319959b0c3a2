"""What the transformers implementation builds: its classes on the meta device, where nothing has data.

This evidence says what the code says, not what a file holds. The class is built inside
`accelerate.init_empty_weights(include_buffers=True)`, which is `torch.device("meta")`; without that
argument accelerate allocates each fused tensor of experts for real before it moves it (30 GB for
DeepSeek-V3).
"""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, starmap
from logging import CRITICAL
from typing import TYPE_CHECKING, Any

from verify.errors import ConfigError, FormatError, UnavailableError, UnknownArchitectureError
from verify.evidence.base import Evidence, Strength
from verify.evidence.module_state import state
from verify.tensor import DTYPES, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    import torch

_PACKAGES = ("torch", "transformers", "accelerate")

#: Keys that would run or fetch code, or change how weights are stored. The shapes of the code are the
#: unquantised ones, and an `auto_map` anywhere in a config sends transformers to the Hub for a module.
_NOT_SHAPES = frozenset(
    {"auto_map", "quantization_config", "attn_implementation", "_attn_implementation", "experts_implementation"}
)

#: Where a config names no class: the tables of transformers to look in, in this order. Masked models come
#: first, because transformers lists a causal variant of each of them as well.
_TABLES = (
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_MAPPING_NAMES",
)

#: What safetensors calls each `torch.dtype` (`safetensors/torch.py`, `_TYPES`).
_DTYPE_NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "complex64": "C64", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
    "float8_e4m3fn": "F8_E4M3", "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2": "F8_E5M2", "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip

_LONGEST_REASON = 160


@dataclass(frozen=True, slots=True)
class Implementation:
    """The class of transformers that a config names, before anything of it is built.

    Attributes:
        transformers: The version of transformers.
        model_class: The class.
        settings: The config object that the class takes.
    """

    transformers: str
    model_class: Any
    settings: Any


@dataclass(frozen=True, slots=True)
class Built:
    """A class of transformers, built.

    Attributes:
        evidence: Its parameters and persistent buffers.
        module: The model itself, on the meta device.
    """

    evidence: Evidence
    module: Any


@contextmanager
def implementation(config: Mapping[str, object]) -> Iterator[Implementation]:
    """Find the class that a config names; transformers stays silent until the block is left.

    Args:
        config: The parsed config.json; keys that would run or fetch code, or say how weights are stored, are ignored.

    Raises:
        UnavailableError: torch, transformers or accelerate is not installed.
        UnknownArchitectureError: transformers has no such `model_type` or class.
        ConfigError: The config class rejects the config.
    """
    _require()
    plain = _without(config, _NOT_SHAPES)
    transformers = _import()
    with silence():
        settings = _settings(transformers, plain)
        yield Implementation(transformers.__version__, _model_class(transformers, plain, settings), settings)


def available() -> bool:
    """Whether the packages it needs are installed; imports none of them."""
    return all(find_spec(package) for package in _PACKAGES)


def read(config: Mapping[str, object], *, model: str) -> Evidence:
    """Build the class that a config names, and list its parameters and persistent buffers.

    Tied parameters are listed once, under the name that comes first in the module. Nothing is fetched,
    no code outside transformers runs, and nothing is written to the terminal.

    Args:
        config: The parsed config.json.
        model: The model as the user named it.

    Returns:
        The evidence; its `config` lacks `quantization_config`, because these tensors are not quantised.

    Raises:
        UnavailableError: torch, transformers or accelerate is not installed, or something the class needs.
        UnknownArchitectureError: transformers has no such `model_type` or class.
        ConfigError: The class rejects the config.
        FormatError: A tensor has a dtype that no file can hold.
    """
    return build(config, model=model).evidence


def build(config: Mapping[str, object], *, model: str) -> Built:
    """Build the class that a config names, as `read` does, and keep it.

    Args:
        config: The parsed config.json.
        model: The model as the user named it.

    Raises:
        VerifyError: As `read`.
    """
    _require()
    plain = _without(config, _NOT_SHAPES)
    transformers = _import()
    with silence():
        settings = _settings(transformers, plain)
        model_class = _model_class(transformers, plain, settings)
        module = _build(model_class, settings)
        held = state(module)
        tensors = tuple(starmap(_tensor, chain(held.parameters.items(), held.buffers.items())))
        tied = _tied(module)
    evidence = Evidence(
        model=model,
        strength=Strength.META,
        source="meta",
        where=f"transformers {transformers.__version__}, {model_class.__name__}",
        config=plain,
        tensors=tensors,
        note=f"tied: {tied}" if tied else "",
    )
    return Built(evidence, module)


def _require() -> None:
    if not available():
        missing = ", ".join(package for package in _PACKAGES if not find_spec(package))
        raise UnavailableError(
            f"{missing} not installed",
            expected="torch, transformers and accelerate for the evidence `meta`",
            hint="pip install 'verify-params[meta]'",
        )


def defaults(model_type: str) -> Evidence:
    """The configuration that a config class has by default, without any tensors.

    Raises:
        UnavailableError: transformers is not installed.
        UnknownArchitectureError: transformers has no such `model_type`.
    """
    _require()
    transformers = _import()
    with silence():
        settings = _settings(transformers, {"model_type": model_type})
    where = f"transformers {transformers.__version__}, {type(settings).__name__}"
    return Evidence(model_type, Strength.META, "meta", where, config=settings.to_dict())


def _without(config: Mapping[str, object], keys: frozenset[str]) -> dict[str, object]:
    """A copy of a config and of all its sections, less some keys."""
    return {
        key: _without(value, keys) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
        for key, value in config.items()
        if key not in keys
    }


def _import() -> ModuleType:
    """Transformers, which takes seconds, so only when it is needed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import accelerate  # type: ignore[import-untyped] # noqa: F401 - to fail here if it fails
            import transformers
    except ImportError as error:
        raise UnavailableError(
            f"transformers cannot be imported: {_reason(error)}", hint="pip install 'verify-params[meta]'"
        ) from error
    return transformers


@contextmanager
def silence() -> Iterator[None]:
    """No warnings and no log lines of transformers: what it says about a config is advice about running it.

    Raises:
        UnavailableError: transformers cannot be imported.
    """
    logging = _import().utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)


@contextmanager
def without_initialising() -> Iterator[None]:
    """The functions of `torch.nn.init` do nothing, wherever torch has bound their names.

    `transformers.initialization.no_init_weights` would also keep weights from being tied.
    """
    from transformers import initialization

    holders = [sys.modules[name] for name in initialization.TORCH_MODULES_TO_PATCH if name in sys.modules]
    patched = [
        (holder, function, getattr(holder, function))
        for holder in holders
        for function in initialization.TORCH_INIT_FUNCTIONS
        if hasattr(holder, function)
    ]
    try:
        for holder, function, _ in patched:
            setattr(holder, function, _unchanged)
        yield
    finally:
        for holder, function, original in patched:
            setattr(holder, function, original)


def _unchanged(tensor: Any = None, *_: Any, **__: Any) -> Any:
    return tensor


def _settings(transformers: ModuleType, config: Mapping[str, object]) -> Any:
    """The config object of transformers."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise UnknownArchitectureError(
            f"model_type {model_type!r} is not in transformers {transformers.__version__}",
            expected="a model_type that it implements",
            hint="correct config.json, or use other evidence than `meta`",
        )
    try:
        return transformers.CONFIG_MAPPING[model_type].from_dict(dict(config))
    except Exception as error:  # each class raises what it likes
        raise _rejected(f"the config class of {model_type}", error) from error


def _model_class(transformers: ModuleType, config: Mapping[str, object], settings: Any) -> Any:
    """The class that `architectures` names, else the default one of the `model_type`."""
    from transformers.models.auto import modeling_auto

    named = config.get("architectures")
    if isinstance(named, list) and named:
        name = str(named[0])
    else:
        tables = (getattr(modeling_auto, table) for table in _TABLES)
        found = next((table[settings.model_type] for table in tables if settings.model_type in table), "")
        name = found if isinstance(found, str) else found[0]
    model_class: Any = getattr(transformers, name, object) if name.isidentifier() else object
    if not issubclass(model_class if isinstance(model_class, type) else object, transformers.PreTrainedModel):
        raise UnknownArchitectureError(
            f"architectures names {name or 'nothing'}, which is no model class of transformers "
            f"{transformers.__version__}",
            expected=f"a class for model_type {settings.model_type}",
            hint="correct config.json, or use other evidence than `meta`",
        )
    if not isinstance(settings, model_class.config_class):
        raise ConfigError(
            f"architectures names {name} and model_type is {settings.model_type}",
            expected=f"a class for {settings.model_type}",
            hint="correct config.json",
        )
    return model_class


def _build(model_class: Any, settings: Any) -> torch.nn.Module:
    """An instance on the meta device, in the dtype of the config."""
    from accelerate import init_empty_weights

    try:
        with without_initialising(), init_empty_weights(include_buffers=True):
            # What AutoModel.from_config calls, without its detour for remote code. Eager attention needs no
            # kernel, which a config could otherwise name as a repository to be fetched.
            module: torch.nn.Module = model_class._from_config(settings, attn_implementation="eager")  # noqa: SLF001
    except ImportError as error:
        raise UnavailableError(
            f"{model_class.__name__} needs a package: {_reason(error)}", hint="install it, or use other evidence"
        ) from error
    except Exception as error:  # each class raises what it likes
        raise _rejected(model_class.__name__, error) from error
    return module


def _tensor(name: str, value: torch.Tensor) -> Tensor:
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in _DTYPE_NAMES:
        raise FormatError(
            f"{name} is {dtype}", expected="a dtype that safetensors can hold", hint="use other evidence than `meta`"
        )
    return Tensor(name, DTYPES[_DTYPE_NAMES[dtype]], tuple(value.shape))


def _tied(module: torch.nn.Module) -> str:
    """The groups of names that are one parameter, for the report."""
    from accelerate.utils import find_tied_parameters  # type: ignore[import-untyped]

    return ", ".join(" = ".join(group) for group in find_tied_parameters(module))


def _rejected(what: str, error: Exception) -> ConfigError:
    return ConfigError(f"{what} rejects config.json: {_reason(error)}", hint="correct config.json")


def _reason(error: Exception) -> str:
    """The text of an error of another package in one line of a bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " ..."
