"""Fixtures for reading checkpoints."""

import threading
from pathlib import Path

import pytest
from hub import shapes
from hub.server import Hub
from hub.shapes import Stored

from verify.evidence import hub_direct, hub_waits

TWO_TENSORS = [Stored("a", "F32", (2, 3)), Stored("b", "BF16", (5,))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of two shards with one tensor each."""
    shapes.write_repository(tmp_path / "m", {"model_type": "x"}, TWO_TENSORS, shards=2)
    return tmp_path / "m"


@pytest.fixture(params=["direct", "httpx2"])
def _either_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each with the connections of our own, and with huggingface_hub's client."""
    monkeypatch.setattr(hub_direct, "serves_here", lambda: request.param == "direct")


class Clock:
    """Time that passes only where somebody waits.

    Attributes:
        now: Seconds since it was made.
        waits: The waits that were asked for, in seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def wait(self, _: object, seconds: float) -> None:
        """Pass at once what somebody waits for."""
        with self._lock:
            self.waits.append(seconds)
            self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Nobody waits: the clock of the Hub's reader is put forward; no wait is longer than asked for."""
    made = Clock()
    monkeypatch.setattr(hub_waits, "_now", made)
    monkeypatch.setattr(hub_waits, "_pause", made.wait)
    monkeypatch.setattr(hub_waits, "_random", float)
    monkeypatch.setattr(hub_waits, "_resume", {})
    return made


@pytest.fixture
def ranges(hub: Hub, folder: Path, clock: Clock) -> Hub:  # noqa: ARG001 - for its effect
    """A Hub that has the model, but not the one-request interface; nobody waits."""
    hub.add("owner/name", folder)
    hub.one_request = False
    return hub
