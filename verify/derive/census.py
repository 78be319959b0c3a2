"""How many types of transformers have an exact derived formula: `make census` writes `reports/census.csv`.

transformers is imported once; each type is derived in a fork of that process, so that none can disturb another, and
is ended when its time is up. Rows that are already in the file are kept, so an interrupted census goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from verify.derive.building import classes, configurations
from verify.errors import VerifyError
from verify.evidence.meta import silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from verify.derive.formulas.formula import Derived

#: Kinds of which each type has a row; of the others a type has one row, for the class it prefers.
_EACH = ("causal", "seq2seq", "masked")
#: Results from best to worst; the first two are right.
RESULTS = ("exact", "piecewise", "unconfirmed", "failed", "unbuildable")
#: Seconds for one type.
LIMIT = 180.0
#: Seconds for the other booleans of one, after which its process ends and the library has the formula without them.
_WIDENING = 6
_POLL = 0.02
_LONGEST_CAUSE = 300


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one class.

    Attributes:
        type: The model type.
        kind: One of `verify.derive.building.classes.KINDS`.
        class_name: The class.
        result: One of `RESULTS`: a confirmed formula of one region, of several; a formula that is not confirmed; none;
            a class that cannot be built with its defaults.
        configurations: How many random configurations in a row were predicted.
        regions: How many regions the formula has.
        trace_seconds: Time of the first trace.
        seconds: Time in all.
        unvaried: The values of the formula that no configuration moved.
        cause: Why it is not exact; and where in the source.
    """

    type: str
    kind: str
    class_name: str = ""
    result: str = "failed"
    configurations: int = 0
    regions: int = 0
    trace_seconds: float = 0.0
    seconds: float = 0.0
    unvaried: str = ""
    cause: str = ""


