"""Drawing and features at the same time, against each of them alone: the embedded model and a network, in one run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from t2igan.ahead import cores
from t2igan.bench.evaluation_networks import BATCH, NetProbe, Network, build_network
from t2igan.bench.machine import describe, now
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream
from t2igan.evaluation.collect import collect
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.pipeline import TextToImage
from t2igan.sampling import choose_device

DRAWING, FEATURES, BOTH = "drawing alone", "features alone", "overlapped"


def bench_overlap(
    *, pictures: int = 1024, device: str = "auto", network: Network = "small", rounds: int = 3
) -> dict[str, Any]:
    """Measure pictures a second of all three; they take turns, and the best round of each counts.

    On a CPU each of the two gets one thread, alone as well as together: two networks that share cores are not overlapped.

    Args:
        pictures: drawings.
        device: cpu, cuda, mps or auto.
        network: which one sees them; `small` takes about as long as drawing, the hardest case.
        rounds: turns.

    Returns:
        {"images_per_s": {"drawing alone", "features alone", "overlapped"}, "ratio": of the last to the slower of the
        others, "pictures", "cores", and the machine's description}.

    Raises:
        UsageError: if this machine has no such device.
    """
    place = choose_device(device)
    with (
        _threads(1 if place.type == "cpu" else torch.get_num_threads()),
        tempfile.TemporaryDirectory() as name,
    ):
        rates = _rates(pictures, place, build_network(network), rounds, Path(name))
        return describe(place) | {
            "pictures": pictures,
            "cores": cores(),
            "network": network,
            "images_per_s": rates,
            "ratio": rates[BOTH] / min(rates[DRAWING], rates[FEATURES]),
        }


def _rates(
    pictures: int, device: torch.device, net: nn.Module, rounds: int, folder: Path
) -> dict[str, float]:
    stream = ShapesStream(ShapesConfig(), resolution=32, seed=0)
    captions = [stream.sample(number).caption for number in range(pictures)]
    model, probe = TextToImage.from_checkpoint(device=device), NetProbe(net)
    source = DrawnSource(model, captions, name="embedded", batch=BATCH)
    images = torch.stack([drawn.image for drawn in source.read(0, pictures)])

    def look() -> None:
        probe.to(device)
        for part in images.split(BATCH):
            probe(part, [])

    roads: dict[str, Callable[[int], object]] = {
        DRAWING: lambda turn: list(source.read(0, pictures)),
        FEATURES: lambda turn: look(),
        BOTH: lambda turn: collect(source, [probe], folder / str(turn), device=device, batch=BATCH),
    }
    best = dict.fromkeys(roads, float("inf"))
    for turn in range(rounds):
        for road, run in roads.items():
            start = now(device)
            run(turn)
            best[road] = min(best[road], now(device) - start)
    return {road: pictures / seconds for road, seconds in best.items()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
