"""Folders such as a run leaves, without training. Not a fixture: tests call it with their own numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

RECIPE = """\
task: gan
name: {name}
generator: {{arch: stylegan_t, z_dim: {z_dim}}}
train: {{batch: 8, tick_kimg: 10.0}}
stages:
- {{resolution: 16, kimg: 50.0}}
- {{resolution: 32, kimg: 100.0}}
"""
LAST_TICK = 1_000_000.0  # seconds since 1970


def tick(kimg: float, **changes: float) -> dict[str, float]:
    """A progress line: 100 images a second, one score of each network."""
    line = {
        "kimg": kimg,
        "step": round(125 * kimg),
        "resolution": 16 if kimg <= 50 else 32,
        "sec_per_kimg": 10.0,
    }
    line |= {"eta_s": 1, "elapsed_s": 10 * kimg, "memory_gb": 1.5, "bad_steps": 0}
    return {**line, "D/real": 1 / (1 + kimg), "G/adversarial": 0.5, **changes}


def write_run(
    folder: Path,
    ticks: Sequence[Mapping[str, float]] = (),
    metrics: Sequence[Mapping[str, float]] = (),
    *,
    name: str = "two_stages",
    z_dim: int = 8,
) -> Path:
    """A run of two stages, 150 thousand images in all, whose last tick was written at LAST_TICK."""
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE.format(name=name, z_dim=z_dim))
    (folder / "log.txt").write_text("2026-01-01 00:00:00 stage 1\n")
    for file, rows in (("stats.jsonl", ticks), ("metrics.jsonl", metrics)):
        if rows:
            (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
            os.utime(folder / file, (LAST_TICK, LAST_TICK))
    return folder
