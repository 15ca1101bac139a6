"""A network's weights as one file with a known checksum: found, or fetched where that is allowed. Builds no network."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path

from t2igan.errors import WeightsError
from t2igan.files import write_atomic

TIMEOUT_S = 60


def read_verified(name: str, *, file: str | None, sha256: str, url: str) -> bytes:
    """The bytes of a weights file, once they are known to be the right ones.

    The bytes that were checked are the ones to load: a file that changes in between harms nobody.

    Args:
        name: the file's name in the folder $T2IGAN_WEIGHTS.
        file: its path, where it lies elsewhere.
        sha256: the checksum that it must have, in hexadecimal.
        url: where it comes from; asked only if T2IGAN_ALLOW_NETWORK is 1.

    Raises:
        WeightsError: if it is not on this machine, cannot be fetched, or is another file.
    """
    path = Path(file) if file is not None else _place(name, url, sha256)
    if not path.is_file() and file is None and os.environ.get("T2IGAN_ALLOW_NETWORK") == "1":
        data = _fetch(url)
        _check(data, sha256, url)
        write_atomic(path, data)
        return data
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{path}: the weights are not on this machine ({error.strerror}). Put {name} of {url} (SHA-256 {sha256}) "
            f"there, or set T2IGAN_ALLOW_NETWORK=1 to let it be downloaded into the folder $T2IGAN_WEIGHTS."
        ) from error
    _check(data, sha256, str(path))
    return data


def _place(name: str, url: str, sha256: str) -> Path:
    folder = os.environ.get("T2IGAN_WEIGHTS")
    if not folder:
        raise WeightsError(
            f"{name}: the weights are not on this machine, as $T2IGAN_WEIGHTS is not set. Put the file of {url} (SHA-256 "
            f"{sha256}) into a folder and set T2IGAN_WEIGHTS to it; with T2IGAN_ALLOW_NETWORK=1 it is downloaded into that folder."
        )
    return Path(folder) / name


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return response.read()
    except OSError as error:
        raise WeightsError(f"{url}: cannot be fetched ({error}). Put the file there by hand.") from error


def _check(data: bytes, sha256: str, source: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{source}: its SHA-256 is {found} and not {sha256}, so it is damaged or another network. Fetch it again, or "
            f"set the section's sha256 if this is the file that you mean."
        )
