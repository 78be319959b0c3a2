"""What is committed in reports/ is what the formulas say now."""

import re
from pathlib import Path

import pytest

from verify.cli import main

ROOT = Path(__file__).parent.parent
SHOWCASE = re.search(r"SHOWCASE := ((?:[^\n]*\\\n)*[^\n]*)", (ROOT / "Makefile").read_text())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports, made as `make reports` makes them."""
    assert SHOWCASE is not None
    models = SHOWCASE[1].replace("\\", "").split()
    folder = tmp_path_factory.mktemp("reports")
    shared = ("--evidence", "recorded", "--reports", str(folder), "-q")
    main(["sweep", "records", *shared])
    assert main(["check", *models, *shared]) == 0
    return folder


def test_committed_reports_are_not_stale(fresh: Path) -> None:
    made = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    stale = [str(path) for path in sorted(made) if _text(ROOT / "reports" / path) != (fresh / path).read_text()]
    assert stale == [], "run `make reports` and commit what changed"


def test_every_recorded_model_has_a_row_and_a_report(fresh: Path) -> None:
    records = {path.stem for path in (ROOT / "verify" / "records").glob("*.json")}
    rows = (fresh / "index.csv").read_text().splitlines()[1:]
    assert len(rows) == len(records)
    checked = {row.split(",")[0].replace("/", "--") for row in rows if ",unchecked," not in row}
    assert checked == {path.parent.name for path in fresh.glob("*/result.json")}


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
