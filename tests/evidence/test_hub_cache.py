"""What is kept of a Hub between two reads, and what is read offline."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hub import shapes
from hub.faults import Fault
from hub.server import Hub
from hub.shapes import Stored

from verify.errors import AccessError, FormatError, NetworkError, NotFoundError
from verify.evidence import hub as remote
from verify.evidence import hub_cache, local
from verify.evidence.hub_cache import Cache, Pieces, open_cache

MODEL = "owner/name"
GOOD = "hf_good"
PINS = [f"/api/models/{MODEL}"]


def paths(hub: Hub) -> list[str]:
    """What was asked for since the last time."""
    asked = [request.path for request in hub.requests]
    hub.requests.clear()
    return asked


def entries() -> list[Path]:
    from huggingface_hub import constants

    return [path for path in Path(constants.HF_ASSETS_CACHE).rglob("*") if path.is_file()]


@pytest.mark.parametrize("one_request", [True, False])
def test_second_read_asks_for_the_commit_alone(hub: Hub, folder: Path, *, one_request: bool) -> None:
    hub.add(MODEL, folder)
    hub.one_request = one_request
    first = remote.read(MODEL)
    assert len(paths(hub)) > 3
    second = remote.read(MODEL)
    assert paths(hub) == PINS
    assert second == first


def test_cached_one_request_answer_serves_other_names_of_its_commit(hub: Hub, folder: Path) -> None:
    sha = hub.add(MODEL, folder).refs["main"]
    first = remote.read(MODEL)
    paths(hub)
    assert remote.read(MODEL, revision=sha) == first
    assert paths(hub) == [f"/api/models/{MODEL}/revision/{sha}"]


def test_commit_that_is_new_is_read_anew(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.add(MODEL, folder)
    remote.read(MODEL)
    other = tmp_path / "other"
    shapes.write_repository(other, {"model_type": "y"}, [Stored("a", "F32", (9,)), Stored("c", "F32", (9,))], shards=2)
    hub.add(MODEL, other)
    evidence = remote.read(MODEL)
    assert evidence.tensors == local.read(other, model=MODEL).tensors
    assert evidence.config == {"model_type": "y"}


def test_without_a_cache_nothing_is_kept_and_nothing_is_taken(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    remote.read(MODEL, cache=False)
    assert entries() == []
    remote.read(MODEL)
    paths(hub)
    remote.read(MODEL, cache=False)
    assert len(paths(hub)) > 3


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: os.truncate(path, 20),
        lambda path: os.truncate(path, 3),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
    ],
    ids=["bit", "cut", "checksum", "empty", "tail"],
)
@pytest.mark.parametrize("one_request", [True, False])
def test_damaged_entry_is_read_again(
    hub: Hub, folder: Path, damage: Callable[[Path], object], *, one_request: bool
) -> None:
    hub.add(MODEL, folder)
    hub.one_request = one_request
    first = remote.read(MODEL)
    for path in entries():
        damage(path)
    assert remote.read(MODEL) == first
    paths(hub)
    hub.one_request = True
    assert remote.read(MODEL).tensors == first.tensors
    assert paths(hub) == PINS


def test_entry_of_another_file_commit_model_or_endpoint_is_none(tmp_path: Path) -> None:
    kept = Cache(tmp_path, "https://hub owner/name")
    kept.put("a" * 40, "x", b"data")
    (path,) = tmp_path.rglob("*.bin")
    path.with_name("y.bin").write_bytes(path.read_bytes())
    (tmp_path / ("b" * 40)).mkdir()
    (tmp_path / ("b" * 40) / path.name).write_bytes(path.read_bytes())
    assert kept.get("a" * 40, "x") == b"data"
    assert kept.get("a" * 40, "y") is None
    assert kept.get("b" * 40, "x") is None
    assert Cache(tmp_path, "https://hub owner/other").get("a" * 40, "x") is None
    assert Cache(tmp_path, "https://mirror owner/name").get("a" * 40, "x") is None


def test_short_pieces_are_one_entry_and_long_ones_their_own(tmp_path: Path) -> None:
    cache, commit, long = Cache(tmp_path, ""), "a" * 40, bytes(1 << 20)
    kept = Pieces(cache, commit)
    kept.put("x", b"1")
    kept.put("y", b"2")
    kept.put("long", long)
    kept.write()
    assert {path.name for path in tmp_path.rglob("*.bin")} == {"pieces.bin", "long.bin"}
    again = Pieces(cache, commit)
    assert [again.get(name) for name in ("x", "y", "long", "z")] == [b"1", b"2", long, None]
    again.put("z", b"3")
    again.write()
    assert Pieces(cache, commit).get("x") == b"1"
    assert Pieces(cache, commit).get("z") == b"3"


def test_one_entry_does_not_grow_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_cache, "_MOST_SHORT", 10)
    kept = Pieces(Cache(tmp_path, ""), "a" * 40)
    for name in "vwxyz":
        kept.put(name, b"1234")
    kept.write()
    assert {path.name for path in tmp_path.rglob("*.bin")} == {"pieces.bin", "x.bin", "y.bin", "z.bin"}
    assert [Pieces(Cache(tmp_path, ""), "a" * 40).get(name) for name in "vwxyz"] == [b"1234"] * 5


def test_what_was_read_before_a_failure_is_kept(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    hub.one_request = False
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    fault = Fault("status", times=99, status=404, origin="hub", path=second)
    hub.fail(fault)
    there = threading.Event()

    def second_waits(path: str) -> None:
        if path.endswith(first) and "resolve" not in path:
            there.set()
        elif path.endswith(second):
            there.wait(9)

    hub.on_answer = second_waits
    with pytest.raises(NotFoundError):
        remote.read(MODEL)
    fault.times = 0
    paths(hub)
    remote.read(MODEL)
    asked = paths(hub)
    assert [any(name in path for path in asked) for name in (first, second)] == [False, True]


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/etc/passwd", "a\0b", "C:\\x", "x" * 4000, "\n", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    kept = Cache(tmp_path / "kept", "")
    kept.put("a" * 40, name, b"data")
    assert kept.get("a" * 40, name) in {b"data", None}
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} <= {tmp_path / "kept" / ("a" * 40)}


def test_entries_are_where_huggingface_hub_has_libraries_keep_theirs(hub: Hub, folder: Path) -> None:
    from huggingface_hub import cached_assets_path

    sha = hub.add(MODEL, folder).refs["main"]
    remote.read(MODEL)
    place = cached_assets_path("verify-params", "models--owner--name", sha)
    assert {path.name for path in place.iterdir()} >= {"info.bin", "pieces.bin"}
    assert all(path.parent == place or path.parent.name == "refs" for path in entries())
    # Names and shapes of a private model are nobody else's.
    assert {stat.S_IMODE(path.stat().st_mode) for path in entries()} == {0o600}


def test_cache_that_cannot_be_written_is_done_without(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "file"))
    hub.add(MODEL, folder)
    assert len(remote.read(MODEL).tensors) == 2


def test_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Cache(tmp_path, "")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    kept.put("a" * 40, "x", b"data")
    assert kept.get("a" * 40, "x") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_processes_share_the_cache(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.add(MODEL, folder)
    hub.one_request = False
    code = f"from verify.evidence import hub; print([hub.read({MODEL!r}).revision for _ in range(5)][-1])"
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_ASSETS_CACHE": str(tmp_path / "assets")}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [run.communicate()[0] for run in runs]
    assert len(set(said)) == 1
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert list((tmp_path / "assets").rglob("*.tmp")) == []


def test_private_model_is_not_shown_to_strangers_from_the_cache(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder).private = True
    remote.read(MODEL, token=GOOD)
    with pytest.raises(NotFoundError, match="no such model"):
        remote.read(MODEL)


@pytest.mark.parametrize("one_request", [True, False])
def test_gated_model_is_not_shown_to_strangers_from_the_cache(hub: Hub, folder: Path, *, one_request: bool) -> None:
    hub.add(MODEL, folder).gated = True
    hub.one_request = one_request
    first = remote.read(MODEL, token=GOOD)
    with pytest.raises(AccessError, match="gated and there is no token"):
        remote.read(MODEL)
    paths(hub)
    assert remote.read(MODEL, token=GOOD).tensors == first.tensors
    asked = paths(hub)
    # One more than for an open model: a byte of a file, to see that the token opens it.
    assert {path.rpartition("/")[2] for path in asked} == {"name", "model.safetensors.index.json"}


def test_gated_model_that_was_read_in_part_is_not_shown_either(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder).gated = True
    hub.one_request = False
    hub.fail(Fault("status", times=99, status=404, origin="cdn"))
    with pytest.raises(NotFoundError):
        remote.read(MODEL, token=GOOD)
    with pytest.raises(AccessError, match="gated and there is no token"):
        remote.read(MODEL)


def test_offline_takes_the_downloaded_files_and_opens_no_connection(hub: Hub, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    sha = hub.add("owner/cached", folder).refs["main"]
    snapshot_download("owner/cached")
    hub.requests.clear()
    evidence = remote.read("owner/cached", offline=True)
    assert (evidence.source, evidence.revision, len(evidence.tensors)) == ("hub", sha, 2)
    assert evidence.note == "offline: read from the cache"
    assert remote.read("owner/cached", revision=sha, offline=True).tensors == evidence.tensors
    assert hub.requests == []


@pytest.mark.parametrize("one_request", [True, False])
@pytest.mark.parametrize("ref", ["main", "v1.0", "refs/pr/1"])
def test_offline_takes_the_headers_of_an_earlier_read(hub: Hub, folder: Path, ref: str, *, one_request: bool) -> None:
    sha = hub.add(MODEL, folder, ref=ref).refs[ref]
    hub.one_request = one_request
    online = remote.read(MODEL, revision=ref)
    paths(hub)
    offline = remote.read(MODEL, revision=ref, offline=True)
    assert paths(hub) == []
    assert (offline.tensors, offline.config, offline.revision) == (online.tensors, online.config, sha)
    assert offline.note.startswith("offline: headers from the cache; ")
    assert remote.read(MODEL, revision=sha, offline=True).tensors == online.tensors


def test_offline_takes_headers_where_only_the_config_was_downloaded(hub: Hub, folder: Path) -> None:
    from huggingface_hub import hf_hub_download

    hub.add("owner/part", folder)
    hf_hub_download("owner/part", "config.json")
    with pytest.raises(NetworkError, match=r"the cache holds only a part of owner/part: .*no weight file"):
        remote.read("owner/part", offline=True)
    online = remote.read("owner/part")
    assert remote.read("owner/part", offline=True).tensors == online.tensors


def test_offline_without_a_cached_model_says_how_to_get_it(hub: Hub) -> None:
    with pytest.raises(
        NetworkError, match=r"offline, and owner/none@v1 is not in the cache .* run `hf download owner/none`"
    ):
        remote.read("owner/none", revision="v1", offline=True)
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["../../../x", "..", "/etc", "a/../b"])
def test_offline_revision_leads_out_of_no_folder(hub: Hub, folder: Path, revision: str) -> None:
    hub.add(MODEL, folder)
    remote.read(MODEL)
    with pytest.raises(NetworkError, match="is not in the cache"):
        remote.read(MODEL, revision=revision, offline=True)


def test_offline_read_that_broke_off_says_what_is_missing(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    hub.one_request = False
    hub.fail(Fault("status", times=99, status=404, origin="cdn"))
    with pytest.raises(NotFoundError):
        remote.read(MODEL)
    with pytest.raises(NetworkError, match=r"^offline, and owner/name/\S+ of \w{40} is not in the cache; run the same"):
        remote.read(MODEL, offline=True)


def test_offline_does_not_use_what_it_is_told_not_to(hub: Hub, folder: Path) -> None:
    hub.add("owner/kept", folder)
    remote.read("owner/kept")
    with pytest.raises(NetworkError, match="is not in the cache"):
        remote.read("owner/kept", offline=True, cache=False)


def test_file_that_breaks_its_format_does_so_from_the_cache_too(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"[]")
    hub.add(MODEL, tmp_path)
    for _ in range(2):
        with pytest.raises(FormatError, match=r"owner/name/model.safetensors: .*'\{'"):
            remote.read(MODEL)


def test_cache_is_of_one_model() -> None:
    assert open_cache("e", "a/b", enabled=True).folder != open_cache("e", "a-b", enabled=True).folder
    assert open_cache("e", "a/b", enabled=False).folder is None
