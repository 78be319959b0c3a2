"""Reading from a Hub: what is asked, what is believed, what is said when it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import shapes
from hub.faults import Fault
from hub.server import Hub, Request
from hub.shapes import Stored

from verify.errors import AccessError, FormatError, NetworkError, NotFoundError, UsageError
from verify.evidence import hub as remote
from verify.evidence import local
from verify.evidence.base import DeclaredKind, Strength

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


def test_the_real_client_takes_the_loopback_hub_for_the_hub(hub: Hub, folder: Path) -> None:
    from huggingface_hub import HfApi

    sha = hub.add(MODEL, folder).refs["main"]
    api = HfApi(endpoint=hub.url)
    assert api.get_safetensors_metadata(MODEL).parameter_count == {"F32": 6, "BF16": 5}
    assert api.get_sharded_safetensors_metadata(MODEL).parameter_count == {"F32": 6, "BF16": 5}
    assert Path(api.hf_hub_download(MODEL, "config.json")).read_bytes() == (folder / "config.json").read_bytes()
    assert Path(api.hf_hub_download(MODEL, FIRST)).read_bytes() == (folder / FIRST).read_bytes()
    assert api.model_info(MODEL, expand=["sha"]).sha == sha
    listed = {entry.path: getattr(entry, "size", None) for entry in api.list_repo_tree(MODEL, recursive=True)}
    assert listed == {path.name: path.stat().st_size for path in folder.iterdir()}
    assert [entry.path for entry in api.get_paths_info(MODEL, ["config.json", "none"])] == ["config.json"]


def test_sharded_model_on_main_comes_in_one_request(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    evidence = remote.read(MODEL)
    assert of_storage(hub) == []
    assert evidence.tensors == local.read(folder, model=MODEL).tensors
    assert evidence.note == "headers of 2 shards read in one request"


def test_first_read_asks_for_nothing_twice(hub: Hub, folder: Path) -> None:
    """What was asked for while the commit was unknown is not asked for again."""
    hub.add(MODEL, folder)
    remote.read(MODEL)
    asked = sorted(request.path for request in hub.requests if "resolve-cache" not in request.path)
    assert asked == [
        f"/api/models/{MODEL}",
        f"/api/models/{MODEL}/safetensors-metadata/model.safetensors.index.json",
        f"/{MODEL}/resolve/main/config.json",
        f"/{MODEL}/resolve/main/model.safetensors.index.json",
    ]
    assert {request.connection for request in hub.requests} <= {1, 2, 3, 4}


def test_answer_of_another_commit_is_asked_for_again(hub: Hub, folder: Path) -> None:
    sha = hub.add(MODEL, folder).refs["main"]
    hub.fail(Fault("body", path="config.json", headers={"X-Repo-Commit": "f" * 40}, body=b'{"model_type": "x"}'))
    assert remote.read(MODEL).config == local.read(folder, model=MODEL).config
    assert f"/{MODEL}/resolve/{sha}/config.json" in {request.path for request in hub.requests}


def test_files_beside_the_weights_are_noted(hub: Hub, folder: Path) -> None:
    (folder / "consolidated.safetensors").write_bytes(b"")
    hub.add(MODEL, folder)
    assert remote.read(MODEL).note.endswith("; not read, beside the weights: consolidated.safetensors")


def test_ranges_hold_the_same_as_the_folder(ranges: Hub, folder: Path) -> None:
    evidence, expected = remote.read(MODEL), local.read(folder, model=MODEL)
    assert (evidence.tensors, evidence.config) == (expected.tensors, expected.config)
    assert [(found.kind, found.value) for found in evidence.declared] == [
        (found.kind, found.value) for found in expected.declared
    ]
    assert (evidence.strength, evidence.source) == (Strength.HEADER, "hub")
    assert evidence.where == f"{ranges.url}/{MODEL}"
    assert "read by range requests: the one-request answer is refused with 404" in evidence.note


def test_single_file_is_read_with_one_range(hub: Hub, tmp_path: Path) -> None:
    hub.add("gpt2", single(tmp_path / "m", TWO))
    evidence = remote.read("gpt2")
    assert [tensor.file for tensor in evidence.tensors] == ["model.safetensors"] * 2
    size = (tmp_path / "m" / "model.safetensors").stat().st_size
    assert [request.range for request in of_storage(hub)] == [f"bytes=0-{size - 1}"]


def test_totals_of_the_api_are_declared(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder).totals = {"F32": 6, "BF16": 5}
    declared = {(found.kind, found.dtype): found.value for found in remote.read(MODEL).declared}
    assert declared[DeclaredKind.HUB_TOTAL, ""] == 11
    assert declared[DeclaredKind.DTYPE_TOTAL, "F32"] == 6


@pytest.mark.parametrize("ref", ["v1.0", "refs/pr/1", "with blank"])
def test_revision_is_pinned_to_its_commit(hub: Hub, folder: Path, tmp_path: Path, ref: str) -> None:
    hub.add(MODEL, folder)
    repository = hub.add(MODEL, single(tmp_path / "other", TWO[:1]), ref=ref)
    evidence = remote.read(MODEL, revision=ref)
    assert evidence.revision == repository.refs[ref]
    assert [tensor.name for tensor in evidence.tensors] == ["a"]
    assert remote.read(MODEL, revision=repository.refs[ref]).tensors == evidence.tensors


def test_main_that_moves_meanwhile_is_read_at_the_first_commit(hub: Hub, folder: Path, tmp_path: Path) -> None:
    before = hub.add(MODEL, folder).refs["main"]
    other = tmp_path / "other"
    shapes.write_repository(other, {}, [Stored("a", "F32", (7, 7)), TWO[1], Stored("c", "F32", (1,))], shards=2)
    hub.on_answer = lambda path: hub.add(MODEL, other) if path == f"/api/models/{MODEL}" else None
    # What was asked for before the commit was known is asked for again after it.
    hub.fail(Fault("status", status=503, path="safetensors-metadata/model.safetensors.index.json"))
    evidence = remote.read(MODEL)
    assert evidence.revision == before
    assert evidence.tensors == local.read(folder, model=MODEL).tensors
    assert "contradicts the index" in evidence.note


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"headers": {}}',
        b'{"headers": {"model-00001-of-00002.safetensors": {"a": 1}}}',
        b"\xff",
    ],
)
def test_one_request_answer_that_is_no_good_is_not_believed(hub: Hub, folder: Path, body: bytes) -> None:
    hub.add(MODEL, folder)
    hub.fail(Fault("body", path="safetensors-metadata/model.safetensors.index.json", body=body))
    evidence = remote.read(MODEL)
    assert evidence.tensors == local.read(folder, model=MODEL).tensors
    assert "by range requests" in evidence.note


def test_wrong_shard_in_the_index_is_a_problem_after_both_readings(hub: Hub, folder: Path) -> None:
    path = folder / "model.safetensors.index.json"
    path.write_text(
        path.read_text().replace("00001-of", "00003-of").replace("00002-of", "00001-of").replace("00003-of", "00002-of")
    )
    hub.add(MODEL, folder)
    evidence = remote.read(MODEL)
    assert [(found.subject, found.fatal) for found in evidence.problems] == [("a", True), ("b", True)]
    assert "contradicts the index" in evidence.note


def test_token_of_the_environment_is_found(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(MODEL, folder).private = True
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert len(remote.read(MODEL).tensors) == 2


def test_gated_repository_without_a_token(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder).gated = True
    with pytest.raises(AccessError) as caught:
        remote.read(MODEL)
    assert str(caught.value) == (
        f"owner/name is gated and there is no token; accept the conditions at {hub.url}/owner/name, "
        "then set HF_TOKEN or run `hf auth login`"
    )


def test_gated_repository_that_the_token_does_not_open(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    hub.fail(Fault("status", status=403, times=9, path="config.json", headers={"X-Error-Code": "GatedRepo"}))
    with pytest.raises(AccessError, match=r"gated and the token does not open it; ask for access at http"):
        remote.read(MODEL, token=GOOD)


@pytest.mark.usefixtures("hub")
def test_repository_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=r"/owner/nmae: no such model; check the spelling; .* set HF_TOKEN"):
        remote.read("owner/nmae")
    with pytest.raises(NotFoundError, match=r"no such model; .* the token may lack access to it"):
        remote.read("owner/nmae", token=GOOD)


def test_revision_that_is_not_there(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    with pytest.raises(NotFoundError, match=r"no revision 'v9'; expected a branch, a tag or a commit; see http"):
        remote.read(MODEL, revision="v9")


def test_token_that_the_hub_refuses_is_not_shown(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    with pytest.raises(AccessError, match=r"the Hub refuses the token; check HF_TOKEN") as caught:
        remote.read(MODEL, token=BAD)
    assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["hf_secret\nx", "hf_secretä", "hf_secret\0"])
def test_token_that_cannot_be_sent_is_refused_and_not_shown(hub: Hub, token: str) -> None:
    with pytest.raises(UsageError, match=r"the Hub token holds") as caught:
        remote.read(MODEL, token=token)
    assert "secret" not in str(caught.value)
    assert hub.requests == []


@pytest.mark.parametrize("model", ["", "a/b/c", "owner/", "-x", "a--b", "owner/name.git", "owner/na me", "../x"])
def test_what_cannot_be_a_repository_is_refused_unasked(hub: Hub, model: str) -> None:
    with pytest.raises(UsageError, match=r"expected owner/name as on the Hub"):
        remote.read(model)
    assert hub.requests == []


def test_repository_without_weights_says_what_is_there(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tf_model.h5").touch()
    hub.add(MODEL, tmp_path)
    with pytest.raises(NotFoundError, match=r"/owner/name: no weights in a format that is read, only tf_model.h5"):
        remote.read(MODEL)


def test_repository_without_config(hub: Hub, folder: Path) -> None:
    (folder / "config.json").unlink()
    hub.add(MODEL, folder)
    with pytest.raises(NotFoundError, match=r"^owner/name/config.json: no such file"):
        remote.read(MODEL)


def test_index_that_names_an_absent_shard(hub: Hub, folder: Path) -> None:
    (folder / FIRST).unlink()
    hub.add(MODEL, folder)
    hub.one_request = False
    with pytest.raises(NotFoundError, match=r"model-00001-of-00002.safetensors: no such file; expected the 2 shards"):
        remote.read(MODEL)


@pytest.mark.parametrize(
    ("size", "says"),
    [(0, "0 bytes; expected at least the 8 bytes"), (40, "its header alone needs"), (210, "the file is cut")],
)
def test_cut_file_is_named(hub: Hub, tmp_path: Path, size: int, says: str) -> None:
    path = single(tmp_path / "m", TWO, length=200) / "model.safetensors"
    os.truncate(path, size)
    hub.add(MODEL, path.parent)
    with pytest.raises(FormatError, match=rf"^owner/name/model.safetensors: .*{says}"):
        remote.read(MODEL)


def test_single_file_beside_an_index_is_a_problem(hub: Hub, folder: Path) -> None:
    shapes.write_safetensors(folder / "model.safetensors", [("only", "F32", (1,))])
    hub.add(MODEL, folder)
    evidence = remote.read(MODEL)
    assert [tensor.name for tensor in evidence.tensors] == ["only"]
    assert [(found.subject, found.fatal) for found in evidence.problems] == [("model.safetensors.index.json", False)]


def test_server_that_is_no_hub(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    hub.fail(Fault("body", path=MODEL, body=b"<html>please sign in</html>"))
    with pytest.raises(NetworkError, match=r"is not what the Hub says about a model; .* check HF_ENDPOINT"):
        remote.read(MODEL)


def test_offline_mode_of_the_environment_holds_too(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NetworkError, match=r"^offline, and"):
        remote.read(MODEL)
    assert hub.requests == []


def test_endpoint_and_token_of_the_environment_serve_a_fresh_process(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder).gated = True
    code = f"from verify.evidence import hub; print(len(hub.read({MODEL!r}).tensors))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HF_ENDPOINT": hub.url + "/", "HF_TOKEN": "hf_good"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("2\n", "")


def test_deepseek_v3_is_the_same_in_one_request_by_ranges_and_in_the_folder(hub: Hub, tmp_path: Path) -> None:
    config = shapes.DEEPSEEK_V3
    shapes.write_repository(tmp_path, config, shapes.deepseek(config), shards=shapes.DEEPSEEK_V3_SHARDS)
    repository = hub.add("deepseek-ai/DeepSeek-V3", tmp_path)
    at_once = remote.read("deepseek-ai/DeepSeek-V3")
    by_range = remote.read("deepseek-ai/DeepSeek-V3", revision=repository.refs["main"], cache=False)
    assert at_once.tensors == by_range.tensors == local.read(tmp_path, model="").tensors
    assert len(of_storage(hub)) == 163
    assert at_once.problems == by_range.problems == ()


def test_nothing_is_imported_that_takes_long(hub: Hub, folder: Path) -> None:
    """Without a token, a proxy or a client of the user, huggingface_hub's client is not needed: 0.2 s."""
    hub.add(MODEL, folder)
    code = (
        "import sys\nfrom verify.evidence import hub\n"
        f"assert len(hub.read({MODEL!r}).tensors) == 2\n"
        "print(sorted({'huggingface_hub.utils', 'httpx2', 'h11', 'rich', 'yaml'} & sys.modules.keys()))"
    )
    environment = {name: value for name, value in os.environ.items() if "TOKEN" not in name}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder.parent)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
