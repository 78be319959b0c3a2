"""PyTorch checkpoints: what torch.save wrote, read without torch, against torch.load and safetensors."""

import io
import json
import subprocess
import sys
import warnings
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from fuzz.torch_files import Memory, read, saved, unzipped, zipped
from huggingface_hub import split_torch_state_dict_into_shards

from verify.errors import FormatError, NotFoundError
from verify.evidence import safetensors as headers
from verify.evidence import torch_zip
from verify.evidence.base import DeclaredKind

WRITTEN = [
    *("float64", "float32", "float16", "bfloat16", "complex64", "int64", "int32", "int16", "int8"),
    *("uint64", "uint32", "uint16", "uint8", "bool", "float4_e2m1fn_x2"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
]
ONLY_TORCH = ["complex128", "complex32", "bits16", "bits8", "bits4x2", "bits2x4", "bits1x8"]


def shapes(data: bytes) -> dict[str, tuple[int, ...]]:
    """The tensors that torch loads, in their order."""
    loaded = torch.load(io.BytesIO(data), weights_only=True)
    return {name: tuple(value.shape) for name, value in loaded.items() if isinstance(value, torch.Tensor)}


def found(data: bytes) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tensor.shape for tensor in read(data).tensors}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_dtype_and_its_shape_are_those_that_safetensors_writes(name: str) -> None:
    value = {"w": torch.empty(3, 4, dtype=getattr(torch, name))}
    file = safetensors.torch.save(value)
    reference = headers.parse(file[8 : 8 + int.from_bytes(file[:8], "little")], file="x.bin", size=len(file))
    assert read(saved(value)).tensors == reference.tensors


@pytest.mark.parametrize("name", ONLY_TORCH)
def test_a_dtype_that_safetensors_lacks_has_the_width_of_torch(name: str) -> None:
    dtype = getattr(torch, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says, once, that complex32 is experimental
        value = {"w": torch.empty(3, 4, dtype=dtype)}
    (tensor,) = read(saved(value)).tensors
    assert (tensor.dtype.bits, tensor.shape) == (8 * dtype.itemsize, (3, 4))


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=torch.zeros(2, 3), b=torch.zeros(()), c=torch.zeros(0, 5)),
        {
            "parameter": torch.nn.Parameter(torch.zeros(4)),
            "frozen": torch.nn.Parameter(torch.zeros(1), requires_grad=False),
        },
        torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict(),
        torch.nn.Sequential(torch.nn.Linear(2, 3)).state_dict(keep_vars=True),
        torch.nn.LSTM(3, 4, 2).state_dict(),
        {"conjugate": (torch.zeros(3) * 1j).conj(), "negative": (torch.zeros(3) * 1j).conj().imag},
        {"strided": torch.zeros(6, 8)[::2, 1::3], "turned": torch.zeros(2, 3).T, "wide": torch.zeros(1).expand(3, 4)},
        {"näme \x1b[31m": torch.zeros(1), "": torch.zeros(2)},
        {"large": torch.zeros(300, 70_000, device="meta"), "step": 7, "rate": 1e-3, "of": [1, (2, None), "x", True]},
    ],
)
def test_names_and_shapes_are_those_that_torch_loads(value: object) -> None:
    data = saved(value)
    assert list(found(data).items()) == list(shapes(data).items())


def test_attributes_that_trainers_set_do_not_matter() -> None:
    parameter, tensor = torch.nn.Parameter(torch.zeros(2)), torch.zeros(3)
    parameter._is_hf_initialized = tensor.tensor_model_parallel = True  # type: ignore[attr-defined]
    data = saved({"p": parameter, "t": tensor})
    assert found(data) == shapes(data) == {"p": (2,), "t": (3,)}


