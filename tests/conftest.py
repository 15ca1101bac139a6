"""Settings of every test: two cores at most, no network."""

from __future__ import annotations

import faulthandler
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

# Before anything imports torch; subprocesses inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", ""}


MAX_EXIT_S = 120


def pytest_unconfigure() -> None:
    """Print every stack and end, if something keeps this process from ending: CI would wait for hours."""
    faulthandler.dump_traceback_later(MAX_EXIT_S, exit=True, file=sys.__stderr__)


def _refuse_remote(connect: Callable[..., object]) -> Callable[..., object]:
    def guarded(self: socket.socket, address: object) -> object:
        if (
            self.family in (socket.AF_INET, socket.AF_INET6)
            and isinstance(address, tuple)
            and address[0] not in LOCAL
        ):
            raise RuntimeError(f"a test tried to reach {address}: tests need no network")
        return connect(self, address)

    return guarded


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that opens a connection to anywhere but this machine."""
    monkeypatch.setattr(socket.socket, "connect", _refuse_remote(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", _refuse_remote(socket.socket.connect_ex))


@pytest.fixture
def t2igan(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a fresh process inside tmp_path: t2igan("train", "--recipe", "smoke")."""

    def run(*args: str, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "t2igan", *args]
        environment = {**os.environ, "COLUMNS": "100", **env}
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
