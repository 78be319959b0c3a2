"""Fixtures for reading checkpoints."""

from pathlib import Path

import pytest
from hub import shapes
from hub.server import Hub
from hub.shapes import Stored

from verify.evidence import hub_http

TWO_TENSORS = [Stored("a", "F32", (2, 3)), Stored("b", "BF16", (5,))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of two shards with one tensor each."""
    shapes.write_repository(tmp_path / "m", {"model_type": "x"}, TWO_TENSORS, shards=2)
    return tmp_path / "m"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that are asked for, in seconds; nobody waits."""
    asked: list[float] = []
    monkeypatch.setattr(hub_http, "_sleep", asked.append)
    return asked


@pytest.fixture
def ranges(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A Hub that has the model, but not the one-request interface; nobody waits."""
    monkeypatch.setattr(hub_http, "_sleep", float)
    hub.add("owner/name", folder)
    hub.one_request = False
    return hub
