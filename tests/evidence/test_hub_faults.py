"""What goes wrong on the network: each fault is mended by another attempt, or told in one line in a bounded time."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hub import shapes
from hub.faults import DRIP, Fault
from hub.server import Hub
from hub.shapes import Stored

from verify.errors import EvidenceError, NetworkError, NotFoundError
from verify.evidence import hub as remote
from verify.evidence import hub_early, hub_waits, local
from verify.evidence.hub_http import Http

if TYPE_CHECKING:
    from evidence.conftest import Clock

MODEL = "owner/name"
FIRST = "model-00001-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
CONNECTION = ["drop", "cut", "short"]
RANGES = ["less", "shifted", "nowhere", "zip", "gzip"]


@pytest.mark.usefixtures("_either_client")
@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(kind, origin="cdn") for kind in (*CONNECTION, *RANGES)),  # type: ignore[arg-type]
        *(Fault(kind, path="config.json") for kind in CONNECTION),  # type: ignore[arg-type]
        *(Fault(kind, path=MODEL) for kind in CONNECTION),  # type: ignore[arg-type]
        *(Fault(kind, path=INDEX) for kind in CONNECTION),  # type: ignore[arg-type]
        Fault("whole", origin="cdn"),
        Fault("zip", path="config.json"),
        *(Fault("status", times=4, path="config.json", status=status) for status in (500, 502, 503, 504, 408, 429)),
        Fault("status", times=2, status=500, origin="cdn"),
        Fault("status", status=429, origin="cdn"),
        Fault("status", status=416, origin="cdn"),
        Fault("status", status=416, origin="cdn", headers={"Content-Range": "bytes */9999"}),
        Fault("status", status=403, origin="cdn"),
        Fault("status", status=401, origin="cdn"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.path or fault.origin}-{fault.status}",
)
def test_passing_fault_is_mended_by_another_attempt(ranges: Hub, folder: Path, fault: Fault) -> None:
    passing = replace(fault)
    ranges.fail(passing)
    assert remote.read(MODEL).tensors == local.read(folder, model=MODEL).tensors
    assert passing.times == 0


@pytest.mark.usefixtures("_either_client")
@pytest.mark.parametrize("kind", ["drop", "short", "gzip", "status"])
def test_one_request_answer_that_fails_is_replaced_by_ranges(hub: Hub, folder: Path, clock: "Clock", kind: str) -> None:
    hub.add(MODEL, folder)
    fault = Fault(kind, times=9, path="safetensors-metadata/" + INDEX, status=503)  # type: ignore[arg-type]
    hub.fail(fault)
    evidence = remote.read(MODEL)
    assert evidence.tensors == local.read(folder, model=MODEL).tensors
    assert len(clock.waits) <= 1
    # The answer is JSON, which may be compressed.
    assert ("range requests" in evidence.note) == (kind != "gzip")


@pytest.mark.usefixtures("_either_client")
@pytest.mark.parametrize("kind", [*CONNECTION, *RANGES])
def test_storage_that_never_mends_is_named_without_its_signature(ranges: Hub, kind: str) -> None:
    ranges.fail(Fault(kind, times=99, origin="cdn"))  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match=r"model-0000\d-of-00002.safetensors: .*, 5 times") as caught:
        remote.read(MODEL)
    assert "Signature" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_either_client")
@pytest.mark.parametrize("status", [400, 401, 403])
def test_signature_that_has_run_out_is_asked_for_again(ranges: Hub, status: int) -> None:
    ranges.fail(Fault("status", times=99, status=status, origin="cdn"))
    with pytest.raises(NetworkError, match=rf"the storage that the Hub leads to answers {status}, 2 times"):
        remote.read(MODEL)
    asked = [request for request in ranges.requests if request.path.endswith(FIRST) and request.origin == "hub"]
    assert [request.status for request in asked][:2] == [302] * len(asked[:2])


@pytest.mark.parametrize("path", [MODEL, "config.json", FIRST])
def test_server_that_keeps_failing_is_left_after_five_attempts(ranges: Hub, path: str) -> None:
    ranges.fail(Fault("status", status=502, times=99, path=path, origin="hub"))
    with pytest.raises(NetworkError, match=rf"{path}: the server answers 502, 5 times; check the network"):
        remote.read(MODEL)
    # Before the commit was known, it was asked for once.
    asked = [request.path for request in ranges.requests if request.path.endswith(path)]
    assert len([each for each in asked if "/resolve/main/" not in each]) == 5


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"RateLimit": '"api";r=0;t=9'}, 9.0),
        ({"RateLimit": '"api";r=3;t=9'}, 0.5),
        ({"Retry-After": "soon"}, 0.5),
        ({"Retry-After": "9" * 400}, 0.5),
        ({}, 0.5),
    ],
)
def test_server_says_how_long_to_wait(ranges: Hub, clock: "Clock", headers: dict[str, str], wait: float) -> None:
    ranges.fail(Fault("status", status=429, path=MODEL, headers=headers))
    remote.read(MODEL)
    assert clock.waits == [wait]


def test_moment_that_has_passed_is_not_waited_for(ranges: Hub, clock: "Clock") -> None:
    passed = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    ranges.fail(Fault("status", status=503, path=MODEL, headers=passed))
    remote.read(MODEL)
    assert clock.waits == []


def test_waits_double(ranges: Hub, clock: "Clock") -> None:
    ranges.fail(Fault("status", status=503, times=4, path=MODEL))
    remote.read(MODEL)
    assert clock.waits == [0.5, 1.0, 2.0, 4.0]


def test_waits_differ_from_thread_to_thread(clock: "Clock", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_waits, "_random", lambda: 0.5)
    hub_waits.pause(threading.Event(), 2.0)
    hub_waits.pause(threading.Event(), 60.0)
    assert clock.waits == [2.25, 60.5]


def test_whoever_asks_a_crowded_server_next_waits(ranges: Hub, clock: "Clock") -> None:
    ranges.fail(Fault("status", status=429, path="/one", headers={"Retry-After": "7"}))
    with pytest.raises(NetworkError, match=r"answers 429, 1 times"):
        Http({}, 10.0).read(f"{ranges.url}/one", limit=9, tries=1)
    assert clock.waits == []
    remote.read(MODEL)
    assert clock.waits == [7.0]


def test_server_that_asks_for_an_hour_is_not_waited_for(ranges: Hub, clock: "Clock") -> None:
    ranges.fail(Fault("status", status=429, times=99, path=MODEL, headers={"Retry-After": "3600"}))
    with pytest.raises(NetworkError, match=r"answers 429, and it asks to wait 3600 s; try again after that"):
        remote.read(MODEL)
    with pytest.raises(NetworkError, match=r"^127.0.0.1 asks to wait 3600 s; try again after that"):
        remote.read("owner/other")
    assert clock.waits == []
    assert [request.path for request in ranges.requests].count(f"/api/models/{MODEL}") == 1


@pytest.mark.usefixtures("_either_client")
@pytest.mark.parametrize("path", [MODEL, "config.json", INDEX])
@pytest.mark.parametrize("kind", ["stall", "drip", "dribble"])
def test_slow_server_is_left_in_time(
    hub: Hub, folder: Path, path: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No step meets its timeout of 8 bytes that drip; the whole request has 6 times that.
    (folder / "config.json").write_text('{"long": "' + 999 * "x" + '"}')
    monkeypatch.setattr(hub_waits, "FIRST_PAUSE", 0.0)
    hub.add(MODEL, folder)
    hub.one_request = False
    hub.fail(Fault(kind, times=99, path=path))  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match=rf"{path}: (no answer in time|only \d+ bytes arrived|no whole answer)"):
        remote.read(MODEL, timeout=8 * DRIP)


@pytest.mark.usefixtures("_either_client")
def test_headers_that_do_not_end_are_left_behind(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    # A minute of headers, of which each byte comes in time.
    hub.fail(Fault("dribble", path=MODEL, headers={"X-Long": int(60 / DRIP) * "x"}))
    with pytest.raises(NetworkError, match=r"owner/name: no whole answer within 0.48 s; check the network"):
        remote.read(MODEL, timeout=8 * DRIP)


def test_long_answer_is_not_taken_for_a_slow_one(clock: "Clock") -> None:
    budget = hub_waits.Budget(10.0)
    clock.now = 50.0
    budget.receive(100 * hub_waits.SLOWEST)
    clock.now = 150.0
    assert budget.left == 10.0


@pytest.mark.usefixtures("_either_client")
@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("", "more than 10 redirects"),
        ("ftp://127.0.0.1/x", "redirected to 'ftp'; expected https"),
        ("file:///etc/passwd", "redirected to 'file'; expected https"),
    ],
)
def test_redirect_that_leads_nowhere_is_left(ranges: Hub, location: str, says: str) -> None:
    ranges.fail(Fault("status", status=302, times=99, path="config.json", headers={"Location": location}))
    with pytest.raises(NetworkError, match=says):
        remote.read(MODEL)


def test_redirects_in_a_circle_of_two_are_left(ranges: Hub) -> None:
    there = {"Location": f"{ranges.cdn_url}/back"}
    ranges.fail(Fault("status", status=302, times=99, path="config.json", headers=there))
    ranges.fail(Fault("status", status=302, times=99, path="/back", headers={"Location": f"{ranges.url}/config.json"}))
    with pytest.raises(NetworkError, match="more than 10 redirects"):
        remote.read(MODEL)


@pytest.mark.parametrize("kind", ["body", "status"])
def test_answer_without_end_is_left(hub: Hub, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(MODEL, folder)
    monkeypatch.setattr(hub_early, "LIMIT", 2000)
    hub.fail(Fault(kind, 2, path="safetensors-metadata/" + INDEX, status=200, body=b" " * 2001))  # type: ignore[arg-type]
    assert "by range requests" in remote.read(MODEL).note


def test_config_that_is_longer_than_listed_is_left(ranges: Hub) -> None:
    ranges.fail(Fault("body", 2, path="config.json", body=b" " * 2001))
    with pytest.raises(NetworkError, match=r"config.json: more than 19 bytes; expected a small JSON file"):
        remote.read(MODEL)


@pytest.mark.parametrize("length", [1000, 300_000])
def test_server_that_ignores_ranges_is_left_as_soon_as_the_header_is_there(
    hub: Hub, tmp_path: Path, length: int
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    shapes.write_safetensors(folder / "model.safetensors", [Stored("a", "F32", (1 << 34,))], length=length)
    hub.add(MODEL, folder)
    hub.fail(Fault("whole", times=9, origin="cdn"))
    (tensor,) = remote.read(MODEL).tensors
    assert tensor.elements == 1 << 34
    # What fits into the buffers between the two is sent, of 64 GiB.
    assert sum(request.sent for request in hub.requests if request.origin == "cdn") < 1 << 26


def test_end_of_a_large_file_is_not_read_over_gigabytes(hub: Hub, tmp_path: Path, clock: "Clock") -> None:
    shapes.write_safetensors(tmp_path / "model.safetensors", [Stored("a", "F32", (1 << 34,))])
    sha = hub.add(MODEL, tmp_path).refs["main"]
    hub.fail(Fault("whole", times=9, origin="cdn"))
    with pytest.raises(NetworkError, match=r"the server sends all from the first, 5 times"):
        Http({}, 10.0).read_range(f"{hub.url}/{MODEL}/resolve/{sha}/model.safetensors", 1 << 35, 99)
    assert sum(clock.waits) == 7.5


def test_file_that_is_gone_is_named(ranges: Hub, folder: Path) -> None:
    def remove(path: str) -> None:
        if path == f"/api/models/{MODEL}":
            (folder / FIRST).unlink()

    ranges.on_answer = remove
    with pytest.raises(NotFoundError, match=rf"{MODEL}/{FIRST}: the Hub lists it, and does not have it"):
        remote.read(MODEL)


def test_file_whose_size_is_not_the_listed_one_is_refused(ranges: Hub, folder: Path) -> None:
    ranges.on_answer = lambda path: os.truncate(folder / FIRST, 100) if path == f"/api/models/{MODEL}" else None
    with pytest.raises(NetworkError, match=rf"{FIRST}: the server gives a size of 100 bytes, the file list \d+"):
        remote.read(MODEL)


def test_branch_that_moves_between_two_shards_is_read_at_the_first_commit(
    ranges: Hub, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shapes.write_repository(other, {}, [Stored("a", "F32", (7, 7)), Stored("b", "BF16", (9,))], shards=2)
    before = ranges.add(MODEL, folder).refs["main"]
    ranges.on_answer = lambda path: ranges.add(MODEL, other) if path.endswith(FIRST) else None
    evidence = remote.read(MODEL)
    assert evidence.revision == before
    assert evidence.tensors == local.read(folder, model=MODEL).tensors
    assert remote.read(MODEL).revision != before


def test_server_that_answers_with_another_commit_is_refused(ranges: Hub) -> None:
    ranges.fail(Fault("body", 2, "config.json", headers={"X-Repo-Commit": "f" * 40}, body=b'{"model_type": "x"}'))
    with pytest.raises(NetworkError, match=r"config.json: the server answers with commit 'ffff"):
        remote.read(MODEL)


def test_no_connection(monkeypatch: pytest.MonkeyPatch, clock: "Clock") -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(
        NetworkError, match=r"no connection to 127.0.0.1 .*, 2 times; check the network and HF_ENDPOINT"
    ):
        remote.read(MODEL)
    assert clock.waits == [0.5]


@pytest.mark.parametrize("endpoint", ["http://", "gopher://x", "127.0.0.1", "http://\0"])
def test_endpoint_that_is_none(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    with pytest.raises(NetworkError, match="check HF_ENDPOINT"):
        remote.read(MODEL)


def test_every_message_is_one_line(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    hub.fail(Fault("status", status=418, headers={"X-Error-Message": "line one"}, path=MODEL))
    with pytest.raises(EvidenceError, match=r"the server answers 418") as caught:
        remote.read(MODEL)
    assert "\n" not in str(caught.value)


def test_one_failure_ends_the_whole_read(ranges: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()

    def wait(stopped: threading.Event, _: float) -> None:
        waiting.set()
        assert stopped.wait(60)

    def gone(path: str) -> Callable[..., object] | None:
        if path.endswith("00002-of-00009.safetensors"):
            assert waiting.wait(60)
        return None

    monkeypatch.setattr(hub_waits, "_pause", wait)
    tensors = [Stored(f"t{number}", "F32", (4,)) for number in range(9)]
    shapes.write_repository(tmp_path / "nine", {}, tensors, shards=9)
    ranges.add("owner/nine", tmp_path / "nine")
    ranges.fail(Fault("status", times=9, status=503, path="00001-of-00009.safetensors"))
    ranges.fail(Fault("status", times=9, status=404, path="00002-of-00009.safetensors"))
    ranges.on_answer = gone
    with pytest.raises(NotFoundError, match=r"00002-of-00009.safetensors: the Hub lists it, and"):
        remote.read("owner/nine")
