"""Whether a shard was written after what was made of it. Tars come in steps of 10 kB, so an equal size says little."""

from __future__ import annotations

from t2igan.curate.storage import Folder, Shard


def is_newer(shard: Shard, out: Folder, name: str) -> bool:
    """Whether a local shard was written, or copied, after the local file `name`; behind URLs nobody says."""
    if shard.folder.path is None or out.path is None:
        return False
    made_of, made = shard.folder.path / shard.name, out.path / name
    return made_of.stat().st_mtime_ns >= made.stat().st_mtime_ns


def touch(out: Folder, name: str) -> None:
    """Make a local file the newer one, once it was found to be of its shard as it is now."""
    if out.path is not None:
        (out.path / name).touch()
