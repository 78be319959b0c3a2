"""Fixtures for all tests."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# huggingface_hub reads its environment when it is first imported, so this stands before any fixture.
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
    os.environ.pop(_name, None)
os.environ |= {
    "HF_HOME": tempfile.mkdtemp(prefix="verify-test-"),
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
# The loopback Hub in tests/hub/ serves several test folders.
sys.path.insert(0, str(Path(__file__).parent))

from hub.server import Hub  # noqa: E402 - found through the line above


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A loopback Hub that huggingface_hub takes for the real one."""
    from huggingface_hub import close_session, constants

    with Hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield running
        close_session()
