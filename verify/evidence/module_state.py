"""What a module of torch holds, by the names under which a file holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch


class State(NamedTuple):
    """The parameters and persistent buffers of a module, in the order in which it lists them.

    Attributes:
        parameters: Each once; a tied one by the name of its source, even where the module lists a copy first.
        buffers: The persistent ones, which are the tensors that else the state holds.
        tied: Further names of tied parameters, and the name that each stands under.
    """

    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    tied: dict[str, str]


def state(module: Any) -> State:
    """List what a module holds.

    Args:
        module: A `torch.nn.Module`; one of transformers says in `all_tied_weights_keys` which names are copies.
    """
    import torch

    named = list(module.named_parameters(remove_duplicate=False))
    copies = set(getattr(module, "all_tied_weights_keys", None) or ())
    own: dict[int, str] = {}
    for name, parameter in named:
        if id(parameter) not in own or (own[id(parameter)] in copies and name not in copies):
            own[id(parameter)] = name
    parameters = {name: parameter for name, parameter in named if own[id(parameter)] == name}
    tied = {name: own[id(parameter)] for name, parameter in named if own[id(parameter)] != name}
    buffers = {
        name: value
        for name, value in module.state_dict(keep_vars=True).items()
        if name not in parameters and name not in tied and isinstance(value, torch.Tensor)
    }
    return State(parameters, buffers, tied)
