"""Fake tensors beside real devices: what is the same, and by how much a real allocator takes more."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from memory.tiny import LLAMA, OTHERS, STEP, Values

from verify.memory import allocator
from verify.memory.allocator import watched
from verify.memory.base import Category, Measured, Mode, Setting
from verify.memory.measure import measure
from verify.memory.saved import Peak

MIB = 2**20

RUNS = [
    STEP,
    replace(STEP, precision="mixed", optimizer="adafactor"),
    replace(STEP, precision="bf16", optimizer="sgd", checkpointing="full"),
    Setting(2, 8, Mode.INFERENCE, dtype="bfloat16"),
]


def numbers(found: Measured, words: str) -> list[int]:
    """The whole numbers of the note that holds some words."""
    (note,) = (note for note in found.notes if words in note)
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", note)]


def whole_blocks(sizes: Iterator[int]) -> int:
    return sum((size + 511) // 512 * 512 for size in sizes)


#: A GPU where there is one; what a CPU holds beside that, `test_measure` says.
ON_CPU: list[tuple[Values, Setting, str]] = [(LLAMA, STEP, "cpu")]
ON_GPU = [*((LLAMA, each) for each in RUNS), (OTHERS["gpt2"], STEP), (OTHERS["mixtral"], STEP)]
REAL = [*ON_CPU, *((*each, "cuda") for each in ON_GPU if torch.cuda.is_available())]


@pytest.mark.parametrize(("values", "setting", "device"), REAL, ids=str)
def test_a_real_device_holds_what_fake_tensors_say(values: Values, setting: Setting, device: str) -> None:
    fake, real = measure(values, setting), measure(values, setting, device=device)
    own = {Category.ACTIVATIONS} if device == "cuda" and values is not LLAMA else set()  # a GPU's dropout and experts
    same = set(fake.bytes) - own - {Category.PEAK}
    assert {each: real.bytes[each] for each in same} == {each: fake.bytes[each] for each in same}
    assert real.bytes[Category.PEAK] >= fake.bytes[Category.PEAK] * 0.9
    if device == "cuda":
        requested, rounding = numbers(real, "the peak is of blocks")
        tensors, besides = numbers(real, "tensors that operators gave")
        assert requested + rounding == real.bytes[Category.PEAK]
        assert tensors + besides == requested
        assert abs(tensors - fake.bytes[Category.PEAK]) <= 0.1 * tensors
        assert 0 <= besides <= 64 * MIB
        reserved, _ = numbers(real, "reserved from the GPU")
        assert reserved >= real.bytes[Category.PEAK]


@pytest.mark.parametrize("setting", RUNS, ids=str)
def test_a_fake_run_says_what_it_does_not_model(setting: Setting) -> None:
    found = measure(LLAMA, setting)
    block, rounded, more = numbers(found, "the peak is of tensors")
    assert block == 512
    assert rounded - more == found.bytes[Category.PEAK]
    assert rounded % 512 == 0
    assert more > 0
    workspace, hopper = numbers(found, "not modelled")
    assert (workspace, hopper) == (8_519_680, 33_554_432)  # :4096:2:16:8 and 32 MiB, in KiB and counts


def test_each_storage_is_rounded_up_to_whole_blocks() -> None:
    peak = Peak()
    kept = [torch.zeros(count, dtype=torch.uint8) for count in (0, 1, 511, 512, 513, 5000)]
    peak.add([*kept, kept[-1][7:9]])  # a view takes nothing of its own
    assert peak.blocks == whole_blocks(iter((0, 1, 511, 512, 513, 5000))) == 512 * (0 + 1 + 1 + 1 + 2 + 10)
    assert peak.now == 6537
    del kept[-1]
    assert (peak.blocks, peak.most_blocks) == (512 * 5, 512 * 15)


def test_what_stands_on_another_device_is_not_counted() -> None:
    peak = Peak("cuda")
    peak.add([torch.zeros(100)])
    assert (peak.now, peak.blocks) == (0, 0)


class Card:
    """What torch.cuda says of a GPU on which another program part holds two blocks."""

    def __init__(self, ours: Peak) -> None:
        self.before = {"allocated": 1024 + ours.blocks, "requested": 700 + ours.now, "reserved": 2 * MIB}
        self.after = {"allocated": 1024 + 9 * 512, "requested": 700 + 4000, "reserved": 4 * MIB}
        self.reset = False

    def stats(self) -> dict[str, int]:
        if not self.reset:
            return {f"{key}_bytes.all.peak": 10**12 for key in self.before}  # of some earlier run
        now = self.after if self.ran else self.before
        return {f"{key}_bytes.all.{when}": value for key, value in now.items() for when in ("current", "peak")}

    ran = False

    def forget(self) -> None:
        self.reset = True


def test_the_figures_of_a_gpu_are_those_of_its_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torch.zeros(1000, dtype=torch.uint8)
    peak = Peak()
    peak.add([weights], Category.PARAMETERS)
    card = Card(peak)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", card.forget)
    monkeypatch.setattr(torch.cuda, "memory_stats", card.stats)
    with watched(peak, "cuda") as most:
        made = torch.ones(2000, dtype=torch.uint8)
        card.ran = True
    del made
    assert most.bytes == 9 * 512
    assert most.notes == (
        "the peak is of blocks: 4,000 bytes were requested, 608 are rounding",
        "3,000 of these are tensors that operators gave, 1,000 workspaces and temporaries inside operators",
        "4,194,304 bytes were reserved from the GPU, 4,188,672 more than blocks ever took at once",
    )


def test_the_keys_are_those_that_torch_documents() -> None:
    documented = torch.cuda.memory_stats.__doc__ or ""
    for of in ("allocated", "requested", "reserved"):
        assert f"{of}_bytes." in documented
    assert allocator._stat({"requested_bytes.all.peak": 3}, "requested", "peak") == 3
    assert allocator._stat({}, "requested", "peak") == 0  # as a build without CUDA says