def subjects(kinds: Sequence[str] = (), types: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """The types and kinds that a census has rows for, in a fixed order.

    Args:
        kinds: Only these; empty takes all.
        types: Only these; empty takes all.
    """
    listed = {kind: set(classes.types(kind)) for kind in classes.KINDS}
    found = []
    for name in types or classes.types(""):
        texts = [kind for kind in _EACH if name in listed[kind]]
        other = next((kind for kind in classes.KINDS if kind not in _EACH and name in listed[kind]), "base")
        found += [(name, kind) for kind in texts or (other,) if not kinds or kind in kinds]
    return tuple(found)


def row(name: str, kind: str, library: Path | None = None) -> Row:
    """Derive the formula of one class and say how it went; keep it in a library, where one is given."""
    began = time.perf_counter()
    traces: list[float] = []
    class_name = ""
    try:
        target = _target(name, kind)
        class_name = target.model_class.__name__
        derived = _derived(target, traces)
    except VerifyError as error:
        return _row(name, kind, class_name, "unbuildable", began, cause=str(error))
    if library:
        _shelve(target, derived, library)
    return _judged(name, kind, derived, traces, began)


def _shelve(target: classes.Target, derived: Derived, library: Path) -> None:
    """Keep a formula in the library; one that cannot be kept is left out of it, and its row is what it is."""
    from verify.derive.publish import publish

    with suppress(Exception):
        publish(target, derived, library)


def _target(name: str, kind: str) -> classes.Target:
    try:
        return classes.find(name, kind=kind)
    except VerifyError:
        if kind != "base":
            raise
        return classes.find(name)


def _derived(target: classes.Target, traces: list[float]) -> Derived:
    from verify.derive.confirming import confirm

    def timed(*arguments: object) -> object:
        began = time.perf_counter()
        try:
            return confirm.traced(*arguments)  # type: ignore[arg-type]
        finally:
            traces.append(time.perf_counter() - began)

    keywords = configurations.keywords(target.config_class)
    return confirm.derive(target, keywords, trace=timed)  # type: ignore[arg-type]


def _judged(name: str, kind: str, derived: Derived, traces: list[float], began: float) -> Row:
    from verify.derive.confirming.confirm import unvaried

    confirmation = derived.confirmation
    if not derived.regions:
        result = "failed"
    elif not confirmation.confirmed:
        result = "unconfirmed"
    else:
        result = "exact" if len(derived.regions) == 1 else "piecewise"
    where = f" ({confirmation.where})" if confirmation.where else ""
    return _row(
        name,
        kind,
        derived.class_name,
        result,
        began,
        configurations=confirmation.configurations,
        regions=len(derived.regions),
        trace_seconds=round(traces[0], 2) if traces else 0.0,
        unvaried=" ".join(unvaried(derived)),
        cause=confirmation.failure + where,
    )


def _row(name: str, kind: str, class_name: str, result: str, began: float, **more: object) -> Row:
    cause = " ".join(str(more.pop("cause", "")).split())[:_LONGEST_CAUSE]
    seconds = round(time.perf_counter() - began, 2)
    return Row(name, kind, class_name, result, seconds=seconds, cause=cause, **more)  # type: ignore[arg-type]


def run(
    wanted: Iterable[tuple[str, str]],
    *,
    seconds: float = LIMIT,
    workers: int = 2,
    memory: int = 0,
    library: Path | None = None,
) -> Iterator[Row]:
    """Derive the formulas of some classes, each in a fork of this process.

    Args:
        wanted: Types and kinds, as from `subjects`.
        seconds: The longest that one may take.
        workers: How many run at a time.
        memory: The most bytes of address space of one; 0 sets no limit.
        library: Where confirmed formulas are kept; None keeps none.

    Yields:
        The rows as they are done.
    """
    warm()
    queue = list(wanted)[::-1]
    running: dict[int, tuple[tuple[str, str], int, float]] = {}
    while queue or running:
        while queue and len(running) < workers:
            subject = queue.pop()
            child, pipe = _fork(subject, memory, library)
            running[child] = (subject, pipe, time.monotonic())
        for child, (subject, pipe, began) in list(running.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            late = time.monotonic() - began > seconds
            if not done and late:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            if done or late:
                del running[child]
                yield _answer(subject, pipe, f"not done after {seconds:g} s" if late else f"ended with status {status}")
        time.sleep(_POLL)


def warm() -> None:
    """Import what every derivation needs, before the first fork."""
    import torch
    import transformers.models.llama.modeling_llama
    import transformers.models.mixtral.modeling_mixtral  # noqa: F401 - its imports are what most models need

    from verify.derive.confirming import confirm  # noqa: F401 - to have them imported
    from verify.derive.regions import region  # noqa: F401 - to have them imported
    from verify.derive.tracing import trace  # noqa: F401 - to have them imported

    torch.set_num_threads(1)


def _fork(subject: tuple[str, str], memory: int, library: Path | None) -> tuple[int, int]:
    """Start one derivation; its row comes through the pipe as CSV."""
    readable, writable = os.pipe()
    child = os.fork()
    if child:
        os.close(writable)
        return child, readable
    code = 1
    try:
        os.close(readable)
        _bound(memory)
        with silence():
            found = row(*subject, library) if library else row(*subject)
        os.write(writable, _csv([found], header=False).encode())
        code = 0
        if library:
            _widen(*subject, library)
    except BaseException as error:  # noqa: BLE001 - a child never returns into the loop of its parent
        os.write(writable, _csv([Row(*subject, cause=_reason(error))], header=False).encode())
        code = 0
    finally:
        os._exit(code)


def _widen(name: str, kind: str, library: Path) -> None:
    """Add the formulas for other booleans to the library, in the time there is; the row is written already."""
    from verify.derive.publish import widen

    signal.alarm(_WIDENING)
    with suppress(Exception):
        widen(name, kind, library)


def _bound(memory: int) -> None:
    import resource

    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(devnull, stream)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST_CAUSE]


def _answer(subject: tuple[str, str], pipe: int, silent: str) -> Row:
    """The row that a child wrote, which is less than a pipe holds; or one that says that it wrote none."""
    with os.fdopen(pipe, "rb") as stream:
        text = stream.read().decode()
    return next(iter(_rows(text, header=False)), Row(*subject, cause=silent))


def load(path: Path) -> dict[tuple[str, str], Row]:
    """The rows of a file, by type and kind; none where there is no file."""
    if not path.exists():
        return {}
    return {(each.type, each.kind): each for each in _rows(path.read_text(), header=True)}


def save(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows, sorted; the file is there in full or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    ordered = sorted(rows, key=lambda each: (each.kind, each.type))
    beside.write_text(_csv(ordered, header=True))
    beside.replace(path)


def summary(rows: Iterable[Row]) -> str:
    """A table in Markdown: how many types of each kind have which result, and the times."""
    by_kind: dict[str, list[Row]] = {}
    for each in rows:
        by_kind.setdefault(each.kind, []).append(each)
    lines = [
        "| kind | built | exact | piecewise | unconfirmed | failed | not built | right | median trace | median total |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ordered = dict.fromkeys(kind for kind in (*_EACH, *classes.KINDS) if kind in by_kind)
    lines += [_line(kind, by_kind[kind]) for kind in ordered]
    everything = [each for group in by_kind.values() for each in group]
    return "\n".join([*lines, _line("all", everything)]) + "\n"


def _line(name: str, rows: list[Row]) -> str:
    results = Counter(each.result for each in rows)
    built = [each for each in rows if each.result != "unbuildable"]
    right = results["exact"] + results["piecewise"]
    share = f"{100 * right / len(built):.1f} %" if built else "-"
    times = [_median([getattr(each, key) for each in built]) for key in ("trace_seconds", "seconds")]
    counts = [results[result] for result in RESULTS]
    return (
        f"| {name} | {len(built)} | " + " | ".join([*map(str, counts), share, *(f"{at:.2f} s" for at in times)]) + " |"
    )


def _median(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2] if numbers else 0.0


def _csv(rows: Iterable[Row], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(asdict(each) for each in rows)
    return text.getvalue()


def _rows(text: str, *, header: bool) -> Iterator[Row]:
    names = None if header else [field.name for field in fields(Row)]
    for each in csv.DictReader(io.StringIO(text), names):
        yield Row(
            each["type"],
            each["kind"],
            each["class_name"],
            each["result"],
            int(each["configurations"]),
            int(each["regions"]),
            float(each["trace_seconds"]),
            float(each["seconds"]),
            each["unvaried"],
            each["cause"],
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a census and write its summary to stdout."""
    parser = argparse.ArgumentParser(prog="python -m verify.derive.census", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("reports/census.csv"), metavar="FILE")
    parser.add_argument("--types", default="", metavar="A,B", help="only these, again where they have a row")
    parser.add_argument("--kinds", default="", metavar="A,B", help=f"of {', '.join(classes.KINDS)}")
    parser.add_argument("--seconds", type=float, default=LIMIT, help="the longest that one type may take")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--library", type=Path, metavar="DIR", help="keep confirmed formulas there, one file each")
    options = parser.parse_args(arguments)
    types, kinds = (tuple(filter(None, text.split(","))) for text in (options.types, options.kinds))
    rows = load(options.output)
    wanted = [each for each in subjects(kinds, types) if types or each not in rows]
    for done in run(wanted, seconds=options.seconds, workers=options.workers, library=options.library):
        rows[done.type, done.kind] = done
        save(options.output, rows.values())
        sys.stderr.write(f"{done.type} {done.kind} {done.result} {done.seconds} {done.cause[:100]}\n")
    sys.stdout.write(summary(rows.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
