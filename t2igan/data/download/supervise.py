"""Runs img2dataset over one part in a child process, and watches it: restarts, stalls, leftovers. Not its results.

What counts as done is NNNNN_stats.json: a kill leaves truncated tars and parquets under their final names, and a worker
that dies takes its shard with it while img2dataset goes on waiting or reports success.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from t2igan.data.download.options import DownloadOptions
from t2igan.data.tars import check_end
from t2igan.errors import DataError

ATTEMPTS = 3  # starts of the child in a row without a finished shard
POLL_S = 0.25
STATS = "_stats.json"
USER_AGENT = "t2igan"
NO_TRAINING = ["noai", "noimageai", "noindex", "noimageindex"]  # in X-Robots-Tag: not to be downloaded
ENVIRONMENT = {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # it asks a server for its newest version at every import
    "WANDB_MODE": "disabled",
    "OMP_NUM_THREADS": "1",
}


def arguments(
    urls: Path, raw: Path, options: DownloadOptions, *, has_captions: bool, shards: int
) -> dict[str, Any]:
    """What img2dataset is asked to do: keep the bytes as they come, and nothing else."""
    return {
        "url_list": str(urls),
        "output_folder": str(raw),
        "input_format": "parquet",
        "output_format": "webdataset",
        "url_col": "url",
        "caption_col": "caption" if has_captions else None,
        "number_sample_per_shard": options.per_shard,
        "processes_count": min(options.processes, shards),
        "thread_count": options.threads,
        "timeout": options.timeout_s,
        "retries": options.retries,
        "disable_all_reencoding": True,
        "extract_exif": False,
        "compute_hash": "sha256",
        "incremental_mode": "incremental",
        "enable_wandb": False,
        "user_agent_token": USER_AGENT,
        "disallowed_header_directives": NO_TRAINING,
    }


def run_child(
    call: dict[str, Any],
    *,
    shards: int,
    log: Path,
    lock: int,
    stall_s: float,
    on_shard: Callable[[int], None],
) -> list[int]:
    """Start the child, and start it again, until all shards are there or nothing moves any more.

    Args:
        call: from `arguments`.
        shards: how many there will be.
        log: what the child prints goes there.
        lock: descriptor that the child is to hold.
        stall_s: seconds without progress after which the child is ended.
        on_shard: called once with each shard that is complete, those of earlier runs included.

    Returns:
        The shards that are missing after several starts.
    """
    raw = Path(call["output_folder"])
    seen: set[int] = set()

    def report() -> None:
        for shard in sorted(done_shards(raw) - seen):
            on_shard(shard)
            seen.add(shard)

    idle = 0
    tidy(raw)
    report()
    while len(seen) < shards and idle < ATTEMPTS:
        before = len(seen)
        child = _start(call, log, lock)
        watch(child, raw, stall_s, report)
        tidy(raw)
        report()
        idle = 0 if len(seen) > before else idle + 1
    return sorted(set(range(shards)) - seen)


def done_shards(raw: Path) -> set[int]:
    """Numbers of the shards whose statistics are there."""
    return {int(path.name.removesuffix(STATS)) for path in raw.glob(f"*{STATS}")}


def tidy(raw: Path) -> None:
    """Remove what a killed child left: statistics cut off, tars and parquets without them, work lists."""
    raw.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(raw / "_tmp", ignore_errors=True)
    for path in raw.glob(f"*{STATS}"):
        tar = path.with_name(path.name.replace(STATS, ".tar"))
        if not _is_json(path) or (tar.exists() and not _is_whole(tar)):
            path.unlink()
    done = done_shards(raw)
    for path in [*raw.glob("*.tar"), *raw.glob("*.parquet")]:
        if not path.stem.isdigit() or int(path.stem) not in done:
            path.unlink()


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError):
        return False


def _is_whole(tar: Path) -> bool:
    try:
        check_end(tar)
    except DataError:
        return False
    return True


def watch(child: subprocess.Popen[bytes], raw: Path, stall_s: float, report: Callable[[], None]) -> None:
    """The life of a child, to its end or until nothing has moved for `stall_s`."""
    try:
        state, since = _state(raw), time.monotonic()
        while child.poll() is None:
            time.sleep(POLL_S)
            report()
            now = _state(raw)
            if now != state:
                state, since = now, time.monotonic()
            elif time.monotonic() - since > stall_s:
                return
    finally:
        _end(child)


def _start(call: dict[str, Any], log: Path, lock: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "t2igan.data.download.child", str(os.getpid()), json.dumps(call)]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | ENVIRONMENT,
            pass_fds=(lock,),
            start_new_session=True,  # so that its workers can be ended with it
        )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and its workers, and wait."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _state(raw: Path) -> tuple[int, int]:
    """Changes whenever something was written."""
    sizes = []
    for path in raw.rglob("*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            sizes.append(path.stat().st_size)
    return len(sizes), sum(sizes)


def last_words(log: Path) -> str:
    """The last line that the child printed."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return lines[-1].strip()[:200] if lines else ""
