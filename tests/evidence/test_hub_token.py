"""The token goes to the Hub and nowhere else: to no other origin, into no message, log, report or cache."""

import logging
import os
import pickle
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from hub.faults import DRIP, Fault
from hub.server import Hub, Request

from verify.errors import UsageError, VerifyError
from verify.evidence import hub as remote
from verify.evidence import hub_token, hub_waits
from verify.evidence.hub_errors import RefusedError
from verify.evidence.hub_hops import shown
from verify.evidence.hub_http import Http

MODEL = "owner/name"
GOOD = "hf_good"
CANARY = "hf_canaryCanaryCanary"
INDEX = "model.safetensors.index.json"

FAULTS = [
    *(Fault("status", times=99, status=status) for status in (302, 400, 401, 403, 404, 418, 429, 500, 503)),
    *(Fault(kind, times=99) for kind in ("drop", "cut", "short", "stall", "drip", "dribble")),
    *(Fault(kind, times=99, origin="cdn") for kind in ("drop", "short", "less", "shifted", "zip", "gzip", "stall")),
    *(Fault("status", times=99, origin="cdn", status=status) for status in (401, 403, 404, 416, 500)),
    *(Fault("body", times=99, path=path, body=b"<html>") for path in (MODEL, "config.json", INDEX, ".safetensors")),
    Fault("status", times=99, status=401, headers={"X-Error-Message": "Invalid credentials in Authorization header"}),
    Fault("status", times=99, status=403, headers={"X-Error-Code": "GatedRepo"}),
    Fault("status", times=99, status=302, path="config.json", headers={"Location": "http://127.0.0.1:1/x"}),
    Fault("status", times=99, status=302, path="config.json", headers={"Location": "gopher://x"}),
]


def everything(error: BaseException) -> str:
    """All that a log, a debugger or another process may show of an exception."""
    shown = [repr(error), str(error), repr(error.__dict__), "".join(traceback.format_exception(error))]
    shown.append(pickle.dumps(error.args).decode("latin-1"))
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown.append("".join(frames.format()))
    shown.extend(everything(linked) for linked in (error.__cause__, error.__context__) if linked is not None)
    return "\n".join(shown)


