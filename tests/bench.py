"""Run times as ratios of medians, measured in one run: `make bench`.

Each pair of commands is run in turn, so that a slow moment of the machine strikes both.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from hub import shapes

RUNS = 15

#: As a user has it: with compiled modules kept, which the first, uncounted run writes.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

#: Parses the headers of a folder with nothing but the standard library: the least a header check can do.
BARE = """
import json, struct, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
    with path.open("rb") as file:
        json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
"""


def seconds(command: Sequence[str]) -> float:
    """Wall seconds of one whole process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - start


def compare(name: str, ours: Sequence[str], bare: Sequence[str], factor: float) -> None:
    """Print the medians of two commands, their ratio, and the target `factor x bare + 0.1 s`."""
    seconds(ours), seconds(bare)  # once to warm the caches
    pairs = [(seconds(ours), seconds(bare)) for _ in range(RUNS)]
    left, right = (median(side) for side in zip(*pairs, strict=True))
    target = factor * right + 0.1
    met = "met" if left <= target else "NOT met"
    print(  # noqa: T201 - a benchmark prints
        f"{name:42} {left:6.3f} s  bare {right:6.3f} s  ratio {left / right:5.2f}"
        f"  target {factor:g} x bare + 0.1 s = {target:.3f} s: {met}"
    )


def main() -> None:
    """Measure start-up, and a header check of a local Llama-2-7B-shaped folder."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "llama")
        shapes.write_repository(Path(model), shapes.LLAMA_2_7B, shapes.llama(shapes.LLAMA_2_7B, rotary=True), shards=2)
        verify = [python, "-m", "verify"]
        compare("verify --help", [*verify, "--help"], [python, "-c", "pass"], 3)
        check = [*verify, "check", model, "--evidence", "header", "--format", "json"]
        compare("verify check, Llama-2-7B headers to JSON", check, [python, "-c", BARE, model], 2)


if __name__ == "__main__":
    main()
