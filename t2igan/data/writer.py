"""Writing tar shards that are whole or absent, and equal byte for byte on every run. Not choosing what goes in."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from t2igan import __version__
from t2igan.errors import DataError
from t2igan.files import write_atomic

PROVENANCE = Path(".t2igan") / "dataset.json"  # in a folder of its own, as training scripts glob for *.json
PER_SHARD = 1000
OURS = re.compile(r"(\d{5,})(\.tar|_stats\.json)|\.\d{5,}\.tar\.tmp")


class ShardWriter:
    """Writes 00000.tar, 00000_stats.json, 00001.tar, ... into a folder of its own; use it in a `with` block.

    A shard appears under its name only when it is complete and on disk; its _stats.json follows. An exception
    removes the shard being written and leaves the data set marked as incomplete; the same call writes it anew.

    Args:
        out: folder; new, empty, or of an earlier call with the same `settings`.
        settings: what the data set is made of, as JSON; kept in .t2igan/dataset.json.
        per_shard: samples a shard.

    Raises:
        DataError: if the folder holds anything else, cannot be written, or the disk is full.
    """

    def __init__(self, out: Path, *, settings: dict[str, Any], per_shard: int = PER_SHARD) -> None:
        self.out = out
        self.settings = settings
        self.per_shard = per_shard
        self.samples = 0
        self.shards = 0
        self.bytes = 0
        self.facts: dict[str, Any] = {}  # what .t2igan/dataset.json is to say beyond settings and counts
        self._tar: tarfile.TarFile | None = None
        _claim(out, settings)
        self._record(is_complete=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
            self._forget_if_empty()
            return
        self._commit()
        self._remove_stale()
        self._record(is_complete=True)

    def next_key(self) -> str:
        """Key of the next sample: shard number and number in the shard, five digits each."""
        return f"{self.samples // self.per_shard:05d}{self.samples % self.per_shard:05d}"

    def write(self, members: Mapping[str, bytes]) -> None:
        """Append one sample: suffix without dot -> bytes."""
        key = self.next_key()
        try:
            if self._tar is None:
                self._tar = tarfile.open(self._temporary(), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed by _commit
            for suffix, data in members.items():
                info = tarfile.TarInfo(f"{key}.{suffix}")  # mtime 0, no owner: equal bytes on every run
                info.size = len(data)
                self._tar.addfile(info, io.BytesIO(data))
        except OSError as error:
            raise self._failure(error) from error
        self.samples += 1
        if self.samples % self.per_shard == 0:
            self._commit()

    def _temporary(self) -> Path:
        return self.out / f".{self.shards:05d}.tar.tmp"

    def _commit(self) -> None:
        """Close the shard, put it under its name, then write its statistics."""
        if self._tar is None:
            return
        temporary, path = self._temporary(), self.out / f"{self.shards:05d}.tar"
        try:
            self._tar.close()
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            path.with_name(f"{path.stem}_stats.json").unlink(missing_ok=True)  # of an earlier run
            temporary.replace(path)
        except OSError as error:
            raise self._failure(error) from error
        self._tar = None
        self.bytes += path.stat().st_size
        count = self.samples - self.shards * self.per_shard
        self.shards += 1
        _write_json(path.with_name(f"{path.stem}_stats.json"), {"count": count, "successes": count})

    def _discard(self) -> None:
        with contextlib.suppress(OSError):  # a full disk may refuse the last bytes once more
            if self._tar is not None and self._tar.fileobj is not None:
                self._tar.fileobj.close()  # not the tar's close, which would write an end mark
        self._tar = None
        with contextlib.suppress(OSError):
            self._temporary().unlink(missing_ok=True)

    def _forget_if_empty(self) -> None:
        """Leave no trace where not a single shard was completed."""
        if any(self.out.glob("*.tar")):
            return
        with contextlib.suppress(OSError):  # rmdir keeps a folder that holds anything else
            (self.out / PROVENANCE).unlink(missing_ok=True)
            (self.out / PROVENANCE).parent.rmdir()
            self.out.rmdir()

    def _failure(self, error: OSError) -> DataError:
        self._discard()
        return DataError(f"{self.out}: cannot be written ({error.strerror or error}) after {self.shards} complete shards. "
                         "Check the free space and the folder's permissions, then run the same command again.")  # fmt: skip

    def _remove_stale(self) -> None:
        """Remove shards of an earlier, longer run of the same call."""
        for path in self.out.iterdir():
            match = OURS.fullmatch(path.name)
            if match and (match[1] is None or int(match[1]) >= self.shards):
                path.unlink()

    def _record(self, *, is_complete: bool) -> None:
        counts = {"samples": self.samples, "shards": self.shards}
        content = {
            "settings": self.settings,
            "is_complete": is_complete,
            **counts,
            **self.facts,
            "t2igan": __version__,
        }
        _write_json(self.out / PROVENANCE, content)


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Make sure that the folder is free, or ours with the same settings."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in out.iterdir() if path.name != PROVENANCE.parts[0]]
    except OSError as error:
        raise DataError(
            f"{out}: cannot be used as a folder ({error.strerror}). Choose another --out."
        ) from error
    try:
        earlier = json.loads((out / PROVENANCE).read_bytes())["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        earlier = None
    if earlier is not None and earlier != json.loads(json.dumps(settings)):
        raise DataError(
            f"{out}: holds a data set made with other settings ({earlier}). Choose another --out, or remove it."
        )
    foreign = [name for name in others if earlier is None or not OURS.fullmatch(name)]
    if foreign:
        raise DataError(
            f"{out}: holds other files ({', '.join(sorted(foreign)[:3])}). Choose a new or empty folder."
        )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())
