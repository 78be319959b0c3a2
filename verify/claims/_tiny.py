"""What only running code can settle, on the smallest real models: transformers classes with random weights.

Every function builds a module on the CPU from a written config and a fixed seed, so the answers do not depend on the
machine. Without torch and transformers each raises `UnavailableError`, which makes the claim `not checkable`.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from verify.errors import UnavailableError
from verify.evidence.meta import silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

#: The smallest shape that every class here accepts.
SHAPE: Mapping[str, int] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}


def build(name: str, **values: object) -> Any:
    """A model class of transformers with random weights in evaluation mode.

    Args:
        name: Its class, such as `LlamaForCausalLM`.
        values: The keys of its config.

    Raises:
        UnavailableError: torch or transformers is not installed.
    """
    _require("torch", "transformers")
    import torch
    import transformers

    model_class = getattr(transformers, name)
    with silence(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        settings = model_class.config_class(**values)
        return model_class._from_config(settings, attn_implementation="eager").eval()  # noqa: SLF001 (what AutoModel calls)


def _require(*packages: str) -> None:
    for package in packages:
        if not find_spec(package):
            raise UnavailableError(f"{package} is not installed")


def llama(**values: object) -> Any:
    """A tiny `LlamaForCausalLM`.

    Raises:
        UnavailableError: torch or transformers is not installed.
    """
    return build("LlamaForCausalLM", **{**SHAPE, "intermediate_size": 48, **values})


def kept(layer: str, width: int, *shape: int, half: bool = False) -> int:
    """Bytes that autograd keeps of one layer for the backward pass, beside its parameters.

    Args:
        layer: `linear`, `norm`, `gelu`, `softmax` or `cross_entropy`.
        width: The last axis of its input.
        shape: The axes before.
        half: bfloat16 instead of float32.

    Raises:
        UnavailableError: torch is not installed.
    """
    _require("torch")
    import torch
    from torch import nn

    class Loss(nn.Module):
        def forward(self, logits: torch.Tensor) -> torch.Tensor:
            labels = torch.zeros(logits.shape[:-1], dtype=torch.long)
            return nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())

    makers: Mapping[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(width, 1),
        "norm": lambda: nn.LayerNorm(width),
        "gelu": nn.GELU,
        "softmax": lambda: nn.Softmax(dim=-1),
        "cross_entropy": Loss,
    }
    dtype = torch.bfloat16 if half else torch.float32
    module = makers[layer]().to(dtype)
    value = torch.ones(*shape, width, dtype=dtype, requires_grad=True)
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    found: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = module(value)
    del result  # until here it holds what was kept, so that no two storages had one address
    return sum(size for place, size in found.items() if place not in own)


def elements(module: Any, part: str = "") -> int:
    """Parameters whose name contains `part`, each once."""
    return sum(tensor.numel() for name, tensor in module.named_parameters() if part in name)


def activated() -> str:
    """The projection of a Llama's MLP that goes through SiLU.

    The output is linear in the one that does not: twice its weight gives twice the output.

    Raises:
        UnavailableError: torch or transformers is not installed.
    """
    mlp = llama().model.layers[0].mlp
    return next(name for name in ("gate_proj", "up_proj") if not _is_linear_in(mlp, getattr(mlp, name)))


def _is_linear_in(mlp: Any, projection: Any) -> bool:
    import torch

    tokens = torch.ones(1, SHAPE["hidden_size"])
    with torch.no_grad():
        before = mlp(tokens)
        projection.weight.mul_(2)
        after = mlp(tokens)
        projection.weight.div_(2)
    return bool(torch.allclose(after, 2 * before))


def sight(model: Any, length: int = 6) -> str:
    """What a position of a stack of layers sees: `causal`, or `bidirectional` where later tokens change earlier ones.

    Args:
        model: A transformers model that takes `input_ids` and gives `last_hidden_state`.
        length: Tokens of the probe.
    """
    import torch

    tokens = torch.arange(1, length + 1)[None]
    changed = tokens.clone()
    changed[0, -1] += 1
    with torch.no_grad():
        before, after = (model(input_ids=each).last_hidden_state for each in (tokens, changed))
    return "causal" if torch.equal(before[:, :-1], after[:, :-1]) else "bidirectional"


def stacks() -> str:
    """What the two stacks of a tiny T5 see.

    Raises:
        UnavailableError: torch or transformers is not installed.
    """
    model = build("T5Model", d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, vocab_size=64)
    import torch

    tokens = torch.arange(1, 7)[None]
    changed = tokens.clone()
    changed[0, -1] += 1

    def decoded(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = model(input_ids=source, decoder_input_ids=target).last_hidden_state
        return found

    first = decoded(tokens, tokens)
    later = torch.equal(first[:, :-1], decoded(tokens, changed)[:, :-1])
    crossed = not torch.equal(first, decoded(changed, tokens))
    decoder = "causal" if later else "bidirectional"
    return f"{sight(model.encoder)} encoder, {decoder} decoder{' that sees the encoder' if crossed else ''}"


def adapted() -> tuple[tuple[str, ...], int]:
    """Where PEFT puts LoRA on a tiny Llama that asks for nothing: the modules of a layer, and all it trains.

    Raises:
        UnavailableError: torch, transformers or peft is not installed.
    """
    _require("torch", "transformers", "peft")
    import peft

    model = llama()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it was given no task
        found = peft.get_peft_model(model, peft.LoraConfig())
    modules = [name.rpartition(".")[2] for name, module in found.named_modules() if hasattr(module, "lora_A")]
    trained = sum(parameter.numel() for parameter in found.parameters() if parameter.requires_grad)
    return tuple(dict.fromkeys(modules)), trained


def linear_layers(module: Any) -> tuple[str, ...]:
    """The names of its linear layers, each once."""
    import torch

    found = [name.rpartition(".")[2] for name, each in module.named_modules() if isinstance(each, torch.nn.Linear)]
    return tuple(dict.fromkeys(found))
