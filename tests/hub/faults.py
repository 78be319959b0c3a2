"""What goes wrong on the way from the loopback Hub to its reader."""

import gzip
import threading
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Literal

from hub.answers import Answer

#: Seconds between two bytes that drip: far below any timeout of one step.
DRIP = 0.01


@dataclass(slots=True)
class Fault:
    """Something that goes wrong, for some requests.

    Attributes:
        kind: What happens. To the answer: `status` is of `status`, with `headers`; `body` is `body`; `whole` ignores
            the range; `shifted` states another range than asked for, `nowhere` none; `less` sends a byte less than the
            range that it states; `zip` says that it has compressed, `gzip` has. To the connection: `drop` closes it
            before answering, `cut` in the middle of the headers, `short` in the middle of the body; `stall` never
            answers; `dribble` sends the headers byte by byte, with `headers` more; `drip` the body.
        times: How many requests are left to fail.
        path: Only requests whose path ends with this.
        origin: Only requests to this origin, if any.
    """

    kind: Literal[
        "status", "body", "whole", "shifted", "nowhere", "less", "zip", "gzip",
        "drop", "cut", "short", "stall", "dribble", "drip",
    ]  # fmt: skip
    times: int = 1
    path: str = ""
    origin: str = ""
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def strikes(self, origin: str, path: str) -> bool:
        """Whether a request meets it; counts those that do."""
        if self.times < 1 or not path.endswith(self.path) or self.origin not in {"", origin}:
            return False
        self.times -= 1
        return True

    def change(self, answer: Answer) -> Answer:
        """The answer as it is sent."""
        if self.kind == "status":
            return Answer(self.status, self.headers, b"fault")
        if self.kind == "body":
            return Answer(200, self.headers, self.body)
        if self.kind == "zip":
            answer.headers["Content-Encoding"] = "gzip"
        if self.kind == "gzip":
            body = gzip.compress(answer.content())
            return Answer(answer.status, answer.headers | {"Content-Encoding": "gzip"}, body)
        if self.kind == "shifted":
            size = answer.headers["Content-Range"].rpartition("/")[2]
            answer.headers["Content-Range"] = f"bytes 1-{answer.length}/{size}"
        if self.kind == "nowhere":
            del answer.headers["Content-Range"]
        if self.kind == "dribble":
            answer.headers |= self.headers
        if self.kind == "less":
            answer.length -= 1
        return answer


class Dripping:
    """A stream that sends byte by byte, and no more once `stopped` is set."""

    def __init__(self, stream: BufferedIOBase, stopped: threading.Event) -> None:
        self._stream = stream
        self._stopped = stopped

    def write(self, data: bytes) -> None:
        """Send byte by byte."""
        for byte in data:
            if self._stopped.wait(DRIP):
                raise BrokenPipeError
            self._stream.write(bytes([byte]))
            self._stream.flush()

    def flush(self) -> None:
        """Do nothing: all is sent."""
