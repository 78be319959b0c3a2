"""What every kind of evidence yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from verify.tensor import Tensor


class Strength(StrEnum):
    """What a piece of evidence can prove; earlier is stronger."""

    HEADER = "header"  # names, shapes, dtypes of the stored tensors
    INDEX = "index"  # names of the stored tensors and recorded numbers
    TOTALS = "totals"  # recorded numbers only
    META = "meta"  # what the transformers implementation builds, not what a file holds


class DeclaredKind(StrEnum):
    """What a recorded number counts."""

    HUB_TOTAL = "hub_total"  # elements, as the Hub's API shows them
    TOTAL_PARAMETERS = "total_parameters"  # elements, as save_pretrained wrote them into the index
    DTYPE_TOTAL = "dtype_total"  # elements of one dtype
    COUNTED = "counted"  # elements, as a paper or a program counts them, by a convention of its own
    INDEX_BYTES = "index_total_size"  # bytes of data, as the index states them
    PAYLOAD_BYTES = "payload_bytes"  # bytes of data, summed over the headers
    STORAGE_BYTES = "storage_bytes"  # bytes of data where tensors may share it, each byte once
    FILE_BYTES = "file_bytes"  # sizes of the weight files, their headers included


class Declared(msgspec.Struct, frozen=True):
    """A number that somebody recorded about a checkpoint.

    Attributes:
        kind: What it counts.
        value: The number; elements or bytes, as `kind` says.
        source: Who recorded it, and where.
        dtype: The element type, for `DTYPE_TOTAL`.
        note: What else was recorded with it.
    """

    kind: DeclaredKind
    value: int
    source: str
    dtype: str = ""
    note: str = ""


class Problem(msgspec.Struct, frozen=True):
    """Two parts of a checkpoint that contradict each other.

    Attributes:
        subject: The tensor or file that it is about.
        message: What was found and what was expected.
        fatal: Whether it makes the checkpoint wrong, rather than a number in it.
    """

    subject: str
    message: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one checkpoint.

    Attributes:
        model: The model as the user named it, without a revision.
        strength: What it can prove.
        source: `local`, `hub`, `recorded` or `meta`.
        where: The folder, address or record file that it was read from.
        config: The parsed config.json.
        revision: The commit it was read at, or "".
        tensors: The stored tensors, with shapes; empty where none are known.
        names: Names of the stored tensors where only those were recorded.
        declared: Recorded numbers.
        problems: Contradictions found while reading.
        note: Why this evidence was used, in one sentence, where that is not obvious.
    """

    model: str
    strength: Strength
    source: str
    where: str
    config: Mapping[str, object] = field(default_factory=dict)
    revision: str = ""
    tensors: tuple[Tensor, ...] = ()
    names: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()
    problems: tuple[Problem, ...] = ()
    note: str = ""
