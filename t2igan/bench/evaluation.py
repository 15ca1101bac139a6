"""What `bench eval` measures, part by part. How each part is measured is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from t2igan.bench.evaluation_folder import bench_folder
from t2igan.bench.evaluation_frechet import bench_frechet
from t2igan.bench.evaluation_memory import bench_memory
from t2igan.bench.evaluation_networks import Network
from t2igan.bench.evaluation_overlap import bench_overlap

Part = Literal["folder", "overlap", "memory", "frechet"]
PARTS: tuple[Part, ...] = get_args(Part)
TIMES = 4


def bench_evaluation(
    parts: Sequence[str] = PARTS,
    *,
    pictures: int = 256,
    side: int = 256,
    workers: int = 0,
    network: Network = "small",
    device: str = "auto",
    rounds: int = 3,
) -> dict[str, Any]:
    """Measure.

    Args:
        parts: which of PARTS.
        pictures: of a folder; drawings are four times as many, as the first batch of them has nothing to overlap with.
        side: of the folder's pictures, in pixels.
        workers: processes of clean-fid's loader; 0 = it reads in this one, as ours does.
        network: which sees the pictures of folders and the drawings.
        device: where is drawn; the other parts are of the CPU.
        rounds: turns of what is compared, of which the best counts; the Frechet distance has one.

    Returns:
        part -> what its module documents, in the order of PARTS.

    Raises:
        UsageError: if this machine has no such device.
    """
    measures: dict[Part, Callable[[], dict[str, Any]]] = {
        "folder": lambda: bench_folder(
            pictures=pictures, side=side, workers=workers, network=network, rounds=rounds
        ),
        "overlap": lambda: bench_overlap(
            pictures=TIMES * pictures, device=device, network=network, rounds=rounds
        ),
        "memory": lambda: bench_memory(pictures=pictures, side=side),
        "frechet": bench_frechet,
    }
    return {part: measures[part]() for part in PARTS if part in parts}
