"""Parsing of safetensors headers; the malformed ones are in tests/hostile/."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hub.shapes import BITS, Stored, write_safetensors
from hypothesis import given
from hypothesis import strategies as st
from safetensors import deserialize
from safetensors.numpy import save

from verify.errors import FormatError
from verify.evidence import safetensors
from verify.tensor import DTYPES, Dtype, Tensor

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda name: name != "__metadata__")
shapes = st.lists(st.integers(0, 5), max_size=4)
types = {"BOOL": "bool", "U8": "uint8", "F16": "float16", "I32": "int32", "F32": "float32", "I64": "int64"}
dtypes = st.sampled_from(sorted(types))


def parse(data: bytes) -> safetensors.Header:
    length = safetensors.header_length(data[:8], where="f", size=len(data))
    return safetensors.parse(data[8 : 8 + length], file="f", size=len(data))


@given(st.dictionaries(names, st.tuples(dtypes, shapes), max_size=6), st.dictionaries(names, names, max_size=3))
def test_what_the_reference_writes_is_read_back(
    tensors: dict[str, tuple[str, list[int]]], metadata: dict[str, str]
) -> None:
    """Whatever the reference serialises, under any name, has the same names, dtypes, shapes and metadata here."""
    arrays = {name: np.zeros(shape, types[dtype]) for name, (dtype, shape) in tensors.items()}
    header = parse(save(arrays, metadata or None))
    assert {tensor.name: (tensor.dtype.name, list(tensor.shape)) for tensor in header.tensors} == tensors
    assert header.metadata == metadata
    assert header.payload == sum(array.nbytes for array in arrays.values())
    assert {tensor.file for tensor in header.tensors} <= {"f"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_has_the_size_that_the_reference_gives_it(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    bits = DTYPES[dtype].bits
    header = f'{{"a":{{"dtype":"{dtype}","shape":[8],"data_offsets":[0,{bits}]}}}}'.encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(bits))
    ((name, found),) = deserialize(path.read_bytes())
    assert (name, found["dtype"], found["shape"]) == ("a", dtype, [8])
    assert parse(path.read_bytes())[0] == (Tensor("a", DTYPES[dtype], (8,), "f"),)


def test_tensors_come_in_the_order_of_their_data() -> None:
    header = (
        b'{"z":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    )
    tensors = safetensors.parse(header, file="f", size=None).tensors
    assert [tensor.name for tensor in tensors] == ["a", "z"]


def test_without_a_size_the_end_of_the_data_is_not_checked() -> None:
    header = b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    assert safetensors.parse(header, file="f", size=None)[0] == (Tensor("a", Dtype("U8", 8), (4,), "f"),)
    with pytest.raises(FormatError, match=r"4 of data"):
        safetensors.parse(header, file="f", size=8 + len(header))


def test_messages_carry_the_path_and_tensors_the_plain_name() -> None:
    header = b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    assert safetensors.parse(header, file="f", size=None, where="/folder/f")[0][0].file == "f"
    with pytest.raises(FormatError, match=r"^/folder/f: "):
        safetensors.parse(header, file="f", size=1, where="/folder/f")


def test_longest_header_is_the_reference_limit() -> None:
    prefix = safetensors.MAX_HEADER_LENGTH.to_bytes(8, "little")
    assert safetensors.header_length(prefix, where="f") == 100_000_000
    with pytest.raises(FormatError, match=r"at most 100000000"):
        safetensors.header_length((safetensors.MAX_HEADER_LENGTH + 1).to_bytes(8, "little"), where="f")


def test_sparse_writer_of_the_tests_writes_what_the_reference_reads(tmp_path: Path) -> None:
    tensors = [Stored("a", "F16", (2, 3)), Stored("b", "F4", (6,)), Stored("c", "F32", ())]
    write_safetensors(tmp_path / "m.safetensors", tensors)
    found = {
        name: (entry["dtype"], tuple(entry["shape"]))
        for name, entry in deserialize((tmp_path / "m.safetensors").read_bytes())
    }
    assert found == {tensor.name: (tensor.dtype, tensor.shape) for tensor in tensors}
    assert all(DTYPES[name].bits == bits for name, bits in BITS.items())


def test_parsing_imports_neither_a_client_nor_numpy() -> None:
    code = (
        "import sys, verify.evidence.local, verify.evidence.hub;"
        "print(sorted({'huggingface_hub', 'httpx2', 'safetensors', 'numpy', 'torch'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
