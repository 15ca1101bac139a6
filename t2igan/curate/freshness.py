"""Whether a shard was written after what was made of it. Tars come in steps of 10 kB, so an equal size says little."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.table import Source


def is_of(source: Source, shard: Shard, out: Folder, name: str, *, is_sure: bool = True) -> bool:
    """Whether a shard is still the one that the file `name` was made of; its bytes are compared only if it may not be.

    Args:
        source: what the file says of its shard.
        shard: as it is now.
        out: folder of the file.
        name: of the file.
        is_sure: whether the file lies where only this shard's would.
    """
    if source.bytes != shard.folder.size(shard.name):
        return False
    if is_sure and not is_newer(shard, out, name):
        return True
    with shard.folder.fetched(shard.name) as path:
        is_same = sha256_of(path) == source.sha256
    if is_same:
        touch(out, name)
    return is_same


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_newer(shard: Shard, out: Folder, name: str) -> bool:
    """Whether a local shard was written, or copied, after the local file `name`; behind URLs nobody says."""
    if shard.folder.path is None or out.path is None:
        return False
    made_of, made = (shard.folder.path / shard.name).stat(), (out.path / name).stat()
    # a file that is moved to a place keeps the time of its bytes
    return max(made_of.st_mtime_ns, made_of.st_ctime_ns) >= made.st_mtime_ns


def touch(out: Folder, name: str) -> None:
    """Make a local file the newer one, once it was found to be of its shard as it is now."""
    if out.path is not None:
        with contextlib.suppress(OSError):  # a read-only place: then it is compared again next time
            (out.path / name).touch()