@pytest.mark.parametrize("tied", [True, False])
def test_the_state_dict_of_a_transformer(tied: bool) -> None:  # noqa: FBT001 - a case
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=32,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config).bfloat16()
    weights = read(saved(model.state_dict()))
    expected = {name: (8 * each.element_size(), tuple(each.shape)) for name, each in model.state_dict().items()}
    assert {tensor.name: (tensor.dtype.bits, tensor.shape) for tensor in weights.tensors} == expected
    assert weights.problems == ()
    # model.parameters() has tied weights once, as the storages do.
    assert [number.value for number in weights.declared] == [2 * sum(each.numel() for each in model.parameters())]
    shared = "tensors that share their data: model.embed_tokens.weight with lm_head.weight"
    assert weights.note == (shared if tied else "")


def test_views_count_their_storage_once() -> None:
    base = torch.zeros(10, 4)
    weights = read(saved({"a": base[:6], "b": base[6:], "c": base[5:7], "d": base}))
    assert sum(tensor.bits for tensor in weights.tensors) == 32 * 4 * (6 + 4 + 2 + 10)
    assert [(number.kind, number.value) for number in weights.declared] == [(DeclaredKind.STORAGE_BYTES, 10 * 4 * 4)]
    assert weights.note == "tensors that share their data: a with d, c with d, b with d"
    apart = read(saved({"a": base[:6], "b": base[6:]}))
    assert apart.note == ""
    assert apart.declared[0].value == 160


def test_what_a_tensor_has_of_no_data_is_a_problem() -> None:
    weights = read(saved({"m": torch.zeros(5, device="meta"), "w": torch.zeros(2).expand(6, 2), "x": torch.zeros(2)}))
    assert [(each.subject, each.fatal, each.message) for each in weights.problems] == [
        ("m", True, "a tensor of the meta device: its data is in no file"),
        ("w", False, "48 bytes by its shape, 8 in the file: an expanded tensor"),
    ]


def test_a_storage_of_no_tensor_is_a_problem() -> None:
    records = unzipped(saved({"w": torch.zeros(2)}))
    (problem,) = read(zipped({**records, "archive/data/7": bytes(12)})).problems
    assert (problem.subject, problem.fatal) == ("archive/data/7", False)
    assert problem.message == "12 bytes in memory/x.bin of which no tensor is part"


