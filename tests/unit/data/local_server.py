"""A server of pictures on this machine that also misbehaves: the path says how."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

SLOW_S = 2.0
needs_img2dataset = (
    pytest.mark.skipif(  # found, not imported: importing asks a server for a newer version of a part
        sys.version_info >= (3, 13) or importlib.util.find_spec("img2dataset") is None,
        reason="img2dataset is not installed, or this Python is too new for it",
    )
)


def picture(number: int, **options: Any) -> bytes:
    """A JPEG of 96 x 80 pixels, each number another one."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((96, 80)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def turned(number: int) -> bytes:
    """The same, stored lying on its side with EXIF that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(number, exif=exif.tobytes())


def sixteen_bit() -> bytes:
    """A grey PNG of brightness 100 / 255."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((80, 96), 257 * 100, dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Answers /KIND/NUMBER; see `_Handler.do_GET` for the kinds."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()  # /gate/N answers once it is open
        self.is_mended = False  # /flaky/N answers once it is true

    def url(self, kind: str, number: int) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/{number}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        _, kind, number = self.path.split("/")
        with contextlib.suppress(OSError):  # the client gave up
            self._answer(kind, int(number))

    def _answer(self, kind: str, number: int) -> None:
        if kind == "missing" or (kind == "flaky" and not self.server.is_mended):
            return self.send_error(404 if kind == "missing" else 503)
        if kind == "slow":
            time.sleep(SLOW_S)
        if kind == "gate":
            self.server.gate.wait(30)
        headers = {"noai": {"X-Robots-Tag": "noai"}, "short": {"Content-Length": "100000"}}.get(kind, {})
        status, headers = (302, {"Location": "file:///etc/hostname"}) if kind == "file" else (200, headers)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        bodies = {"html": b"<html>not here</html>", "cut": picture(number)[:-300], "turned": turned(number)}
        bodies["sixteen"] = sixteen_bit()
        self.wfile.write(bodies.get(kind) or picture(number))
        while kind == "drip":
            self.wfile.write(b"x")
            time.sleep(0.1)
        return None


@contextlib.contextmanager
def local_server() -> Iterator[Server]:
    """A running server."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
