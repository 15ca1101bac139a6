"""Speed of a folder's features: ours and clean-fid's, the same pictures through the same network, in one run.

Both give every picture to the network at 299 px by clean-fid's resize.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from t2igan import weights
from t2igan.bench.evaluation_networks import BATCH, NetProbe, Network, build_network
from t2igan.bench.machine import describe
from t2igan.bench.photographs import photograph
from t2igan.evaluation.collect import collect
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.sources import open_source

DISTINCT = 16
OURS, CLEAN_FID = "ours", "clean-fid"


def bench_folder(
    *,
    pictures: int = 256,
    side: int = 256,
    workers: int = 0,
    network: Network = "small",
    rounds: int = 3,
) -> dict[str, Any]:
    """Measure pictures a second of both, by the clock and by CPU time; they take turns, and the best round of each counts.

    Args:
        pictures: PNG files of photograph-like noise, made anew.
        side: of each, in pixels.
        workers: processes of clean-fid's loader; 0 = it reads in this one, as ours does.
        network: which one sees them.
        rounds: turns.

    Returns:
        {"images_per_s": {"ours", "clean-fid"}, "cpu_ms": of an image, for each, child processes included, "ratio": of the
        rates, "cpu_ratio", "difference": largest of a feature, and the machine's description}.
    """
    net = build_network(network)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        write_pictures(folder, pictures, side)
        roads: dict[str, Callable[[int], np.ndarray]] = {
            OURS: lambda turn: _ours(folder, net, Path(name) / f"cache{turn}"),
            CLEAN_FID: lambda turn: weights.clean_fid_folder_features(
                folder, lambda x: net(x / 255), batch=BATCH, workers=workers
            ),
        }
        wall, cpu, rows = dict.fromkeys(roads, float("inf")), dict.fromkeys(roads, float("inf")), {}
        for turn in range(rounds):
            for road, run in roads.items():
                start = time.perf_counter(), _cpu_seconds()
                rows[road] = run(turn)
                wall[road] = min(wall[road], time.perf_counter() - start[0])
                cpu[road] = min(cpu[road], _cpu_seconds() - start[1])
    rates = {road: pictures / seconds for road, seconds in wall.items()}
    return describe(torch.device("cpu")) | {
        "pictures": pictures,
        "side": side,
        "workers": workers,
        "network": network,
        "images_per_s": rates,
        "cpu_ms": {road: 1000 * seconds / pictures for road, seconds in cpu.items()},
        "cpu_ratio": cpu[CLEAN_FID] / cpu[OURS],
        "ratio": rates[OURS] / rates[CLEAN_FID],
        "difference": float(np.abs(rows[OURS] - rows[CLEAN_FID]).max()),
    }


def _cpu_seconds() -> float:
    """Of this process, and of children that have ended, which are counted in hundredths of a second."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _ours(folder: Path, net: nn.Module, cache: Path) -> np.ndarray:
    """From the folder's name on: listing, hashing, looking for oddities, and keeping the features."""
    probe: Probe = NetProbe(net)
    (rows,) = collect(open_source(str(folder)), [probe], cache, device=torch.device("cpu"), batch=BATCH)
    return rows.all("features").numpy()


def write_pictures(folder: Path, pictures: int, side: int) -> None:
    """A new folder of PNGs, sixteen of which differ; names sort by letters as by numbers, as clean-fid sorts by letters."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    distinct = [photograph(rng, side, side) for _ in range(min(DISTINCT, pictures))]
    for number in range(pictures):
        distinct[number % len(distinct)].save(folder / f"{number:06d}.png", compress_level=1)
