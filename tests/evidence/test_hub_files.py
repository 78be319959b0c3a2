"""Every format through a repository of the Hub: the same as from a folder, by few requests."""

import json
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hub import shapes
from hub.server import Hub
from hub.shapes import Stored

from verify.errors import AccessError, NetworkError, NotFoundError, UsageError
from verify.evidence import hub as remote
from verify.evidence import hub_files, hub_progress, hub_session, local
from verify.evidence.base import DeclaredKind
from verify.evidence.files import whole
from verify.evidence.hub_cache import Cache
from verify.evidence.hub_files import HubFiles, Pinned
from verify.evidence.hub_http import Http
from verify.evidence.hub_progress import Status

MODEL = "owner/name"
GOOD = "hf_good"
TWO = [Stored("a", "F32", (2, 3)), Stored("b", "BF16", (5,))]
UNKEPT = Cache(None, "")


def of_storage(hub: Hub) -> list[str]:
    return [request.range for request in hub.requests if request.origin == "cdn"]


def files(hub: Hub, folder: Path, cache: Cache = UNKEPT, *, listed: bool = True) -> HubFiles:
    """The files of a repository that holds what a folder does."""
    commit = hub.add(MODEL, folder).refs["main"]
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size if listed else None
        for path in folder.rglob("*")
        if path.is_file()
    }
    return HubFiles(Pinned(hub.url, MODEL, commit, sizes), cache, Http({}, 10.0), Status(MODEL))


def fp16(folder: Path) -> str:
    shapes.write_safetensors(folder / "model.fp16.safetensors", TWO)
    return "model.fp16.safetensors"


def subfolder(folder: Path) -> str:
    (folder / "unet").mkdir()
    (folder / "unet" / "config.json").write_text('{"in": "folder"}')
    shapes.write_safetensors(folder / "unet" / "diffusion_pytorch_model.safetensors", TWO)
    return "unet/diffusion_pytorch_model.safetensors"


