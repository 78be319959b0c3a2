"""Requests over http.client: what servers send that it would let pass, connections that are kept, and certificates."""

import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
import trustme
from hub.faults import Fault
from hub.server import Hub

from verify.errors import NetworkError
from verify.evidence import hub_direct, hub_session
from verify.evidence.hub_answers import Address, Failure, TransportError
from verify.evidence.hub_direct import Direct
from verify.evidence.hub_http import Http
from verify.evidence.hub_waits import Budget, later

MODEL = "owner/name"
OK = b"HTTP/1.1 200 OK\r\n"
JSON = b'{"a": "' + 70_000 * b"x" + b'"}'


@contextmanager
def served(*answers: bytes, wrap: Callable[[socket.socket], socket.socket] = lambda it: it) -> Iterator[str]:
    """A server that gives these answers to the next requests, each on a connection that it then closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            try:
                with wrap(connection) as stream:
                    stream.recv(65536)
                    stream.sendall(answer)
            except OSError:  # a client that hangs up
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        thread.join()


def fetched(url: str, *, raw: bool = False) -> bytes:
    direct = Direct()
    try:
        with direct.ask(Address.of(url), {}, Budget(5.0)) as answer:
            return b"".join(answer.raw if raw else answer.decoded)
    finally:
        direct.close()


def length(body: bytes) -> bytes:
    return f"Content-Length: {len(body)}\r\n".encode()


ZIPPED = gzip.compress(JSON)
HALVES = gzip.compress(JSON[:999]) + gzip.compress(JSON[999:])


@pytest.mark.parametrize(
    "answer",
    [
        OK + length(JSON) + b"\r\n" + JSON,
        OK + b"\r\n" + JSON,
        b"HTTP/1.0 200\r\n\r\n" + JSON,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + length(JSON) + b"\r\n" + JSON,
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\n" + JSON[:3] + b"\r\n%x\r\n" % (len(JSON) - 3) + JSON[3:]
        + b"\r\n0\r\n\r\n",
        OK + length(ZIPPED) + b"Content-Encoding: gzip\r\n\r\n" + ZIPPED,
        OK + length(HALVES) + b"Content-Encoding: GZIP\r\n\r\n" + HALVES,
        OK + b"Content-Encoding: x-gzip\r\n\r\n" + ZIPPED,
    ],
)  # fmt: skip
def test_body_is_read_however_it_is_sent(answer: bytes) -> None:
    with served(answer) as url:
        assert fetched(url) == JSON


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK,
        OK + b"X-Repo-Commit: 0\r\n",
        OK + b"Content-Le",
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        OK + length(JSON) + b"\r\n" + JSON[:-1],
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\n" + JSON[:3] + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + length(ZIPPED[:-1]) + b"Content-Encoding: gzip\r\n\r\n" + ZIPPED[:-1],
        OK + length(JSON) + b"Content-Encoding: gzip\r\n\r\n" + JSON,
        OK + length(ZIPPED) + b"Content-Encoding: br\r\n\r\n" + ZIPPED,
        OK + 200 * b"X-Many: 1\r\n" + b"\r\n",
        OK + b"X-Long: " + 70_000 * b"x" + b"\r\n\r\n",
    ],
)
def test_answer_that_is_none_or_ends_early_is_refused(answer: bytes) -> None:
    with served(answer) as url, pytest.raises(TransportError) as caught:
        fetched(url)
    assert caught.value.failure is Failure.BROKEN


def test_bomb_is_inflated_no_further_than_it_is_read() -> None:
    bomb = gzip.compress(bytes(1 << 26))
    with served(OK + length(bomb) + b"Content-Encoding: gzip\r\n\r\n" + bomb) as url:
        direct = Direct()
        with direct.ask(Address.of(url), {}, Budget(5.0)) as answer:
            assert [len(next(answer.decoded)) for _ in range(3)] == [1 << 16] * 3
        direct.close()


def test_body_in_tiny_pieces_takes_no_more_memory_than_a_whole_one() -> None:
    body = OK + b"Transfer-Encoding: chunked\r\n\r\n" + 200_000 * b"2\r\n{}\r\n" + b"0\r\n\r\n"
    with served(body) as url:
        tracemalloc.start()
        try:
            assert Http({}, 5.0).read(url, limit=400_000).data == 200_000 * b"{}"
            assert tracemalloc.get_traced_memory()[1] < 3_000_000
        finally:
            tracemalloc.stop()


def test_connection_is_kept(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    for _ in range(3):
        Http({}, 5.0).read(f"{hub.url}/api/models/{MODEL}", limit=9999)
    assert [request.connection for request in hub.requests] == [1, 1, 1]


def test_kept_connection_that_the_server_has_closed_is_opened_again() -> None:
    direct, answer = Direct(), OK + length(JSON) + b"\r\n" + JSON
    with served(answer, answer) as url:
        for _ in range(2):
            with direct.ask(Address.of(url), {}, Budget(5.0)) as found:
                assert b"".join(found.raw) == JSON
    direct.close()


def test_connections_that_were_prepared_are_used(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    direct, address = Direct(), Address.of(f"{hub.url}/api/models/{MODEL}")
    direct.prepare(address, 2, 5.0)
    direct.prepare(address, 2, 5.0)
    for _ in range(3):
        with direct.ask(address, {}, Budget(5.0)) as answer:
            assert b"".join(answer.decoded)
    assert {request.connection for request in hub.requests} <= {1, 2}
    direct.close()


def test_prepared_connection_that_does_not_come_is_told_as_any_other() -> None:
    direct, address = Direct(), Address.of("http://127.0.0.1:1/x")
    direct.prepare(address, 1, 5.0)
    with pytest.raises(TransportError) as caught, direct.ask(address, {}, Budget(5.0)):
        pass
    assert caught.value.failure is Failure.NO_CONNECTION
    direct.prepare(address, 1, 5.0)
    direct.close()


def test_redirect_opens_the_connections_that_others_will_need(hub: Hub, folder: Path) -> None:
    hub.add(MODEL, folder)
    address = Address.of(f"{hub.url}/api/models/{MODEL}")
    with socket.create_server(("127.0.0.1", 0)) as storage, ExitStack() as under_way:
        storage.settimeout(10.0)
        away = {"Location": f"http://127.0.0.1:{storage.getsockname()[1]}/x"}
        hub.fail(Fault("status", status=302, path="/away", headers=away))
        for _ in range(2):
            under_way.enter_context(hub_session.ask(address, {}, Budget(5.0)))
        read = later(lambda: Http({}, 5.0).read(f"{hub.url}/away", limit=9, tries=1))
        opened = [storage.accept()[0] for _ in range(3)]
        storage.settimeout(0.2)
        with pytest.raises(TimeoutError):
            storage.accept()
        for connection in (*opened, storage):
            connection.close()
        assert isinstance(read.exception(), NetworkError)


def test_no_connection_names_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NetworkError, match=r"no connection to 127.0.0.1 \(.*refused\), 1 times"):
        Http({}, 5.0).read(f"http://127.0.0.1:{port}/x", limit=9, tries=1)


@pytest.mark.parametrize(
    "url", ["http://hub/a b\nc", "http://hub/ä", "http://[::1]:8/x?y=ä z", "http://user:pass@hub:8/x"]
)
def test_address_can_be_sent_as_it_is(url: str) -> None:
    address = Address.of(url)
    assert address.target.isascii()
    assert not set(address.target) & set(" \n")
    assert "pass" not in address.url + address.origin


@pytest.mark.parametrize(
    "url", ["", "hub/x", "ftp://hub/x", "http://", "http://hub:x/", "http://hub:99999/", "http://[x/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Address.of(url)


def test_proxy_and_missing_certificates_are_for_the_other_client(monkeypatch: pytest.MonkeyPatch) -> None:
    serves = hub_direct.serves_here.__wrapped__
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "localhost")
    assert serves()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert not serves()
    monkeypatch.delenv("https_proxy")
    paths = ssl.get_default_verify_paths()._replace(cafile="", capath="")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert not serves()


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Who signs the certificate of a server; nothing is trusted yet."""
    monkeypatch.setattr(hub_direct, "_context", cache(hub_direct._context.__wrapped__))
    return trustme.CA()


def test_certificate_must_be_trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)

    def wrap(connection: socket.socket) -> socket.socket:
        return server.wrap_socket(connection, server_side=True)

    answer = OK + length(JSON) + b"\r\n" + JSON
    with served(answer, wrap=wrap) as url, pytest.raises(TransportError, match="certificate verify failed") as caught:
        fetched(url.replace("http", "https"))
    assert caught.value.failure is Failure.NO_CONNECTION
    # As every program that OpenSSL serves, through SSL_CERT_FILE.
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    hub_direct._context.cache_clear()
    with served(answer, wrap=wrap) as url:
        assert fetched(url.replace("http", "https")) == JSON
    with served(answer, wrap=wrap) as url, pytest.raises(TransportError, match="certificate verify failed"):
        fetched(url.replace("http://127.0.0.1", "https://localhost"))
