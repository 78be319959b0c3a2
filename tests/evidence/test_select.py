"""Which evidence is taken, and what of it can be asked for."""

import json
from pathlib import Path

import pytest
from hub import shapes

from verify.errors import FormatError, NotFoundError, UsageError
from verify.evidence import hub, select
from verify.evidence.base import Evidence, Strength
from verify.evidence.files import Files, Weights, ahead, whole
from verify.evidence.local import LocalFiles
from verify.evidence.select import Access, Choice
from verify.reference import Reference, parse

RECORDED = "meta-llama/Llama-2-7b-hf"
OTHER = "other.safetensors"


@pytest.fixture
def two(folder: Path) -> Path:
    """The folder, with other weights beside its index."""
    shapes.write_safetensors(folder / OTHER, [("c", "F32", (7,))])
    return folder


def names(evidence: Evidence) -> list[str]:
    return [tensor.name for tensor in evidence.tensors]


def test_a_file_of_a_folder_is_read_where_it_is_asked_for(two: Path) -> None:
    reference = parse(str(two))
    assert names(select.gather(reference, Choice.HEADER, Access()).file) == ["a", "b"]
    chosen = select.gather(reference, Choice.HEADER, Access(file=OTHER)).file
    assert names(chosen) == ["c"]
    assert chosen.note == (
        "not read, beside the weights: model-00001-of-00002.safetensors, model-00002-of-00002.safetensors"
    )


def test_a_file_and_a_path_to_a_file_contradict_each_other(two: Path) -> None:
    for name in (OTHER, "config.json"):
        for collect in (select.gather, select.configured):
            with pytest.raises(UsageError, match=rf"{name} is a file, and --file x.gguf names another; expected a fo"):
                collect(parse(str(two / name)), Choice.AUTO, Access(file="x.gguf"))


def test_a_file_of_a_record_cannot_be_asked_for() -> None:
    for collect in (select.gather, select.configured):
        with pytest.raises(UsageError, match=r"--file x.gguf with --evidence recorded; expected no --file"):
            collect(Reference(RECORDED), Choice.RECORDED, Access(file="x.gguf"))


def test_a_record_does_not_stand_in_for_a_file_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def missing(_: str, **options: object) -> Evidence:
        asked.append(options)
        raise NotFoundError("no such file")

    monkeypatch.setattr(hub, "read", missing)
    with pytest.raises(NotFoundError, match=r"no such file"):
        select.gather(Reference(RECORDED), Choice.AUTO, Access(file="x.gguf", cache=False))
    assert (asked[0]["file"], asked[0]["cache"]) == ("x.gguf", False)
    assert select.configured(Reference(RECORDED), Choice.AUTO, Access()).file.source == "recorded"


def test_a_formula_needs_the_config_and_no_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "x", "hidden_size": 4}))
    for path in (tmp_path, tmp_path / "config.json"):
        found = select.configured(parse(str(path)), Choice.AUTO, Access()).file
        assert (found.strength, found.config["hidden_size"]) == (Strength.META, 4)
    (tmp_path / "config.json").write_text('{"model_type": "all as its class has it"}')
    assert len(select.configured(parse(str(tmp_path)), Choice.AUTO, Access()).file.config) == 1


def test_a_config_in_a_folder_is_that_of_the_file_that_was_asked_for(two: Path) -> None:
    (two / "unet").mkdir()
    (two / OTHER).rename(two / "unet" / OTHER)
    (two / "unet/config.json").write_text('{"sample_size": 64}')
    access = Access(file=f"unet/{OTHER}")
    assert select.configured(parse(str(two)), Choice.AUTO, access).file.config == {"sample_size": 64}
    assert select.gather(parse(str(two)), Choice.HEADER, access).file.config == {"sample_size": 64}


def test_hyper_parameters_of_the_weights_stand_in_for_a_config_without_any(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verify.evidence import safetensors_files

    plain = safetensors_files.read

    def carrying(files: Files, file: str) -> Weights:
        found = plain(files, file)
        return Weights(found.tensors, found.files, found.size, config={"hidden_size": 4}, note="quantised")

    monkeypatch.setattr(safetensors_files, "read", carrying)
    path = two / OTHER

    def read() -> tuple[object, str]:
        found = select.gather(parse(str(path)), Choice.HEADER, Access()).file
        formula = select.configured(parse(str(path)), Choice.AUTO, Access()).file
        assert formula.config == found.config
        return found.config, found.note

    (two / "config.json").write_text('{"model_type": "x", "num_layers": 2}')
    assert read()[0] == {"model_type": "x", "num_layers": 2}
    for text in ('{"model_type": "x", "tied": true}', "{}", ""):
        (two / "config.json").write_text(text) if text else (two / "config.json").unlink()
        config, note = read()
        assert config == {"hidden_size": 4}
        assert note.startswith("quantised; not read, beside")
        assert note.endswith("; hyper-parameters from other.safetensors itself")


def test_weights_without_any_hyper_parameters_are_refused(two: Path) -> None:
    (two / "config.json").unlink()
    for collect in (select.gather, select.configured):
        with pytest.raises(NotFoundError, match=r"m/config.json: no such file; expected a folder as save_pretrained"):
            collect(parse(str(two / OTHER)), Choice.HEADER, Access())


def test_a_file_that_is_read_whole_has_a_limit(two: Path) -> None:
    files = LocalFiles(two)
    size = files.size("config.json")
    assert whole(files, "config.json", limit=size) == (two / "config.json").read_bytes()
    with pytest.raises(FormatError, match=rf"config.json: {size} bytes; expected at most {size - 1},"):
        whole(files, "config.json", limit=size - 1)


def test_a_config_of_gigabytes_is_not_read(two: Path) -> None:
    with (two / "config.json").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(FormatError, match=r"config.json: 1099511627776 bytes; expected at most 8388608"):
        select.gather(parse(str(two)), Choice.HEADER, Access())


class Waiting(LocalFiles):
    """A folder that is read as a server is: in several threads."""

    threads = 4


def size_of(files: Files, file: str) -> int:
    return files.size(file)


@pytest.mark.parametrize("kind", [LocalFiles, Waiting])
def test_files_that_are_begun_give_what_was_read_and_their_own_fault(kind: type[LocalFiles], two: Path) -> None:
    files = kind(two)
    wanted = [f"model-0000{number}-of-00002.safetensors" for number in (2, 1, 2, 1, 1)]
    with ahead(files) as begin:
        nobody_waits_for = begin(size_of, "none.safetensors")
        begun = [begin(size_of, name) for name in wanted]
        assert [result() for result in begun] == [(two / name).stat().st_size for name in wanted]
    with ahead(files) as begin, pytest.raises(NotFoundError, match=r"none.safetensors: no such file"):
        begin(size_of, "none.safetensors")()
    assert callable(nobody_waits_for)
