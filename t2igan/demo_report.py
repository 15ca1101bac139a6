"""The page that `t2igan demo` leaves: curves, real beside generated, a sweep of psi, accuracy. It measures nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from t2igan import images
from t2igan.data.captions import full_caption
from t2igan.data.config import ShapesConfig
from t2igan.data.grammar import CLASS_NAMES, Scene, scene_at
from t2igan.data.render import render
from t2igan.metrics.shapes import ShapesResult
from t2igan.pipeline import TextToImage
from t2igan.report import Report
from t2igan.shapes_report import add_shapes_sections

PSIS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
SWEEP_PROMPT = "a yellow triangle"  # size, place and background are left to z
NUM_PAIRS = 16
UNDERTRAINED = (
    "**Undertrained on purpose.** `--fast` shows every step of the road in two minutes; these pictures say nothing "
    "about what the model can learn. Run `t2igan demo` for that."
)
TILE = 96  # pixels, about


def write_report(
    out: Path,
    model: TextToImage,
    result: ShapesResult,
    *,
    seconds: Mapping[str, float],
    is_undertrained: bool,
) -> None:
    """Write report.html and the pictures beside it.

    Raises:
        T2IGanError: if the folder cannot be written.
    """
    report = Report("t2igan demo")
    if is_undertrained:
        report.text(UNDERTRAINED)
    report.text(
        "A StyleGAN-T was trained from scratch on pictures of one coloured shape each. Some colour-shape pairs were "
        "held out of training: what it draws for those, nobody showed it."
    )
    _add_real_and_generated(report, model, out)
    _add_sweep(report, model, out)
    _add_curves(report, out / "gan" / "stats.jsonl")
    add_shapes_sections(report, result, class_names=CLASS_NAMES)
    report.section("Time")
    report.table([[name, f"{took:.0f} s"] for name, took in seconds.items()], ["step", "time"])
    report.save(out / "report.html")


def _add_real_and_generated(report: Report, model: TextToImage, out: Path) -> None:
    scenes = [_held_out(i) for i in range(NUM_PAIRS)]
    captions = [full_caption(scene) for scene in scenes]
    real = torch.stack([_tile(scene, model.resolution) for scene in scenes])
    fake = model.generate(captions, range(NUM_PAIRS))
    both = torch.stack([real, fake], dim=1).flatten(0, 1)
    words = [word for caption in captions for word in (f"real: {caption}", "generated")]
    sheet = images.grid(both, columns=8, captions=words, scale=max(1, TILE // model.resolution))
    images.save_png(out / "real_and_generated.png", sheet, {})
    report.section("Held-out combinations: real beside generated")
    report.image(
        images.png_bytes(sheet), "Each pair: a rendering, and what the generator makes of its caption."
    )


def _held_out(index: int) -> Scene:
    return scene_at(7, index, ShapesConfig(scenes="single", combinations="held_out"))


def _tile(scene: Scene, size: int) -> torch.Tensor:
    return torch.from_numpy(render(scene, size)[0]).permute(2, 0, 1)


def _add_sweep(report: Report, model: TextToImage, out: Path) -> None:
    seeds = range(4)
    rows = [model.generate([SWEEP_PROMPT] * len(seeds), seeds, psi=psi) for psi in PSIS]
    tiles = torch.stack(rows, dim=1).flatten(0, 1)
    words = [f"psi {psi:g}, seed {seed}" for seed in seeds for psi in PSIS]
    sheet = images.grid(tiles, columns=len(PSIS), captions=words, scale=max(1, TILE // model.resolution))
    images.save_png(out / "psi_sweep.png", sheet, {})
    report.section("Truncation")
    report.text(
        f"Prompt: {SWEEP_PROMPT}. psi 0 is the mean of all noise for this prompt, psi 1 full variety."
    )
    report.image(images.png_bytes(sheet), "One row a seed, psi from left to right.")


def _add_curves(report: Report, stats_file: Path) -> None:
    ticks = [json.loads(line) for line in stats_file.read_text(encoding="utf-8").splitlines()]
    names = sorted({name for tick in ticks for name in tick if "/" in name})
    series = {name: [(tick["kimg"], tick[name]) for tick in ticks if name in tick] for name in names}
    speed = {"images per second": [(tick["kimg"], 1000 / tick["sec_per_kimg"]) for tick in ticks]}
    report.section("Training")
    report.curve("Scores", series, x_label="thousand images", y_label="mean logit or loss")
    report.curve("Speed", speed, x_label="thousand images", y_label="images per second")
