"""Reports reach the disk whole or not at all."""

import json
import os
from pathlib import Path

import pytest

from verify.errors import UsageError
from verify.render.files import write_reports, write_text
from verify.verification import Verification

NAMES = ["breakdown.csv", "layers.csv", "report.md", "result.json"]


def test_four_reports_are_written_and_nothing_else(llama_2_7b: Verification, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "acme--llama"
    paths = write_reports(llama_2_7b, folder)
    assert [path.name for path in paths] == NAMES
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert json.loads((folder / "result.json").read_text())["verdict"] == "exact"


def test_writing_twice_gives_the_same_bytes(tiny: Verification, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_reports(tiny, tmp_path)]
    assert [path.read_bytes() for path in write_reports(tiny, tmp_path)] == first


def test_reports_of_hostile_names_are_utf_8_without_carriage_returns(hostile: Verification, tmp_path: Path) -> None:
    for path in write_reports(hostile, tmp_path):
        assert "\r" not in path.read_bytes().decode()


def test_a_failure_leaves_the_old_reports_and_no_temporary_file(
    tiny: Verification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("old")

    def fail(*_: Path) -> Path:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match=r"cannot write .*breakdown.csv: No space left"):
        write_reports(tiny, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}


def test_a_failure_in_the_last_report_changes_none(tiny: Verification, tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    with pytest.raises(UsageError, match=r"result\.json: it is a folder"):
        write_reports(tiny, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_file_in_place_of_the_folder_is_one_clear_line(tiny: Verification, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="cannot write") as caught:
        write_reports(tiny, tmp_path / "taken")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_write_text_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_text(path, "one\n")
    write_text(path, "two é\n")
    assert path.read_bytes() == b"two \xc3\xa9\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [".", "no/such/folder.json"])
def test_write_text_names_what_it_cannot_write(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_text(tmp_path / name, "text")
    assert not list(tmp_path.iterdir())


def test_write_text_goes_through_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_write_text_leaves_a_device_in_its_place() -> None:
    before = Path(os.devnull).stat().st_rdev
    write_text(Path(os.devnull), "text")
    assert Path(os.devnull).stat().st_rdev == before
    assert not Path(os.devnull).is_file()