MODEL = torch.nn.Linear(2, 3).state_dict()


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (MODEL, ""),
        ({"state_dict": MODEL}, "the tensors under state_dict"),
        ({"checkpoint": {"model": MODEL, "epoch": 3}}, "the tensors under checkpoint.model"),
        (
            {"model": MODEL, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []}},
            "the tensors under model; not counted: tensors under optimizer",
        ),
        (
            {"epoch": 1, "state_dict": MODEL, "callbacks": {"Best": {"score": torch.zeros(())}}, "loops": {}},
            "the tensors under state_dict; not counted: tensors under callbacks",
        ),
        ({**MODEL, "_extra_state": None, "step": 5}, "values that are no tensors: _extra_state, step"),
    ],
)
def test_the_one_dict_of_tensors_is_found(value: object, note: str) -> None:
    weights = read(saved(value))
    assert [(tensor.name, tensor.shape) for tensor in weights.tensors] == [("weight", (3, 2)), ("bias", (3,))]
    assert weights.note == note


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"generator": MODEL, "discriminator": MODEL}, "holds several dicts under generator, discriminator"),
        ({"w": torch.zeros(2), "more": MODEL}, "holds tensors, and more under more"),
        ({"model": MODEL, "ema": MODEL, "optimizer": MODEL}, "holds several dicts under model, ema"),
        ({"optimizer": MODEL}, "holds no tensors"),
        ({"epoch": 3}, "holds no tensors"),
        ({}, "holds no tensors"),
        (torch.zeros(2), "is no dict but a tensor"),
        ([MODEL], "is no dict but a list"),
        ({"layers": [torch.zeros(2), torch.zeros(3)]}, "under layers is no dict but a list"),
        ({0: torch.zeros(2)}, "has a key 0, which is no text"),
        ({"\ud800": torch.zeros(2)}, r"has a key '\ud800', which is no text"),
        ({"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": MODEL}}}}}}}}}, "is a dict within 8 dicts"),
    ],
)
def test_what_could_be_several_state_dicts_or_none_is_refused(value: object, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(saved(value))
    assert says in str(caught.value)
    assert str(caught.value).startswith("memory/x.bin: the object ")
    assert str(caught.value).endswith("; expected one dict of named tensors; save the state dict alone, as safetensors")


def shards(model: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """A checkpoint in shards, split by huggingface_hub as transformers and diffusers split it."""
    split = split_torch_state_dict_into_shards(model, filename_pattern="pytorch_model{suffix}.bin", max_shard_size=100)
    index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
    files = {
        file: saved({name: model[name].clone() for name in names}) for file, names in split.filename_to_tensors.items()
    }
    return files | {"pytorch_model.bin.index.json": json.dumps(index).encode()}


LAYERS = {f"layers.{number}.weight": torch.zeros(number + 1, 8) for number in range(6)}


@pytest.mark.parametrize("folder", ["", "text_encoder/"])
def test_shards_are_read_through_their_index(folder: str) -> None:
    files = Memory({folder + name: data for name, data in shards(LAYERS).items()})
    weights = torch_zip.read(files, folder + "pytorch_model.bin.index.json")
    assert {tensor.name: tensor.shape for tensor in weights.tensors} == {
        name: tuple(each.shape) for name, each in LAYERS.items()
    }
    assert len(weights.files) > 3
    assert (
        {tensor.file for tensor in weights.tensors}
        == set(weights.files)
        == {name for name in files.files if name.endswith(".bin")}
    )
    assert weights.problems == ()
    payload = 4 * 8 * sum(range(1, 7))
    assert [number.value for number in weights.declared] == [payload, payload]
    assert weights.size == sum(len(files.files[name]) for name in weights.files)


def test_shards_that_contradict_their_index_are_problems_and_absent_ones_an_error() -> None:
    files = shards(LAYERS)
    first, second, *_ = sorted(name for name in files if name.endswith(".bin"))
    swapped = Memory(files | {first: files[second], second: files[first]})
    problems = torch_zip.read(swapped, "pytorch_model.bin.index.json").problems
    assert problems
    assert all("but pytorch_model.bin.index.json names" in problem.message for problem in problems)
    with pytest.raises(NotFoundError, match=rf"memory/{second}: no such file; expected the \d shards"):
        torch_zip.read(
            Memory({name: data for name, data in files.items() if name != second}), "pytorch_model.bin.index.json"
        )


def test_little_is_read_and_no_data() -> None:
    data = saved({f"w{number}": torch.zeros(500_000) for number in range(40)})
    files = Memory({"x.bin": data})
    assert len(torch_zip.read(files, "x.bin").tensors) == 40
    assert files.reads == [("x.bin", 0, 65_536), ("x.bin", len(data) - 65_536, 65_536)]


def test_a_directory_and_a_pickle_longer_than_a_read_are_read_once_more() -> None:
    data = saved({f"model.layers.{number}.weight": torch.zeros(64) for number in range(1500)})
    files = Memory({"x.bin": data})
    assert len(torch_zip.read(files, "x.bin").tensors) == 1500
    assert len(files.reads) <= 5
    assert sum(length for *_, length in files.reads) < len(data) // 2


class Sparse(Memory):
    """One file that is too large for memory."""

    def __init__(self, path: Path) -> None:
        super().__init__({})
        self.path = path

    def size(self, file: str) -> int:
        return (self.path / file).stat().st_size

    def read(self, file: str, start: int, length: int) -> bytes:
        with (self.path / file).open("rb") as stream:
            stream.seek(start)
            return stream.read(length)


def test_archives_beyond_4_gb(tmp_path: Path) -> None:
    # Written by torch, with holes where the data would be, as the data has.
    with (tmp_path / "data").open("wb") as stream:
        stream.truncate(5 * 2**30)
    large = torch.from_file(str(tmp_path / "data"), size=5 * 2**28)
    value = {"a": large, "b": torch.zeros(3, dtype=torch.float16)}
    with torch.serialization.skip_data():
        torch.save(value, tmp_path / "x.bin")
    files = Sparse(tmp_path)
    assert files.size("x.bin") > 5 * 2**30
    weights = torch_zip.read(files, "x.bin")
    assert [(tensor.name, tensor.bits) for tensor in weights.tensors] == [("a", 5 * 2**33), ("b", 48)]


def test_a_packed_pickle_is_read_and_packed_storages_are_not() -> None:
    data = saved({"w": torch.zeros(1000)})
    records = unzipped(data)
    assert read(zipped(records, deflated=("archive/data.pkl",))).tensors == read(data).tensors
    with pytest.raises(FormatError, match="archive/data/0 is compressed; expected 4000 bytes stored there"):
        read(zipped(records, deflated=("archive/data/0",)))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty file; expected a zip archive of torch.save; download or save the file again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS, not the file;"),
        (saved(MODEL, _use_new_zipfile_serialization=False), "a file of PyTorch before 1.6, a bare pickle;"),
        (b"\x80\x02}q\0.", "a bare pickle, which may run anything;"),
        (safetensors.torch.save(MODEL), "a safetensors file; expected a zip archive of torch.save; rename it to"),
        (b"GGUF\3\0\0\0", "a GGUF file;"),
        (b"\x1f\x8b\x08", "a file packed with gzip;"),
        (bytes(257) + b"ustar\x0000", "a tar archive;"),
        (b"<!DOCTYPE html>", "15 bytes that begin with b'<!DOCTYP';"),
        (zipped({"weights.npy": b""}), "a zip archive with weights.npy outside of one folder;"),
        (zipped({"a/weights": b""}), "a zip archive with no a/data.pkl, or no version;"),
        (zipped({"a/data.pkl": b"", "b/version": b"3"}), "a zip archive with b/version outside of one folder;"),
    ],
)
def test_other_files_are_refused_by_name(data: bytes, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(data)
    assert str(caught.value).startswith(f"memory/x.bin: {says}")


def test_torchscript_is_refused_as_a_program() -> None:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it is on its way out
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(2)), file)
    with pytest.raises(FormatError, match="a TorchScript archive, which is a program; expected a state dict"):
        read(file.getvalue())


