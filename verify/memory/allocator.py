"""The most memory a run takes at once: by the storages of its tensors, or by the allocator that gives it.

On fake tensors there is no allocator, so the peak is that of the storages which operators make. On a CPU it is what
torch's own record of allocations says, which has workspaces and boxed numbers too; on a GPU `torch.cuda.memory`, which
rounds each allocation up to 512 bytes and knows what is reserved besides.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify.memory import kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.memory.saved import Peak


@dataclass(slots=True)
class Most:
    """A peak, known at the end of the block it is of.

    Attributes:
        bytes: The most bytes at once.
        notes: What the figure holds that the tensors do not, or what it leaves out.
    """

    bytes: int = 0
    notes: tuple[str, ...] = ()


@contextmanager
def watched(peak: Peak, device: str) -> Iterator[Most]:
    """Watch a run on a device; the result is filled at the end of the block."""
    watch = {"fake": _fake, "cpu": _cpu, "cuda": _cuda}[device]
    with _uncollected(), watch(peak) as most:
        yield most


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection at moments of its own choosing: what is held in cycles would make peaks differ.

    What is there already is set aside, so that a collection inside the block is fast.
    """
    was = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()


@contextmanager
def _fake(peak: Peak) -> Iterator[Most]:
    most = Most(notes=("the peak is of tensors: no rounding, workspaces or fragmentation of an allocator",))
    with kernels.answers(), peak.watch():
        yield most
    most.bytes = peak.most


@contextmanager
def _cpu(peak: Peak) -> Iterator[Most]:
    import torch
    from torch.profiler import ProfilerActivity, profile

    most, before = Most(), peak.now
    record = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
    with _hushed():
        record.start()
    try:
        with peak.watch():
            yield most
            torch.zeros(())  # so that there is an event even where nothing was allocated
    finally:
        with _hushed():
            record.stop()
    most.bytes = before + _highest(record.profiler.kineto_results.experimental_event_tree())  # type: ignore[union-attr]
    most.notes = (f"the allocator's peak; {peak.most} bytes of it are tensors that operators gave",)


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what the profiler's library writes to standard error when it starts and stops off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a path object has no file descriptor
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _highest(roots: list[Any]) -> int:
    """The highest running sum of all allocations and frees on the CPU, in their order in time."""
    changes, stack = [], list(roots)
    while stack:
        event = stack.pop()
        stack.extend(event.children)
        fields = event.extra_fields
        if hasattr(fields, "alloc_size") and str(fields.device) == "cpu":
            changes.append((event.start_time_ns, fields.alloc_size))
    now = highest = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        now += change
        highest = max(highest, now)
    return highest


@contextmanager
def _cuda(peak: Peak) -> Iterator[Most]:
    import torch

    most = Most()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() - peak.now  # what was there already, and what rounding added
    with peak.watch():
        yield most
    torch.cuda.synchronize()
    most.bytes = torch.cuda.max_memory_allocated() - max(before, 0)
    reserved = torch.cuda.max_memory_reserved()
    most.notes = (
        f"the allocator's peak; {peak.most} bytes of it are tensors that operators gave",
        f"{reserved} bytes were reserved from the GPU",
    )
