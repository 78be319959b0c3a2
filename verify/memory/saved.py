"""What memory holds while a model runs: storages, each once, and the peak of all that are alive.

A tensor is a view of a storage, and only storages take memory, so every figure here is a sum over storages.
What autograd keeps for the backward pass is what `torch.autograd.graph.saved_tensors_hooks` is given in the forward
pass and what is still alive at its end. Parameters and buffers are not counted: they are there anyway. Inputs that
autograd keeps, such as the token numbers an embedding needs, are counted, as are copies that autocast makes of weights.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from verify.memory.base import Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    import torch

#: CUDA's allocator gives whole blocks of so many bytes (torch 2.13 c10/core/AllocatorConfig.h, `kMinBlockSize`).
BLOCK = 512


def storages(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """Bytes of the storages of some tensors, each once, by the address of the storage."""
    found = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        found[storage._cdata] = storage.nbytes()  # noqa: SLF001 - the identity of a storage, as torch itself takes it
    return found


def size(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages of some tensors, each once."""
    return sum(storages(tensors).values())


def walk(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor inside lists, tuples, mappings and objects of transformers, depth first, each object once."""
    yield from _walk(value, set())


def _walk(value: Any, seen: set[int]) -> Iterator[torch.Tensor]:
    import torch

    if isinstance(value, torch.Tensor):
        yield value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        for each in value.values():
            yield from _walk(each, seen)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _walk(each, seen)
    elif type(value).__module__.startswith("transformers.") and hasattr(value, "__dict__"):
        yield from _walk(vars(value), seen)


class Saved:
    """Records what autograd packs while its hooks are in place."""

    def __init__(self, there: Iterable[torch.Tensor]) -> None:
        """Take note of what is there before the forward pass and not to be counted: parameters and buffers."""
        self._there = set(storages(there))
        self._packed: list[tuple[Any, int]] = []

    def hooks(self) -> AbstractContextManager[None]:
        """Record in this block; what is packed is handed back unchanged in the backward pass."""
        from torch.autograd.graph import saved_tensors_hooks

        hooks: AbstractContextManager[None] = saved_tensors_hooks(self._pack, _unpack)
        return hooks

    def alive(self) -> dict[int, int]:
        """Bytes of the recorded storages that are still held, each once, by address."""
        return {reference.cdata: count for reference, count in self._packed if not reference.expired()}

    def _pack(self, tensor: torch.Tensor) -> tuple[torch.Tensor, bool]:
        from torch.multiprocessing.reductions import StorageWeakRef

        storage = tensor.untyped_storage()
        if storage._cdata not in self._there:  # noqa: SLF001 - see `storages`
            self._packed.append((StorageWeakRef(storage), storage.nbytes()))
        # Detached, because an operator's own output would keep its graph, and so itself, alive for ever.
        return tensor.detach(), tensor.requires_grad


def _unpack(packed: tuple[torch.Tensor, bool]) -> torch.Tensor:
    tensor, requires_grad = packed
    return tensor.requires_grad_() if requires_grad else tensor


class Peak:
    """Counts all storages that operators make, from when they are made until they are freed.

    The total is what `torch.distributed._tools.mem_tracker.MemTracker` gives, without the statistics of each module
    that take most of its time.

    Attributes:
        now: Bytes that are alive.
        most: The most that were alive at once, seen after each operator.
        blocks: Bytes that are alive, each storage rounded up to whole blocks.
        most_blocks: The most of those that were alive at once.
        parts: Bytes by category when there were most; activations are what is in no other category, temporaries too.
    """

    def __init__(self, device: str = "") -> None:
        """Start from nothing; see `add`.

        Args:
            device: Storages elsewhere are not counted, such as step counters in the memory of the host; "" for all.
        """
        self.now = 0
        self.most = 0
        self.blocks = 0
        self.most_blocks = 0
        self.parts: dict[Category, int] = {}
        self._device = device
        self._alive: dict[int, tuple[weakref.ref[Any], Category, int]] = {}
        self._by: dict[Category, int] = dict.fromkeys(Category, 0)

    def add(self, tensors: Iterable[torch.Tensor], category: Category = Category.ACTIVATIONS) -> None:
        """Count the storages of tensors; those that are counted already go to the category unless it is the default."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if self._device and storage.device.type != self._device:
                continue
            known = self._alive.get(id(storage))
            if known is None:
                self._file(storage, category, storage.nbytes())
            elif category not in (known[1], Category.ACTIVATIONS):
                self._gone(id(storage))
                self._file(storage, category, storage.nbytes())
        if self.now > self.most:
            self.most, self.parts = self.now, dict(self._by)
        self.most_blocks = max(self.most_blocks, self.blocks)

    def watch(self) -> AbstractContextManager[Any]:
        """Count what every operator in this block gives."""
        from torch.utils._python_dispatch import TorchDispatchMode

        peak = self

        class Watch(TorchDispatchMode):
            """Sees each operator, and what it gives."""

            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                del types
                result = func(*args, **(kwargs or {}))
                peak.add(walk(result))
                return result

        return Watch()  # type: ignore[no-untyped-call]

    def _file(self, storage: torch.UntypedStorage, category: Category, count: int) -> None:
        key = id(storage)
        # torch keeps the Python object of a storage for as long as the storage lives, so its end is the storage's.
        self._alive[key] = (weakref.ref(storage, lambda _: self._gone(key)), category, count)
        self.now += count
        self.blocks += _blocks(count)
        self._by[category] += count

    def _gone(self, key: int) -> None:
        _, category, count = self._alive.pop(key)
        self.now -= count
        self.blocks -= _blocks(count)
        self._by[category] -= count


def _blocks(count: int) -> int:
    """Bytes rounded up to whole blocks; nothing takes nothing."""
    return -(-count // BLOCK) * BLOCK
