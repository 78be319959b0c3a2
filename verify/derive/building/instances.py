"""The real class of transformers on the meta device, built without initialising anything: names and shapes only."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from verify.derive.building import configurations
from verify.errors import ConfigError, UnavailableError, VerifyError
from verify.evidence.meta import without_initialising
from verify.evidence.module_state import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from verify.derive.building.classes import Target

Shapes = dict[str, tuple[int, ...]]

#: Packages whose name is another than that of their module.
_PACKAGES = {"PIL": "pillow", "cv2": "opencv-python"}


@dataclass(frozen=True, slots=True)
class Instance:
    """The tensors of one built model.

    Attributes:
        parameters: Shape of each parameter; a tied one stands once, under the name of its source.
        buffers: Shape of each persistent buffer.
        tied: Further names of tied parameters, and the name that each stands under.
    """

    parameters: Shapes
    buffers: Shapes
    tied: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Elements of all parameters, tied ones once."""
        return sum(math.prod(shape) for shape in self.parameters.values())


def instance(target: Target, keywords: configurations.Keywords, *, seconds: float = 60.0) -> Instance:
    """Build the class of a target on the meta device.

    Args:
        target: The class.
        keywords: The keywords of its configuration.
        seconds: The longest that building may take.

    Returns:
        Names and shapes of its parameters and persistent buffers.

    Raises:
        ConfigError: The configuration class or the model class rejects the keywords, or takes too long.
        UnavailableError: The model class needs a package that is not installed.
    """
    config = configurations.build(target.config_class, keywords)
    return described(module(target, config, seconds=seconds))


def module(target: Target, config: Any, *, seconds: float = 60.0) -> Any:
    """The `torch.nn.Module` of a configuration object on the meta device; errors as for `instance`."""
    import torch

    try:
        with without_initialising(), deadline(seconds), torch.device("meta"):
            return target.model_class(config)
    except VerifyError:
        raise
    except ImportError as error:
        raise lacking(target.model_class.__name__, error) from error
    except Exception as error:  # each class raises what it likes
        raise configurations.rejected(target.model_class.__name__, target.config_class, error) from error


def lacking(what: str, error: ImportError) -> UnavailableError:
    """The error of a class that needs packages: their names, as `transformers.utils.requires_backends` words it."""
    words = str(error).split()
    named = dict.fromkeys(words[at - 1] for at, word in enumerate(words) if word == "library" and at)
    packages = ", ".join(_PACKAGES.get(name, name) for name in named) or error.name or " ".join(words) or "a package"
    return UnavailableError(f"{what} needs {packages}", expected="it installed", hint=f"install {packages}")


def described(built: Any) -> Instance:
    """The shapes of the parameters and persistent buffers of a module."""
    held = state(built)
    return Instance(_shapes(held.parameters), _shapes(held.buffers), held.tied)


def _shapes(tensors: Mapping[str, Any]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Building a module inside ends with a `ConfigError` once it has taken too long.

    The clock is read where modules register parameters and submodules, so no signal and no thread is needed.
    """
    from torch.nn.modules.module import register_module_module_registration_hook as on_module
    from torch.nn.modules.module import register_module_parameter_registration_hook as on_parameter

    end = time.monotonic() + seconds

    def look(*_: Any) -> None:
        if time.monotonic() > end:
            raise ConfigError(
                f"building took more than {seconds:g} s", expected="fewer modules", hint="use smaller sizes"
            )

    hooks = (on_module(look), on_parameter(look))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
