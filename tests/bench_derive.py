"""Run times of derivation in a warm process: tracing a type, confirming it, and building its class as it is.

`make bench` prints medians and the worst, over every n-th causal type (`VERIFY_EVERY`, 1 takes all), each in a fork of
one process that has imported everything; and the same divided by the time of building the class once on the meta
device.
"""

import os
import sys
import time
from statistics import median

from verify.derive import census
from verify.derive.building import classes, configurations
from verify.derive.building.instances import instance
from verify.errors import VerifyError
from verify.evidence.meta import silence

EVERY = int(os.environ.get("VERIFY_EVERY", "6"))


def built(name: str) -> float:
    """Seconds that the real class takes on the meta device, at the defaults of its configuration."""
    target = classes.find(name, kind="causal")
    keywords = configurations.keywords(target.config_class)
    instance(target, keywords)  # what it imports
    start = time.perf_counter()
    instance(target, keywords)
    return time.perf_counter() - start


def say(line: str) -> None:
    """Print a line."""
    print(line)  # noqa: T201 - a benchmark prints


def main() -> None:
    """Measure tracing, confirming and building, and print them."""
    wanted = census.subjects(("causal",))[::EVERY]
    rows = [row for row in census.run(wanted, workers=1) if row.result in {"exact", "piecewise"}]
    building: list[float] = []
    with silence():
        for row in rows:
            try:
                building.append(built(row.type))
            except VerifyError as error:
                sys.exit(str(error))
    one = median(building)
    say(f"{len(rows)} causal types, confirmed on at least {min(row.configurations for row in rows)} configurations")
    times = {
        "building the class": building,
        "tracing": [row.trace_seconds for row in rows],
        "confirming": [row.seconds - row.trace_seconds for row in rows],
    }
    for name, seconds in times.items():
        worst, middle = max(seconds), median(seconds)
        say(f"{name:20} median {middle:6.2f} s ({middle / one:5.1f})  worst {worst:6.2f} s ({worst / one:6.1f})")


if __name__ == "__main__":
    main()
