"""What a check takes of memory and how it ends, whatever a header holds: at most 300 MB, base and report included."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from verify.evidence.safetensors import MAX_HEADER_LENGTH
from verify.evidence.weights import CONFIG_LIMIT

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 32,
}
LIMIT = 300_000_000

#: Runs a check and says at the end what it took at most, in bytes. On Linux, ru_maxrss begins with what the process
#: had that started this one; elsewhere there is nothing else to ask.
RUN = """
import os, resource, sys
from verify.cli import main
code = main(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
if os.path.exists("/proc/self/status"):
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
sys.stderr.write(f"{code} {peak}")
"""


def tensors(count: int, name: Callable[[int], str]) -> bytes:
    """A header of tensors of two bytes each."""
    members = (
        f'"{name(place)}":{{"dtype":"U8","shape":[2,1],"data_offsets":[{2 * place},{2 * place + 2}]}}'
        for place in range(count)
    )
    return f"{{{','.join(members)}}}".encode()


def filled(before: bytes, filling: bytes, after: bytes, length: int = MAX_HEADER_LENGTH) -> bytes:
    """A text of the greatest length that is allowed, for a header unless said otherwise."""
    count = (length - len(before) - len(after)) // len(filling)
    return before + filling * count + after


ONE = '"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]'

#: As large as is accepted: the names are those of a real model, but none of them is one that a family knows.
ACCEPTED = {
    "names of real length": lambda: tensors(150_000, "model.layers.{}.unknown.weight".format),
    "long names": lambda: tensors(26_000, lambda place: "a" * 1000 + str(place)),
    "wide names": lambda: tensors(6_500, lambda place: "\u202e" * 1000 + str(place)),
}

REFUSED = {
    "a million tensors": lambda: tensors(1_000_000, "model.layers.{}.weight".format),
    "one name": lambda: filled(b'{"', b"a", f'":{ONE[4:]}}}}}'.encode()),
    "one name of escapes": lambda: filled(b'{"', b'\\"', f'":{ONE[4:]}}}}}'.encode()),
    "one shape": lambda: filled(b'{"a":{"dtype":"U8","data_offsets":[0,0],"shape":[0', b",300", b"]}}"),
    "one text": lambda: filled('{"__metadata__":{"a":"\U0001f600'.encode(), b"x", b'"}}'),
    "brackets": lambda: filled(b'{"a":', b"[", b""),
    "blanks": lambda: filled(b"{", b" ", b"}"),
    "commas": lambda: filled(b"{", b",", b"}"),
    "numbers": lambda: filled(b"{", b'"a":1,', b'"b":1}'),
    "zeros": lambda: filled(b"", b"\0", b""),
}


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Callable[[bytes], tuple[int, int, str]]]:
    """Check a model with a header: exit code, peak of memory in bytes, what it complained of."""
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    path = folder / "model.safetensors"

    def run(header: bytes) -> tuple[int, int, str]:
        with path.open("wb") as stream:
            stream.write(len(header).to_bytes(8, "little"))
            stream.write(header)
            stream.truncate(8 + len(header) + 2 * header.count(b'"dtype"'))
        del header
        command = [sys.executable, "-c", RUN, "check", str(folder), "--evidence", "header", "--format", "json"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        *said, last = done.stderr.split("\n")
        code, peak = last.split()
        return int(code), int(peak), "\n".join(said)

    yield run
    path.unlink()


def test_the_longest_config_that_is_read_takes_little_memory(
    tmp_path: Path, check: Callable[[bytes], tuple[int, int, str]]
) -> None:
    config = filled(b'{"model_type":"llama","a":[{}', b",{}", b"]}", CONFIG_LIMIT)
    (tmp_path / "m" / "config.json").write_bytes(config)
    code, peak, said = check(b"{}")
    assert (code, said.startswith("verify: error: hidden_size is missing")) == (3, True)
    assert peak < LIMIT


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_largest_header_that_is_accepted_takes_little_memory(
    kind: str, check: Callable[[bytes], tuple[int, int, str]]
) -> None:
    code, peak, said = check(ACCEPTED[kind]())
    assert (code, said) == (1, "")
    assert peak < LIMIT


@pytest.mark.parametrize("kind", REFUSED)
def test_a_header_of_100_mb_is_refused_in_little_memory(
    kind: str, check: Callable[[bytes], tuple[int, int, str]]
) -> None:
    code, peak, said = check(REFUSED[kind]())
    assert code == 3
    assert said.startswith("verify: error: ")
    assert "\n" not in said
    assert peak < LIMIT