@pytest.fixture
def debugged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What all libraries log where they log all they can; and nobody waits."""
    monkeypatch.setattr(hub_waits, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(hub_waits, "_resume", {})
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "huggingface_hub")
    return caplog


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.path}{fault.origin}")
def test_token_is_nowhere_whatever_fails(
    hub: Hub,
    folder: Path,
    fault: Fault,
    debugged: pytest.LogCaptureFixture,
    *,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    debug: bool,
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_DEBUG", debug)  # True: through huggingface_hub's client, which tells of each
    hub.tokens.add(CANARY)
    hub.add(MODEL, folder).gated = True
    hub.one_request = False
    hub.fail(replace(fault))
    with pytest.raises(VerifyError) as caught:
        remote.read(MODEL, token=CANARY, timeout=4 * DRIP)
    assert ("Send: curl" in debugged.text) == debug
    assert not any(request.authorized for request in of_storage(hub))
    told = everything(caught.value) + debugged.text + "".join(capfd.readouterr())
    assert "anaryCanary" not in told
    # Ours, not one of the client's, which know the request and its headers.
    assert isinstance(caught.value.__context__, VerifyError | RefusedError | None)
    assert b"anary" not in b"".join(path.read_bytes() for path in kept())


def of_storage(hub: Hub) -> list[Request]:
    return [request for request in hub.requests if request.origin == "cdn"]


def kept() -> list[Path]:
    from huggingface_hub import constants

    return [path for path in Path(constants.HF_ASSETS_CACHE).rglob("*") if path.is_file()]


def test_token_is_in_no_evidence_and_no_file(hub: Hub, folder: Path) -> None:
    hub.tokens.add(CANARY)
    hub.add(MODEL, folder).gated = True
    evidence = remote.read(MODEL, token=CANARY)
    assert "canary" not in repr(evidence).lower()
    assert kept()
    assert b"anary" not in b"".join(path.read_bytes() for path in kept())


def test_token_opens_a_gated_repository_and_never_leaves_its_origin(ranges: Hub, folder: Path) -> None:
    ranges.add(MODEL, folder).gated = True
    assert len(remote.read(MODEL, token=GOOD).tensors) == 2
    assert {request.authorized for request in ranges.requests if request.origin == "hub"} == {True}
    assert {request.authorized for request in of_storage(ranges)} == {False}
    # A redirect inside the origin keeps it: without, the small files of a gated repository stay closed.
    assert any(request.path.startswith("/api/resolve-cache/") and request.authorized for request in ranges.requests)


def test_token_does_not_come_back_with_a_redirect_that_does(ranges: Hub, folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    there = {"Location": f"{ranges.cdn_url}/elsewhere"}
    back = {"Location": f"{ranges.url}/last"}
    ranges.fail(Fault("status", status=302, path="config.json", headers=there))
    ranges.fail(Fault("status", status=302, path="/elsewhere", headers=back))
    ranges.fail(Fault("body", path="/last", body=b"{}"))
    remote.read(MODEL, token=GOOD)
    seen = {request.path: request.authorized for request in ranges.requests}
    assert (seen["/elsewhere"], seen["/last"]) == (False, False)


@pytest.mark.parametrize("token", ["hf_canary\nx", "hf_canaryä", "hf_canary\0", "hf_canary\x1b[31m"])
def test_token_that_cannot_be_sent_is_refused_and_not_shown(hub: Hub, token: str) -> None:
    with pytest.raises(UsageError, match=r"the Hub token holds") as caught:
        remote.read(MODEL, token=token)
    assert "canary" not in str(caught.value) + repr(caught.value)
    assert hub.requests == []


def test_headers_and_reader_hide_the_token() -> None:
    headers = hub_token.headers(CANARY)
    assert headers["authorization"] == f"Bearer {CANARY}"
    assert "anary" not in repr(headers) + repr(Http(headers, 1.0)) + str(Http(headers, 1.0))
    assert Http(headers, 1.0).authorized
    assert not Http({}, 1.0).authorized


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hub/a/b?X-Amz-Signature=1", "https://hub/a/b"),
        ("https://user:secret@hub:8/a@b?x", "https://hub:8/a@b"),
        ("https://user:se/cret@hub/a", "https://user:se/cret@hub/a"),
        ("no address", "no address"),
    ],
)
def test_address_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_password_of_a_mirror_is_not_shown(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub.add(MODEL, folder)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url.replace("//", "//user:canary@"))
    hub.fail(Fault("status", times=5, status=502, path=MODEL))
    monkeypatch.setattr(hub_waits, "FIRST_PAUSE", 0.0)
    with pytest.raises(VerifyError) as caught:
        remote.read(MODEL)
    assert "canary" not in str(caught.value)


def test_command_line_does_not_show_the_token(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_TOKEN": CANARY, "HF_DEBUG": "1"}
    command = [sys.executable, "-X", "dev", "-m", "verify", "check", MODEL, "--evidence", "header", "--format", "json"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert "the Hub refuses the token" in run.stderr
    assert "canary" not in (run.stdout + run.stderr).lower()


@pytest.mark.parametrize("variables", [{}, {"HF_TOKEN": "hf_a "}, {"HUGGING_FACE_HUB_TOKEN": "hf_b"}, {"HF_TOKEN": ""}])
@pytest.mark.parametrize("kept", ["", "hf_c\n"])
@pytest.mark.parametrize("disabled", [False, True])
def test_token_is_the_one_that_huggingface_hub_finds(
    variables: dict[str, str], kept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, disabled: bool
) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", disabled)
    if kept:
        (tmp_path / "token").write_text(kept)
    assert hub_token.headers(None).get("authorization") == build_hf_headers().get("authorization")
