"""The HTTP client that downloads use: http and https only, bounded in bytes and in time. Not for other programs.

urllib's own opens file:// as well, reads a body of any length into memory, and never gives up on a server that sends a
byte now and then.
"""

from __future__ import annotations

import http.client
import time
import urllib.request
from typing import Any

from t2igan.data.samples import MAX_BYTES

PATIENCE = 6  # times the timeout that a whole download may take
CHUNK = 2**16


class _Response(http.client.HTTPResponse):
    """A response whose whole body has a largest size and a latest time."""

    deadline = float("inf")

    def read(self, amt: int | None = None) -> bytes:
        if amt is not None:
            return super().read(amt)
        parts: list[bytes] = []
        left = MAX_BYTES["jpg"]
        while chunk := self.read1(CHUNK):
            parts.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise OSError(f"larger than {MAX_BYTES['jpg']} bytes")
            if time.monotonic() > self.deadline:
                raise TimeoutError("timed out: too slow in all")
        if self.length:  # the server promised more
            raise http.client.IncompleteRead(b"", self.length)
        return b"".join(parts)


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return _dated(self.do_open(_Connection, req), req)  # type: ignore[arg-type]


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return _dated(self.do_open(_SecureConnection, req), req)  # type: ignore[arg-type]


def _dated(response: Any, request: urllib.request.Request) -> Any:
    timeout = getattr(request, "timeout", None)
    if isinstance(timeout, int | float):
        response.deadline = time.monotonic() + PATIENCE * timeout
    return response


def install() -> None:
    """Make `urllib.request.urlopen` of this process the bounded one."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Http(),
        _Https(),
    ):
        opener.add_handler(handler)
    urllib.request.install_opener(opener)
