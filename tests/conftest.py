"""Fixtures for all tests."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Tests time nothing: a machine may be busy, and the first text of a fresh clone takes hypothesis 2 s.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

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
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A loopback Hub that huggingface_hub takes for the real one; nothing of it is cached yet."""
    from huggingface_hub import close_session, constants

    from verify.evidence import hub_session

    with Hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path_factory.mktemp("assets")))
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield running
    # A read that ends early leaves threads behind; none may open a connection that nobody closes.
    for thread in threading.enumerate():
        if thread.name == "verify-hub":
            thread.join(60)
    close_session()
    hub_session.close()
