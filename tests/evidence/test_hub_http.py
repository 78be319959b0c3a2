"""Reading over HTTP: ranges, redirects, and servers that fail."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hub import shapes
from hub.server import Fault, Hub, Request
from hub.shapes import Stored

from verify.errors import EvidenceError, NetworkError
from verify.evidence import hub as remote
from verify.evidence import local

MODEL = "owner/name"
TWO = [Stored("a", "F32", (2, 3)), Stored("b", "BF16", (5,))]
GOOD = "hf_good"
BAD = "hf_secret"
FIRST = "model-00001-of-00002.safetensors"


def single(folder: Path, tensors: list[Stored], *, length: int = 0) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    shapes.write_safetensors(folder / "model.safetensors", tensors, length=length)
    return folder


def of_storage(hub: Hub) -> list[Request]:
    return [request for request in hub.requests if request.origin == "cdn"]


# The first read takes 131,072 bytes, of which 8 are the length.
@pytest.mark.parametrize("length", [99_994, 99_999, 131_063, 131_064, 131_065, 131_072, 262_144, 1_000_000])
def test_header_around_the_first_read_is_read_whole(hub: Hub, tmp_path: Path, length: int) -> None:
    hub.add(MODEL, single(tmp_path / "m", TWO, length=length))
    assert [tensor.name for tensor in remote.read(MODEL).tensors] == ["a", "b"]
    expected = ["bytes=0-131071"] + ([f"bytes=131072-{8 + length - 1}"] if length > 131_064 else [])
    assert [request.range for request in of_storage(hub)] == expected


@pytest.mark.parametrize("length", [1000, 300_000])
def test_server_that_ignores_ranges_is_left_as_soon_as_the_header_is_there(
    hub: Hub, tmp_path: Path, length: int
) -> None:
    hub.add(MODEL, single(tmp_path / "m", [Stored("a", "F32", (1 << 34,))], length=length))
    hub.fail(Fault("whole", times=9, origin="cdn"))
    (tensor,) = remote.read(MODEL).tensors
    assert tensor.elements == 1 << 34
    # What fits into the buffers between the two is sent, of 64 GiB.
    assert sum(request.sent for request in of_storage(hub)) < 1 << 26


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", origin="cdn"),
        Fault("short", origin="cdn"),
        Fault("less", origin="cdn"),
        Fault("shifted", origin="cdn"),
        Fault("zip", origin="cdn"),
        Fault("drop", path="config.json"),
        Fault("status", times=4, path="config.json"),
        Fault("status", times=2, status=500, origin="cdn"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.path or fault.origin}",
)
def test_passing_fault_is_mended_by_another_attempt(ranges: Hub, folder: Path, fault: Fault) -> None:
    passing = replace(fault)
    ranges.fail(passing)
    assert remote.read(MODEL).tensors == local.read(folder, model=MODEL).tensors
    assert passing.times == 0


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"RateLimit": '"api";r=0;t=9'}, 9.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, 0.5),
        ({}, 0.5),
    ],
)
def test_server_says_how_long_to_wait(ranges: Hub, waits: list[float], headers: dict[str, str], wait: float) -> None:
    ranges.fail(Fault("status", status=429, path="config.json", headers=headers))
    remote.read(MODEL)
    assert waits == [wait]


def test_waits_double(ranges: Hub, waits: list[float]) -> None:
    ranges.fail(Fault("status", status=503, times=4, path="config.json"))
    remote.read(MODEL)
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_server_that_keeps_failing_is_left_after_five_attempts(ranges: Hub) -> None:
    ranges.fail(Fault("status", status=502, times=99, path="config.json"))
    with pytest.raises(NetworkError, match=r"config.json: the server answers 502, 5 times; check the network"):
        remote.read(MODEL)
    assert sum(request.status == 502 for request in ranges.requests) == 5


def test_server_that_asks_for_an_hour_is_not_waited_for(ranges: Hub, waits: list[float]) -> None:
    ranges.fail(Fault("status", status=429, times=99, path="config.json", headers={"Retry-After": "3600"}))
    with pytest.raises(NetworkError, match=r"answers 429, and it asks to wait 3600 s; try again after that"):
        remote.read(MODEL)
    assert waits == []


@pytest.mark.parametrize("kind", ["drop", "short", "less", "shifted", "zip"])
def test_storage_that_never_mends_is_named_without_its_signature(ranges: Hub, kind: str) -> None:
    ranges.fail(Fault(kind, times=99, origin="cdn"))  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match=r"model-0000\d-of-00002.safetensors: .*, 5 times") as caught:
        remote.read(MODEL)
    assert "Signature" not in str(caught.value)


def test_server_that_does_not_answer_is_left_in_time(ranges: Hub) -> None:
    ranges.fail(Fault("stall", times=99, origin="cdn"))
    with pytest.raises(NetworkError, match=r"the connection broke \(ReadTimeout\), 5 times"):
        remote.read(MODEL, timeout=0.05)


@pytest.mark.parametrize(
    ("location", "says"), [("", "more than 10 redirects"), ("ftp://127.0.0.1/x", "redirected to ftp; expected https")]
)
def test_redirect_that_leads_nowhere_is_left(ranges: Hub, location: str, says: str) -> None:
    ranges.fail(Fault("status", status=302, times=99, path="config.json", headers={"Location": location}))
    with pytest.raises(NetworkError, match=says):
        remote.read(MODEL)


def test_answer_without_end_is_left(ranges: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_JSON_LIMIT", 2000)
    ranges.fail(Fault("body", path="config.json", body=b" " * 2001))
    with pytest.raises(NetworkError, match=r"config.json: more than 2000 bytes; expected a small JSON file"):
        remote.read(MODEL)


def test_connections_are_kept_alive(hub: Hub, tmp_path: Path) -> None:
    tensors = [Stored(f"t{number}", "F32", (4,)) for number in range(60)]
    shapes.write_repository(tmp_path / "m", {}, tensors, shards=60)
    hub.add(MODEL, tmp_path / "m")
    hub.one_request = False
    assert len(remote.read(MODEL).tensors) == 60
    assert len(hub.requests) > 120
    assert len({request.connection for request in hub.requests}) <= 40


def test_token_opens_a_gated_repository_and_never_leaves_its_origin(ranges: Hub, folder: Path) -> None:
    ranges.add(MODEL, folder).gated = True
    assert len(remote.read(MODEL, token=GOOD).tensors) == 2
    assert {request.authorized for request in ranges.requests if request.origin == "hub"} == {True}
    assert {request.authorized for request in of_storage(ranges)} == {False}
    # A redirect inside the origin keeps it: without, the small files of a gated repository stay closed.
    assert any(request.path.startswith("/api/resolve-cache/") and request.authorized for request in ranges.requests)


def test_no_connection(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(
        NetworkError, match=r"no connection to 127.0.0.1 .*, 2 times; check the network and HF_ENDPOINT"
    ):
        remote.read(MODEL)
    assert waits == [0.5]


def test_every_message_is_one_line(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    hub.fail(Fault("status", status=418, headers={"X-Error-Message": "line one"}, path=MODEL))
    with pytest.raises(EvidenceError, match=r"the server answers 418") as caught:
        remote.read(MODEL)
    assert "\n" not in str(caught.value)


def test_file_whose_size_is_not_the_listed_one_is_refused(ranges: Hub, folder: Path) -> None:
    ranges.on_answer = lambda path: os.truncate(folder / FIRST, 500) if path == f"/api/models/{MODEL}" else None
    with pytest.raises(NetworkError, match=rf"{FIRST}: the server gives a size of 500 bytes, the file list \d+"):
        remote.read(MODEL)
