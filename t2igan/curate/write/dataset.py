"""The record of a written data set: OUT/.t2igan/dataset.json. Says what it is made of, and whether it is complete."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from t2igan import __version__
from t2igan.curate.storage import Folder
from t2igan.errors import DataError

NAME = "dataset.json"
INSIDE = ".t2igan"
SHARD = (".tar", "_stats.json")  # what the files of a shard end in
OURS = re.compile(
    r"[^/]+(\.tar|_stats\.json|\.scores\.parquet|\.(text|image)-[^/]+\.safetensors)|\.t2igan|\..*\.tmp"
)


def inside(out: Folder) -> Folder:
    """The folder of a data set's own records, apart from the shards: training scripts take every *.json there."""
    return Folder(f"{out.url.rstrip('/')}/{INSIDE}")


def settings_hash(settings: Mapping[str, Any]) -> str:
    """16 hex digits that change with any setting."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def claim(out: Folder, settings: Mapping[str, Any], *, overwrites: bool = False) -> None:
    """Take a folder that is new, without shards yet, or an earlier run's with the same settings.

    Raises:
        DataError: if it holds anything else, or a data set with other settings, naming what differs.
    """
    names = out.names()
    earlier = _earlier(out)  # later than the names: another process may just begin
    ours = re.compile(re.escape(INSIDE)) if earlier is None else OURS
    foreign = sorted(name for name in names if not ours.fullmatch(name))
    if foreign:
        raise DataError(
            f"{out.url}: holds other files ({', '.join(foreign[:3])}). Choose a new or empty folder."
        )
    is_empty = not any(name.endswith(SHARD) for name in names)
    is_other = earlier is not None and earlier != json.loads(json.dumps(settings))
    if is_other and not is_empty and not overwrites:
        differs = "; ".join(_differences(earlier, settings))
        raise DataError(f"{out.url}: holds a data set made with other settings: {differs}. Choose another OUT, "
                        "or give --overwrite to make it anew.")  # fmt: skip
    out.sweep()
    inside(out).sweep()
    record(out, settings, is_complete=False, results={})


def record(
    out: Folder, settings: Mapping[str, Any], *, is_complete: bool, results: Mapping[str, Any]
) -> None:
    """Write the record."""
    content = {"settings": settings, "is_complete": is_complete, **results, "t2igan": __version__}
    inside(out).put(NAME, (json.dumps(content, indent=1) + "\n").encode())


def remove_stale(out: Folder, stems: Iterable[str], suffixes: tuple[str, ...] = SHARD) -> None:
    """Remove shards that an earlier run with other settings left."""
    wanted = {f"{stem}{suffix}" for stem in stems for suffix in suffixes}
    for name in out.names():
        if name.endswith(suffixes) and not name.startswith(".") and name not in wanted:
            out.remove(name)


def provenance(folder: Folder) -> Any:
    """The record of a data set that is an input; None if it has none."""
    try:
        return json.loads(inside(folder).read(NAME)) if inside(folder).has(NAME) else None
    except (ValueError, DataError, RecursionError):
        return None


def _earlier(out: Folder) -> Any:
    found = provenance(out)
    return found.get("settings") if isinstance(found, dict) else None


def _differences(earlier: Any, settings: Mapping[str, Any], at: str = "") -> list[str]:
    """Such as "rules.min_clip: 0.28, now 0.3"."""
    if not isinstance(earlier, Mapping):
        return [f"{at or 'settings'}: {earlier}, now {settings}"]
    found = []
    for name in sorted({*earlier, *settings}):
        before, now = earlier.get(name), settings.get(name)
        where = f"{at}.{name}" if at else name
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += _differences(before, now, where)
        elif before != json.loads(json.dumps(now)):
            found.append(f"{where}: {before}, now {now}")
    return found