def quantised() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says, once, that these are on their way out
        return torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.qint8)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.nn.Linear(2, 3), "'torch.nn.modules.linear.Linear', which rebuilds no tensor"),
        ({"w": torch.zeros(3).to_sparse()}, "a sparse tensor"),
        (
            {"w": quantised()},
            "a tensor of torch.quantize_per_tensor",
        ),
        ({"w": torch.zeros(2), "s": {1, 2}}, "'__builtin__.set', which rebuilds no tensor"),
        ({"w": torch.zeros(2), (1, 2): 3}, "a dict with other keys than text and whole numbers"),
    ],
)
def test_what_is_more_than_plain_tensors_is_refused(value: object, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(saved(value))
    assert f": {says}" in str(caught.value)
    assert str(caught.value).startswith("memory/x.bin: data.pkl: before byte ")


def test_what_pytorch_saves_and_cannot_load_is_refused() -> None:
    eighth = torch.zeros(3).to(torch.float8_e4m3fn)
    data = saved({"w": eighth.requires_grad_()})
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        torch.load(io.BytesIO(data))
    with pytest.raises(FormatError, match="a tensor of F8_E4M3 that requires a gradient, which PyTorch saves and"):
        read(data)
    assert found(saved({"w": torch.nn.Parameter(eighth.detach())})) == {"w": (3,)}


def test_another_protocol_is_refused() -> None:
    with pytest.raises(FormatError, match=r"protocol 4, where torch\.save uses 2 unless told otherwise"):
        read(saved(MODEL, pickle_protocol=4))


def test_torch_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(saved(MODEL))
    code = """
import sys
from pathlib import Path
from verify.evidence import torch_zip

class Files:
    data = Path(sys.argv[1]).read_bytes()
    where = staticmethod(str)
    def size(self, file): return len(self.data)
    def read(self, file, start, length): return self.data[start : start + length]

print(len(torch_zip.read(Files(), "x.bin").tensors), "torch" in sys.modules)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "x.bin")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "2 False\n"
