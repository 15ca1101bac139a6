"""How much higher the peak of memory is after an evaluation of 4 n pictures than after one of n. Not its speed."""

from __future__ import annotations

import multiprocessing as mp
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from t2igan.bench.evaluation_folder import write_pictures
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.sources import open_source
from t2igan.metrics.config import RandomConvFeaturesConfig

TIMES = 4


def bench_memory(*, pictures: int = 256, side: int = 256) -> dict[str, Any]:
    """Measure Frechet distances of folders from themselves, one after the other in a process of their own.

    Args:
        pictures: n, PNG files of photograph-like noise, made anew.
        side: of each, in pixels.

    Returns:
        {"pictures": [n, 4 n], "peak_mb": so far, after each, "growth_mb", "decoded_mb": what the further pictures would take if they were
        held, "side"}.
    """
    counts = [pictures, TIMES * pictures]
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(count) for count in counts]
        for folder, count in zip(folders, counts, strict=True):
            write_pictures(folder, count, side)
        with ProcessPoolExecutor(1, mp_context=mp.get_context("spawn")) as process:
            peaks = [process.submit(_measure, str(folder)).result() for folder in folders]
    return {
        "pictures": counts,
        "side": side,
        "peak_mb": peaks,
        "growth_mb": peaks[1] - peaks[0],
        "decoded_mb": (counts[1] - counts[0]) * 3 * side**2 / 2**20,
    }


def _measure(folder: str) -> float:
    """Peak of this process in MB, after the distance."""
    metric = Metric("frechet", RandomConvFeaturesConfig())
    evaluate(open_source(folder), open_source(folder), [metric], cache=Path(f"{folder}.features"), batch=32)
    status = Path("/proc/self/status")
    if status.is_file():  # the other count begins with the memory of the process that started this one
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
