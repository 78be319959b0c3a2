"""The optimizers of a measurement, each the class that people train with.

AdamW and SGD without momentum are those of `torch.optim`. Adafactor is `transformers.optimization.Adafactor`, made as
`Trainer` makes it for `optim="adafactor"` (`trainer_optimizer.py`): the one of `torch.optim` looks at values, which
fake tensors do not have. It keeps its state in float32 whatever the parameters are, and the norm of each of them.
AdamW with states of 8 bits is that of bitsandbytes.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from verify.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


def maker(name: str) -> Callable[[list[Any]], torch.optim.Optimizer]:
    """What makes an optimizer over parameters, with its state allocated as a first step leaves it.

    Its packages are imported here, because some make tensors of their own then.

    Args:
        name: `adamw`, `sgd`, `adafactor` or `adamw8bit`.

    Raises:
        UnavailableError: The optimizer needs bitsandbytes.
    """
    make = _class(name)

    def started(trained: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        made = make(trained)
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        with torch.device("cpu"):  # outside of a measurement no device is the default: step counters stay on the host
            made.step()
        made.zero_grad(set_to_none=True)
        return made

    return started


def _class(name: str) -> Callable[[list[Any]], torch.optim.Optimizer]:
    import torch

    match name:
        case "adamw":
            return torch.optim.AdamW
        case "sgd":
            return torch.optim.SGD
        case "adafactor":
            from transformers.optimization import Adafactor

            return lambda trained: Adafactor(trained, lr=1e-3, scale_parameter=False, relative_step=False)
    if not find_spec("bitsandbytes"):
        raise UnavailableError("bitsandbytes not installed", hint="pip install bitsandbytes, or give another optimizer")
    return _in_8_bits()


def _in_8_bits() -> Callable[[list[Any]], torch.optim.Optimizer]:
    """AdamW of bitsandbytes, whose code tables are made now: it computes them from values, which fake tensors lack."""
    from bitsandbytes import functional
    from bitsandbytes.optim import AdamW8bit

    create = functional.create_dynamic_map
    tables = {signed: create(signed=signed) for signed in (True, False)}

    def make(trained: list[Any]) -> torch.optim.Optimizer:
        functional.create_dynamic_map = lambda signed: tables[signed]
        try:
            made: torch.optim.Optimizer = AdamW8bit(trained)
        finally:
            functional.create_dynamic_map = create
        return made

    return make
