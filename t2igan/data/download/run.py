"""A table of URLs -> a data set of shards: plan, download, finish, account. The same call again goes on where it ended."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from t2igan import __version__
from t2igan.data.download.lock import folder_lock
from t2igan.data.download.options import DownloadOptions, Progress
from t2igan.data.download.parts import FOLDER, Plan, load_plan, make_plan
from t2igan.data.download.supervise import last_words
from t2igan.data.download.table import table_files
from t2igan.data.download.work import Work
from t2igan.data.writer import PROVENANCE
from t2igan.errors import DataError, UsageError
from t2igan.files import remove_abandoned, write_atomic

FIRST_WITHOUT_IMGHDR = (3, 13)
LISTED = 20  # missing shards that an error names


def download(
    urls: str | Path,
    out: str | Path,
    options: DownloadOptions | None = None,
    *,
    is_retry: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Download a table of URLs and captions into shards.

    Args:
        urls: a csv, tsv, txt, jsonl or parquet file (the former also as .gz), or a folder of one kind.
        out: a new or empty folder, or that of an earlier call, which goes on.
        options: what to make, and how fast.
        is_retry: once all is done, try what could not be downloaded again, into further shards.
        on_progress: called with the URLs done and in all.

    Returns:
        {"out", "seen", "samples", "shards", "skipped": reason -> count}; seen = samples + skipped.

    Raises:
        UsageError: if img2dataset is missing, or an option cannot be right.
        DataError: if the table cannot be read, `out` holds something else, or shards are missing at the end.
    """
    check_installed()
    urls, out = Path(urls), Path(out)
    options = options or DownloadOptions()
    settings = _settings(urls, options)
    _claim(out, settings)
    with folder_lock(out / PROVENANCE.parts[0]) as lock:
        plan = load_plan(out) or _first_plan(urls, out, options)
        work = Work(plan, out, options, on_progress, lock)
        if is_retry and not work.missing():
            work.add_round()
        _record(out, settings, {"is_complete": False})
        remove_abandoned(out)
        for part in plan.parts:
            work.run(part)
        account = work.account()
        missing = work.missing()
        _record(out, settings, {"is_complete": not missing, **account, "missing_shards": missing})
    if missing:
        raise _missing(out, missing)
    download = account["download"]
    return {"out": str(out), "seen": download["seen"], "samples": account["samples"], "shards": account["shards"],
            "skipped": download["skipped"]}  # fmt: skip


def _first_plan(urls: Path, out: Path, options: DownloadOptions) -> Plan:
    """The plan of a new data set; where the table is at fault, nothing is left of it."""
    try:
        return make_plan(urls, out, options)
    except DataError:
        shutil.rmtree(out / PROVENANCE.parts[0], ignore_errors=True)
        with contextlib.suppress(OSError):  # it is not empty
            out.rmdir()
        raise


def check_installed() -> None:
    """Make sure that img2dataset can be started.

    Raises:
        UsageError: saying what to install.
    """
    if sys.version_info >= FIRST_WITHOUT_IMGHDR:
        raise UsageError("img2dataset, which downloads, needs the module imghdr, which Python 3.13 has no more. Run this one "
                         "command with Python 3.11 or 3.12; the shards can be used with any.")  # fmt: skip
    if importlib.util.find_spec("img2dataset") is None:
        raise UsageError(
            "img2dataset, which downloads, is not installed. Run `pip install 't2igan[download]'`."
        )


def _settings(urls: Path, options: DownloadOptions) -> dict[str, Any]:
    files = [(file.name, file.stat().st_size) for file in table_files(urls)]
    fingerprint = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
    table = {"name": urls.resolve().name, "files": len(files), "fingerprint": fingerprint}
    return {"made_by": "data download", "urls": table, **options.settings()}


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Make sure that the folder is free, or of the same call.

    Raises:
        DataError: naming what is in the way.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file. Choose another --out.")
    try:
        earlier = json.loads((out / PROVENANCE).read_bytes())["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        others = (
            sorted(p.name for p in out.iterdir() if p.name != PROVENANCE.parts[0]) if out.is_dir() else []
        )
        if others:
            raise DataError(
                f"{out}: holds other files ({', '.join(others[:3])}). Choose a new or empty folder."
            ) from None
        _record(out, settings, {"is_complete": False})
        return
    changed = [key for key in settings if earlier.get(key) != json.loads(json.dumps(settings[key]))]
    if changed:
        told = ", ".join(f"{key}: {earlier.get(key)}, now {settings[key]}" for key in changed)
        raise DataError(f"{out}: was begun with other settings ({told}). Use those, or choose another --out.")


def _record(out: Path, settings: dict[str, Any], content: dict[str, Any]) -> None:
    text = json.dumps({"settings": settings, **content, "t2igan": __version__}, indent=1)
    write_atomic(out / PROVENANCE, (text + "\n").encode())


def _missing(out: Path, missing: list[int]) -> DataError:
    names = ", ".join(f"{shard:05d}" for shard in missing[:LISTED]) + (
        ", ..." if len(missing) > LISTED else ""
    )
    log = out / FOLDER / "log.txt"
    return DataError(f"{out}: {len(missing)} shards are missing: {names}. Run the same command again. "
                     f"img2dataset's last words: {last_words(log) or 'none'} (all of them: {log})")  # fmt: skip
