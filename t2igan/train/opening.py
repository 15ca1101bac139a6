"""What a person wants to know before the first step: sizes, precision, how the batch comes about, what was taken over."""

from __future__ import annotations

from t2igan import dist
from t2igan.train.stages import Carried
from t2igan.train.state import TrainState


def opening_lines(state: TrainState, carried: list[Carried]) -> list[str]:
    """Lines for the log of a stage that begins."""
    counts = {key: sum(p.numel() for p in params.values()) for key, params in state.params.items()}
    sizes = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    share = state.config.batch // dist.world()
    piece = min(state.config.batch_gpu or share, share)
    lines = [
        f"stage {state.stage + 1}: {state.resolution} px, images {state.nimg:,} to {state.stop_nimg:,}; "
        f"trained parameters: {sizes}",
        f"batch {state.config.batch} = {piece} images x {share // piece} pieces x {dist.world()} ranks; "
        f"{str(state.dtype).removeprefix('torch.')} on {state.device}",
    ]
    taken = [line for one in carried for line in one.lines()]
    return [*lines, *(["taken over:"] if taken else []), *(f"  {line}" for line in taken)]
