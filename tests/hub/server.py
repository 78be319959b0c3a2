"""A loopback Hub that huggingface_hub's own client talks to through `HF_ENDPOINT`.

Two origins, as in reality: the Hub itself, and the storage that it redirects large files to, which refuses a
request with a token. Use it as a context manager, or as a script: `python tests/hub/server.py ROOT --port 8000`
serves ROOT/owner/name.
"""

import argparse
import json
import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hub.answers import Answer, RefusedError, as_json, encoded, gated, no_repository, ranged, refused
from hub.faults import Dripping, Fault
from hub.repository import Repository, etag, is_large, storage_path

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNATURE = "X-Amz-Signature=0123456789abcdef"


@dataclass(slots=True)
class Request:
    """A request as it arrived.

    Attributes:
        origin: `hub` or `cdn`.
        connection: Number of the connection, to see keep-alive.
        authorized: Whether a token was sent.
        status: What was answered; 0 where the connection was dropped.
        sent: Bytes of body that have been sent so far.
    """

    origin: str
    connection: int
    method: str
    path: str
    range: str
    authorized: bool
    status: int
    sent: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    hub: "Hub"
    origin: str

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about clients that hang up: some tests want that."""


class Hub:
    """A Hub on two loopback ports.

    Attributes:
        requests: Every request so far.
        tokens: The tokens that it knows; each opens gated and private repositories.
        one_request: Whether it has the interface that gives all headers in one answer.
        on_answer: Called with the path of every request before its answer is sent, so that a test can change the
            world between two requests.
        small_redirect: Whether small files are redirected to a cache path of the same origin, as hf.co does.
        prefix: What stands before every path of the Hub, as at a mirror; begins with `/`.
    """

    def __init__(self, *, port: int = 0, cdn_port: int = 0, rtt: float = 0.0) -> None:
        """Bind the ports; `rtt` seconds per request are slept, and two more for a connection: those of TCP and TLS."""
        self.rtt = rtt
        self.requests: list[Request] = []
        self.tokens = {"hf_good"}
        self.one_request = True
        self.on_answer: Callable[[str], object] = str
        self.stopped = threading.Event()
        self.small_redirect = True
        self.prefix = ""
        self._repositories: dict[str, Repository] = {}
        self._faults: list[Fault] = []
        self._answers: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, int] = {}
        self._opened = 0
        self._servers = [self._bind("hub", port), self._bind("cdn", cdn_port)]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in self._servers]
        self.url, self.cdn_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def _bind(self, origin: str, port: int) -> _Server:
        server = _Server(("127.0.0.1", port), _Handler)
        server.hub, server.origin = self, origin
        return server

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopped.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        with self._lock:
            for connection in self._connections:
                connection.shutdown(socket.SHUT_RDWR)

    def add(self, model: str, folder: Path, *, ref: str = "main") -> Repository:
        """Make a commit of a folder, and point `ref` of the model's repository to it."""
        repository = self._repositories.setdefault(model, Repository(model))
        repository.commit(folder, ref)
        return repository

    def fail(self, fault: Fault) -> None:
        """Let requests fail, in the order in which faults were added."""
        self._faults.append(fault)

    def opened(self, connection: socket.socket) -> int:
        """Count a connection."""
        with self._lock:
            self._opened += 1
            self._connections[connection] = self._opened
            return self._opened

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.pop(connection, None)

    def fault(self, origin: str, path: str) -> Fault | None:
        """The fault that a request meets, if any."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(origin, path)), None)

    def answer(self, origin: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a GET, HEAD or POST as the Hub would."""
        url = urlsplit(target.removeprefix(self.prefix) if origin == "hub" else target)
        query = parse_qs(url.query)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        try:
            if origin == "cdn":
                return self._storage(parts, url.query, headers)
            if not target.startswith(self.prefix):
                return refused(404, "", "Not found")
            return self._hub(parts, query, headers, body)
        except RefusedError as error:
            return error.answer

    def _hub(self, parts: list[str], query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> Answer:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.tokens:
            return refused(401, "", "Invalid credentials in Authorization header")
        if parts[:3] == ["api", "resolve-cache", "models"]:
            return self._file(parts[3:], headers, cached=True)
        if parts[:2] == ["api", "models"]:
            return self._api(parts[2:], query, headers, body)
        if parts[:1] == ["api"]:
            return refused(404, "", "Not found")
        return self._file(parts, headers, cached=False)

    def _find(self, parts: list[str], token: str) -> tuple[Repository, list[str]]:
        for length in (2, 1):
            repository = self._repositories.get("/".join(parts[:length]))
            if repository and not (repository.private and not token):
                return repository, parts[length:]
        raise RefusedError(no_repository(token))

    def _api(self, parts: list[str], query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> Answer:
        repository, rest = self._find(parts, headers.get("authorization", ""))
        kind, *rest = rest or ["revision", "main"]
        if kind == "safetensors-metadata":
            return self._metadata(repository, "/".join(rest), headers)
        sha = _commit(repository, rest[0])
        if kind == "revision":
            return as_json(repository.info(sha, query), headers)
        if kind == "tree":
            return as_json(repository.tree(sha, "/".join(rest[1:]), recursive="recursive" in query), headers)
        if kind == "paths-info":
            paths = [(name, repository.path(sha, name)) for name in parse_qs(body.decode()).get("paths", [])]
            return as_json([repository.entry(name, path) for name, path in paths if path], headers)
        return refused(404, "", "Not found")

    def _metadata(self, repository: Repository, index: str, headers: dict[str, str]) -> Answer:
        if repository.gated and not headers.get("authorization"):
            return gated(repository.model, "")
        key = (repository.refs["main"], index)
        if self.one_request and key not in self._answers:
            found = repository.headers(*key)
            if found is not None:
                self._answers[key] = json.dumps(found, separators=(",", ":")).encode()
        if not self.one_request or key not in self._answers:
            return refused(404, "EntryNotFound", "Entry not found")
        return encoded(self._answers[key], headers)

    def _file(self, parts: list[str], headers: dict[str, str], *, cached: bool) -> Answer:
        token = headers.get("authorization", "")
        repository, rest = self._find(parts, token)
        if not cached and rest[:1] != ["resolve"]:
            return refused(404, "", "Not found")
        revision, *names = rest if cached else rest[1:]
        sha, name = _commit(repository, revision), "/".join(names)
        if repository.gated and not token:
            return gated(repository.model, sha)
        path = repository.path(sha, name)
        if path is None:
            return refused(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": sha})
        tag = f'"{etag(name, path)}"'
        sent = {"X-Repo-Commit": sha, "Accept-Ranges": "bytes", "ETag": tag}
        location = ""
        if is_large(name):
            location = f"{self.cdn_url}{storage_path(repository.model, sha, name)}?{_SIGNATURE}"
        elif self.small_redirect and not cached:
            location = f"{self.prefix}/api/resolve-cache/models/{repository.model}/{sha}/{quote(name)}"
        if not location:
            return ranged(path, headers, sent)
        sent |= {"X-Linked-ETag": tag, "X-Linked-Size": str(path.stat().st_size), "Location": location}
        return Answer(302 if is_large(name) else 307, sent, f"Redirecting to {location}".encode())

    def _storage(self, parts: list[str], query: str, headers: dict[str, str]) -> Answer:
        if "authorization" in headers:
            return Answer(400, {}, b"Only one auth mechanism allowed")
        repository, rest = self._find(parts[1:], "storage")
        path = repository.path(rest[0], "/".join(rest[1:]))
        if path is None or query != _SIGNATURE:
            return Answer(403, {}, b"AccessDenied")
        return ranged(path, headers, {"ETag": f'"{etag(path.name, path)}"', "Accept-Ranges": "bytes"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        time.sleep(2 * self.server.hub.rtt)
        self.number = self.server.hub.opened(self.connection)

    def finish(self) -> None:
        self.server.hub.closed(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        hub, origin = self.server.hub, self.server.origin
        time.sleep(hub.rtt)
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        path = unquote(urlsplit(self.path).path)
        fault = hub.fault(origin, path)
        if fault and fault.kind == "whole":
            headers.pop("range", None)
        if fault and fault.kind == "stall":
            hub.stopped.wait()
        answer = hub.answer(origin, self.path, headers, body)
        hub.on_answer(path)
        if fault:
            answer = fault.change(answer)
        kind = fault.kind if fault else ""
        silent = kind in {"drop", "cut", "stall"}
        status = 0 if silent else answer.status
        authorized = "authorization" in headers
        request = Request(origin, self.number, self.command, path, headers.get("range", ""), authorized, status)
        # Before it is answered: a test looks as soon as it has the answer.
        hub.requests.append(request)
        if kind == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
        if not silent:
            request.sent = self._send(answer, kind)
        self.close_connection |= kind in {"drop", "cut", "stall", "short", "dribble", "drip"}

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name
    do_POST = do_GET  # noqa: N815 - the same

    def _send(self, answer: Answer, kind: str) -> int:
        length = answer.length if answer.file else len(answer.body)
        plain = self.wfile
        if kind == "dribble":
            self.wfile = Dripping(plain, self.server.hub.stopped)  # type: ignore[assignment]
        left = 0 if self.command == "HEAD" else length // 2 if kind == "short" else length
        sent = 0
        try:
            self.send_response(answer.status)
            for key, value in (answer.headers | {"Content-Length": str(length)}).items():
                self.send_header(key, value)
            self.end_headers()
            if kind == "drip":
                plain.flush()
                self.wfile = Dripping(plain, self.server.hub.stopped)  # type: ignore[assignment]
            for data in answer.pieces(left):
                self.wfile.write(data)
                sent += len(data)
            plain.flush()
        except OSError:  # the reader has hung up
            self.close_connection = True
        self.wfile = plain
        return sent


def _commit(repository: Repository, revision: str) -> str:
    sha = repository.resolve(revision)
    if sha is None:
        raise RefusedError(refused(404, "RevisionNotFound", f"Invalid rev id: {revision}"))
    return sha


def main() -> None:
    """Serve a folder of repositories until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder that holds owner/name folders")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--rtt", type=float, default=0.0, help="seconds that are slept per request")
    parser.add_argument("--gated", action="append", default=[], help="a model that needs the token hf_good")
    options = parser.parse_args()
    with Hub(port=options.port, cdn_port=options.cdn_port, rtt=options.rtt) as hub:
        for folder in sorted(path for path in options.root.glob("*/*") if path.is_dir()):
            model = folder.relative_to(options.root).as_posix()
            hub.add(model, folder).gated = model in options.gated
        sys.stdout.write(f"{hub.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
