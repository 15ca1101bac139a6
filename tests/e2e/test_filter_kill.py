"""`data filter` that is killed and given again, by one process and by several, writes what an undisturbed run writes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from survival import code_of, start, wait_until

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.files import is_running

KILLS = 20
SETTINGS = (
    "--clip",
    "embedded:shapes_scorer",
    "--min-clip",
    "0.6",
    "--caption-words",
    "..12",
    "--dedup",
    "exact,phash,embedding",
)


def command(*words: str) -> tuple[str, ...]:
    return ("data", "filter", "in", "out", "--scores", "scores", *SETTINGS, *words)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("out", "scores")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    write_shapes(folder / "in", n=160, resolution=32, seed=5, config=ShapesConfig(), per_shard=8)
    assert code_of(start(folder, command("--workers", "1"))) == 0, (folder / "output.txt").read_text()
    return folder


def done(folder: Path) -> int:
    """Files that are finished."""
    return len(list((folder / "scores").glob("0*"))) + len(list((folder / "out").glob("*_stats.json")))


def linked(undisturbed: Path, folder: Path) -> Path:
    (folder / "in").symlink_to(undisturbed / "in")
    return folder


def test_twenty_kills_at_random_times_lose_and_repeat_nothing(undisturbed: Path, tmp_path: Path):
    linked(undisturbed, tmp_path)
    rng = random.Random(11)
    progress = [0]
    for _ in range(KILLS):
        process = start(tmp_path, command("--workers", "1"))
        wait_until(lambda: done(tmp_path) > progress[-1], process)
        time.sleep(rng.random() * 0.05)
        process.kill()
        process.join()
        progress.append(done(tmp_path))
    assert len(set(progress)) > KILLS / 2  # most kills fell into the work
    assert code_of(start(tmp_path, command("--workers", "1"))) == 0, (tmp_path / "output.txt").read_text()
    assert tree(tmp_path) == tree(undisturbed)


@pytest.mark.slow
def test_a_group_of_four_workers_that_is_killed_leaves_no_process_and_goes_on(
    undisturbed: Path, tmp_path: Path
):
    linked(undisturbed, tmp_path)
    words = [sys.executable, "-m", "t2igan", *command("--workers", "4")]
    first = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "scores").glob("0*"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(children) >= 4
    deadline = time.monotonic() + 20
    while any(is_running(int(child)) for child in children):
        assert time.monotonic() < deadline, children
        time.sleep(0.05)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == tree(undisturbed)
