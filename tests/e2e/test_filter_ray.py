"""`--engine ray`, on a cluster of this machine: the same bytes as without, although a worker is killed in mid-shard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes

ACTOR = "ray::Guarded"
RULES = ("--clip", "embedded:shapes_scorer", "--min-clip", "0.6", "--dedup", "phash")


def command(out: str, *words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "t2igan",
        "data",
        "filter",
        "in",
        out,
        "--scores",
        f"{out}.scores",
        *RULES,
        *words,
        "--json",
    ]


def workers_at_work() -> list[int]:
    """Process numbers of actors that are in a call."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(ACTOR.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_ray_gives_the_bytes_of_one_process_although_a_worker_dies_in_mid_shard(tmp_path: Path):
    pytest.importorskip("ray")
    write_shapes(tmp_path / "in", n=1200, resolution=64, seed=6, config=ShapesConfig(), per_shard=200)
    subprocess.run(
        command("one", "--workers", "1"), cwd=tmp_path, check=True, capture_output=True, timeout=120
    )
    words = command("ray", "--workers", "2", "--engine", "ray")
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, env={**os.environ, "RAY_DEDUP_LOGS": "0"}
        )
        deadline = time.monotonic() + 120
        while not list((tmp_path / "ray.scores").glob("*.parquet")):
            is_late = time.monotonic() > deadline
            if is_late or (process.poll() is not None and "no Ray cluster" in (tmp_path / "log").read_text()):
                process.kill()
                pytest.skip(f"Ray does not start on this machine: {(tmp_path / 'log').read_text()[-300:]}")
            assert process.poll() in (None, 0), (tmp_path / "log").read_text()
            time.sleep(0.01)
        victims = workers_at_work()
        assert victims, (tmp_path / "log").read_text()
        os.kill(victims[0], 9)
        assert process.stdout is not None
        summary = json.loads(process.stdout.read())
        assert process.wait(timeout=120) == 0, (tmp_path / "log").read_text()
    assert "its worker was lost; attempt 2 of 3" in (tmp_path / "log").read_text()
    assert summary["samples"] == 1200
    assert files(tmp_path / "ray") == files(tmp_path / "one")
    assert files(tmp_path / "ray.scores") == files(tmp_path / "one.scores")
