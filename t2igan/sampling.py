"""Prompts x seeds -> PNG files with their story inside. The drawing is pipeline.py's."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2igan import __version__, images
from t2igan.errors import UsageError
from t2igan.files import check_folder
from t2igan.pipeline import DEFAULT_MODEL, TextToImage
from t2igan.upscaler.chain import Chain
from t2igan.upscaler.model import Upscaler

LOG = logging.getLogger(__name__)
MAX_SEEDS = 100_000
SLUG_LENGTH = 48


@dataclass(frozen=True)
class SampleRequest:
    """What `t2igan sample` was asked for."""

    prompts: tuple[str, ...]
    seeds: str = "0"
    psi: float = 1.0
    psi_global: float | None = None
    model: str | None = None
    out: Path = Path("out")
    grid: bool = False
    batch: int = 64
    device: str = "auto"
    overwrite: bool = False
    scale: int = 1
    metadata: bool = True
    upscale: tuple[str, ...] = ()  # upsamplers, applied one after another


def sample(request: SampleRequest) -> Iterator[Path]:
    """Draw every prompt with every seed; yields each file once it is written.

    Raises:
        UsageError: for seeds, prompts or a psi that cannot be right, or a file that exists already.
        CheckpointError: if the model cannot be read.
        T2IGanError: if the folder cannot be written.
    """
    seeds = parse_seeds(request.seeds)
    jobs = [(prompt, seed) for prompt in request.prompts for seed in seeds]
    paths = [request.out / name for name in file_names(jobs)]
    grid_path = request.out / "grid.png"
    check_folder(request.out)
    _refuse_existing([*paths, grid_path] if request.grid else paths, request.overwrite)
    device = choose_device(request.device)
    base = TextToImage.from_checkpoint(request.model, device=device)
    upscalers = tuple(Upscaler.from_checkpoint(name, device=device) for name in request.upscale)
    for prompt in request.prompts:
        _warn_of_cut(base, prompt)
    model = Chain(base, upscalers) if upscalers else base
    kept = []
    for path, (prompt, seed), tile in zip(paths, jobs, _tiles(model, request, jobs), strict=True):
        story = story_of(base, request, prompt, seed, upscalers) if request.metadata else None
        images.save_png(
            path, tile.repeat_interleave(request.scale, 1).repeat_interleave(request.scale, 2), story
        )
        yield path
        if request.grid:
            kept.append(tile)
    if request.grid:
        scale = max(request.scale, 96 // model.resolution, 1)
        sheet = images.grid(torch.stack(kept), min(len(seeds), 16), captions=_captions(jobs), scale=scale)
        story = {"prompts": list(request.prompts), "seeds": seeds, "psi": request.psi}
        images.save_png(grid_path, sheet, story if request.metadata else None)
        yield grid_path


def _tiles(
    model: TextToImage | Chain, request: SampleRequest, jobs: list[tuple[str, int]]
) -> Iterator[Tensor]:
    """The picture of each job, [3, R, R] uint8; a batch is drawn when its first one is asked for."""
    prompts, seeds = [prompt for prompt, _ in jobs], [seed for _, seed in jobs]
    how = {"psi": request.psi, "psi_global": request.psi_global}
    for batch in model.stream(prompts, seeds, **how, batch_size=request.batch):
        yield from batch


def file_names(jobs: list[tuple[str, int]]) -> list[str]:
    """`0003_a-red-circle.png`; prompts that would share a name get -2, -3, ... behind it."""
    names: dict[str, None] = {}
    for prompt, seed in jobs:
        plain = f"{seed:04d}_{slug(prompt)}"
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names[name] = None
    return [f"{name}.png" for name in names]


def story_of(
    model: TextToImage,
    request: SampleRequest,
    prompt: str,
    seed: int,
    upscalers: Sequence[Upscaler] = (),
) -> dict[str, Any]:
    """What a PNG says of itself: enough to draw it again."""
    enlarged_by = [
        {"name": name, "fingerprint": upscaler.fingerprint, "scale": upscaler.G.scale}
        for name, upscaler in zip(request.upscale, upscalers, strict=True)
    ]
    story = {
        "v": 1,
        "prompt": prompt,
        "seed": seed,
        "psi": request.psi,
        "space": "z",
        "noise_mode": "const",
        "model": {"name": request.model or DEFAULT_MODEL, "fingerprint": model.fingerprint},
        "conditioner": model.conditioner.fingerprint,
        "size": [model.resolution, model.resolution],
        "created_by": f"t2igan {__version__}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if request.psi_global is not None:
        story["psi_global"] = request.psi_global
    return story | ({"upscale": enlarged_by} if enlarged_by else {})


def parse_seeds(text: str) -> list[int]:
    """`0-7`, `3,8,12` or a mix -> seeds in that order.

    Raises:
        UsageError: if it is no such list, or longer than 100,000.
    """
    seeds: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})\s*(?:-\s*(\d{1,18})\s*)?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if match is None or last < first or len(seeds) + last - first >= MAX_SEEDS:
            raise UsageError(
                f"--seeds {text!r}: give whole numbers, as in 0-7 or 3,8,12 (at most {MAX_SEEDS:,})."
            )
        seeds.extend(range(first, last + 1))
    return seeds


def slug(prompt: str) -> str:
    """A prompt as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:SLUG_LENGTH].strip("-") or "prompt"


def choose_device(name: str) -> torch.device:
    """`auto` -> cuda where there is one, else cpu.

    Raises:
        UsageError: if this machine has no such device.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: this machine has no such device. Use --device cpu.") from error
    return torch.device(chosen)


def _captions(jobs: list[tuple[str, int]]) -> list[str]:
    return [f"{prompt} [{seed}]" for prompt, seed in jobs]


def _refuse_existing(paths: list[Path], overwrite: bool) -> None:
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]}: exists already. Choose another --out, or add --overwrite.")


def _warn_of_cut(model: TextToImage, prompt: str) -> None:
    cut = model.cut(prompt)
    if cut:
        LOG.warning("warning: the text encoder cannot read the end of this prompt, which is cut: %r", cut)