def variant(folder: Path) -> str:
    names = [f"model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name, tensor in zip(names, TWO, strict=True):
        shapes.write_safetensors(folder / name, [tensor])
    index = {"metadata": {}, "weight_map": {tensor.name: name for name, tensor in zip(names, TWO, strict=True)}}
    (folder / "model.safetensors.index.fp16.json").write_text(json.dumps(index))
    return "model.safetensors.index.fp16.json"


def torch_zip(folder: Path) -> str:
    import torch

    torch.save({"a": torch.zeros(2, 3), "b": torch.zeros(400, 100, dtype=torch.bfloat16)}, folder / "pytorch_model.bin")
    return "pytorch_model.bin"


def gguf(folder: Path) -> str:
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(folder / "model.gguf", "llama")
    writer.add_block_count(1)
    writer.add_tensor("token_embd.weight", np.zeros((64, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return "model.gguf"


@pytest.mark.parametrize("write", [fp16, subfolder, variant, torch_zip, gguf])
def test_format_is_read_as_from_a_folder(hub: Hub, tmp_path: Path, write: Callable[[Path], str]) -> None:
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 1}')
    file = write(tmp_path)
    hub.add(MODEL, tmp_path)
    found, expected = remote.read(MODEL, file=file), local.read(tmp_path, model=MODEL, file=file)
    assert found.tensors
    assert (found.tensors, found.config, found.problems) == (expected.tensors, expected.config, expected.problems)
    assert [value for value in found.declared if value.kind is not DeclaredKind.FILE_BYTES] == [
        value for value in expected.declared if value.kind is not DeclaredKind.FILE_BYTES
    ]
    assert "read by range requests" in found.note
    hub.requests.clear()
    assert remote.read(MODEL, file=file) == found
    assert [request.path for request in hub.requests] == [f"/api/models/{MODEL}"]
    assert remote.read(MODEL, file=file, offline=True).tensors == found.tensors


def test_gguf_brings_its_own_config(hub: Hub, tmp_path: Path) -> None:
    gguf(tmp_path)
    hub.add(MODEL, tmp_path)
    evidence = remote.read(MODEL)
    assert evidence.config["num_hidden_layers"] == 1
    assert evidence.note.endswith("hyper-parameters from model.gguf itself")


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "a/../model.safetensors", "config.json"])
def test_file_that_is_no_weight_file_of_the_repository_is_refused(hub: Hub, folder: Path, file: str) -> None:
    hub.add(MODEL, folder)
    with pytest.raises(UsageError, match="--file"):
        remote.read(MODEL, file=file)
    assert len(hub.requests) == 1


def test_file_that_is_not_there(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    with pytest.raises(NotFoundError, match=r"no model.fp16.safetensors; expected one of model-00001-of-00002"):
        remote.read(MODEL, file="model.fp16.safetensors")


@pytest.mark.parametrize("seed", range(4))
def test_reads_of_any_place_and_length_give_what_the_file_holds(hub: Hub, tmp_path: Path, seed: int) -> None:
    """Law: `read(file, start, length)` is `bytes[start : start + length]`, from the network and from the cache."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    (tmp_path / "m").mkdir()
    data = chance.randbytes(700_000)
    (tmp_path / "m" / "x.gguf").write_bytes(data)
    places = [(chance.randrange(710_000), chance.choice([0, 1, 8, 5000, 300_000])) for _ in range(40)]
    kept = Cache(tmp_path / "kept", "")
    for _ in range(2):
        read = files(hub, tmp_path / "m", kept)
        for start, length in places:
            assert read.read("x.gguf", start, length) == data[start : start + length]


def test_reading_on_takes_few_requests(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(bytes(10_000_000))
    read = files(hub, tmp_path)
    for start in range(0, 10_000_000, 1000):
        assert len(read.read("x.gguf", start, 1000)) == 1000
    # 128 KiB, as much again, and each time as much as all before: 2^7 x 128 KiB are 16 MiB, 4 MiB at once at most.
    assert len(of_storage(hub)) == 8


def test_what_is_held_in_memory_is_bounded(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_files, "_MOST_HELD", 300_000)
    for name in "abcd":
        (tmp_path / f"{name}.gguf").write_bytes(bytes(200_000))
    read = files(hub, tmp_path)
    for name in "abcd":
        read.read(f"{name}.gguf", 0, 9)
    assert sum(len(data) for held in read._held.values() for data in held.values()) == read._held_length <= 300_000
    assert read.read("a.gguf", 5, 9) == bytes(9)


def test_data_behind_a_header_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    shapes.write_safetensors(tmp_path / "model.safetensors", [Stored("a", "F32", (1000,))])
    read = files(hub, tmp_path)
    read.read("model.safetensors", 0, 8)
    ((held,),) = (pieces.values() for pieces in read._held.values())
    assert held == (tmp_path / "model.safetensors").read_bytes()[: len(held)]
    assert held.endswith((b"}", b" "))


# The first read takes 131,072 bytes, of which 8 are the length.
@pytest.mark.parametrize("length", [99_994, 131_063, 131_064, 131_065, 262_144, 1_000_000])
def test_header_around_the_first_read_is_read_whole(hub: Hub, tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    (tmp_path / "config.json").write_text("{}")
    shapes.write_safetensors(path, TWO, length=length)
    hub.add(MODEL, tmp_path)
    assert [tensor.name for tensor in remote.read(MODEL).tensors] == ["a", "b"]
    first = min(131_072, path.stat().st_size)
    assert of_storage(hub) == [f"bytes=0-{first - 1}", f"bytes=131072-{8 + length - 1}"][: 1 + (length > 131_064)]


def test_connections_are_kept_alive(hub: Hub, tmp_path: Path) -> None:
    tensors = [Stored(f"t{number}", "F32", (4,)) for number in range(60)]
    shapes.write_repository(tmp_path / "m", {}, tensors, shards=60)
    hub.add(MODEL, tmp_path / "m")
    hub.one_request = False
    assert len(remote.read(MODEL).tensors) == 60
    assert len(hub.requests) > 120
    # 32 threads, each with one to the Hub and one to the storage; and those of the index and the config.
    assert len({request.connection for request in hub.requests}) <= 70


def test_size_that_the_hub_does_not_list_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": 1}')
    read = files(hub, tmp_path, listed=False)
    assert read.size("config.json") == 8
    assert whole(read, "config.json", limit=9) == b'{"a": 1}'


def test_file_that_is_not_listed_is_not_asked_for(hub: Hub, folder: Path) -> None:
    with pytest.raises(NotFoundError, match="owner/name/none: no such file"):
        files(hub, folder).read("none", 0, 1)
    assert hub.requests == []


def test_empty_file_has_nothing_to_read(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").touch()
    assert files(hub, tmp_path).read("x.gguf", 0, 8) == b""
    assert hub.requests == []


def test_mirror_below_a_path_serves_all(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub.prefix = "/mirrors/hf"
    hub.one_request = False
    monkeypatch.setattr(constants, "ENDPOINT", hub.url + hub.prefix)
    hub.add(MODEL, folder).gated = True
    with pytest.raises(AccessError, match=rf"accept the conditions at {hub.url}/mirrors/hf/owner/name"):
        remote.read(MODEL)
    evidence = remote.read(MODEL, token=GOOD)
    assert evidence.tensors == local.read(folder, model=MODEL).tensors
    assert evidence.where == f"{hub.url}/mirrors/hf/{MODEL}"
    assert all(request.path.startswith("/mirrors/hf/") for request in hub.requests if request.origin == "hub")


def test_client_that_the_user_has_set_is_used(hub: Hub, folder: Path) -> None:
    import httpx2
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    seen: list[str] = []
    hub.add(MODEL, folder)
    assert hub_session.threads() == 64
    set_client_factory(lambda: httpx2.Client(event_hooks={"request": [lambda request: seen.append(request.url.path)]}))
    try:
        assert hub_session.threads() == 16
        remote.read(MODEL)
    finally:
        set_client_factory(default_client_factory)
    assert sorted(seen) == sorted(request.path for request in hub.requests)


def test_long_read_tells_how_far_it_is(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_progress, "_UNNOTICED", 0.0)
    monkeypatch.setattr(hub_progress, "_TELL_EVERY", 0.001)
    hub.add(MODEL, folder)
    hub.one_request = False
    told = {"owner/name: asking the Hub": threading.Event(), "of headers from": threading.Event()}

    def tell(line: str) -> None:
        for part, event in told.items():
            if part in line:
                event.set()

    def answer(path: str) -> None:
        # The server holds back what comes next until a line has told of what there is.
        if path == f"/api/models/{MODEL}":
            assert told["owner/name: asking the Hub"].wait(60)
        if path.endswith("00001-of-00002.safetensors"):
            assert told["of headers from"].wait(60)

    hub.on_answer = answer
    assert len(remote.read(MODEL, progress=tell).tensors) == 2


def test_short_read_tells_nothing(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_progress, "_UNNOTICED", 60.0)
    hub.add(MODEL, folder)
    lines: list[str] = []
    remote.read(MODEL, progress=lines.append)
    assert lines == []


def test_wait_that_the_server_asks_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from verify.evidence import hub_waits

    monkeypatch.setattr(hub_waits, "_now", lambda: 100.0)
    monkeypatch.setattr(hub_waits, "_resume", {})
    hub_waits.hold("http://hub", 30.0)
    status = Status("m")
    assert status.line() == "m: asking the Hub, waiting 30 s as the server asks"
    status.add("x", 1_500_000)
    assert status.line() == "m: 1.5 MB of headers from 1 file, waiting 30 s as the server asks"


def test_offline_opens_no_connection_for_a_size(hub: Hub, folder: Path) -> None:
    online = files(hub, folder)
    pinned = Pinned(hub.url, MODEL, online.pinned.commit, dict.fromkeys(online.sizes))
    with pytest.raises(NetworkError, match=r"^offline, and owner/name/config.json of"):
        HubFiles(pinned, UNKEPT, None, Status(MODEL)).size("config.json")
    assert hub.requests == []


def test_file_that_grows_meanwhile_is_refused(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(bytes(100))
    read = files(hub, tmp_path)
    os.truncate(path, 200)
    with pytest.raises(NetworkError, match="the server gives a size of 200 bytes, the file list 100"):
        read.read("x.gguf", 0, 8)
