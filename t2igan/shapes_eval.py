"""`t2igan eval shapes`: a checkpoint's images by protocol `shapes-v1`, and the files to keep.

The prompts and real pictures are t2igan.shapes_protocol's, the numbers t2igan.metrics.shapes's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2igan import __version__
from t2igan.clip_scorer import DEFAULT_SCORER, ClipScorer, load_scorer
from t2igan.data.grammar import CLASS_NAMES
from t2igan.errors import UsageError
from t2igan.features.judge import load_judge
from t2igan.files import check_folder, write_atomic
from t2igan.metrics.shapes import ShapesResult
from t2igan.pipeline import TextToImage
from t2igan.report import Report
from t2igan.sampling import choose_device
from t2igan.shapes_protocol import Progress, Scenes, judge_generator
from t2igan.shapes_report import add_shapes_sections


def evaluate_shapes_model(
    model: str | None,
    *,
    n: int = 1000,
    psi: float = 1.0,
    seed: int = 0,
    scenes: Scenes = "both",
    judge: str = "embedded:shapes_judge",
    scorer: str | None = DEFAULT_SCORER,
    out: Path | None = None,
    device: str = "auto",
    batch_size: int = 64,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Judge a checkpoint by protocol `shapes-v1`.

    Args:
        model: checkpoint path or embedded:NAME; None = the embedded model.
        n: images of each group.
        psi: truncation.
        seed: chooses prompts and latents.
        scenes: which kinds of scenes.
        judge: checkpoint of the judge.
        scorer: checkpoint of a small CLIP for the CLIP score; None leaves the score out.
        out: folder for eval.json and report.html; None writes nothing.
        device: where the generator runs: cpu, cuda, mps or auto.
        batch_size: images at a time.
        on_progress: told after every batch.

    Returns:
        What `evaluate_shapes` documents, and under `run`: fingerprints of model, judge and scorer, n_per_group, psi, seed,
        noise_mode, resolution, scenes, device, versions, seconds.

    Raises:
        CheckpointError: if the model, the judge or the scorer cannot be read.
        UsageError: if the scorer is the model's own text encoder.
        T2IGanError: if `out` cannot be written.
    """
    started = time.monotonic()
    if out is not None:
        check_folder(out)
    pipeline = TextToImage.from_checkpoint(model, device=choose_device(device))
    net, clip = load_judge(judge), _independent_scorer(scorer, pipeline)

    def generate(captions: Sequence[str], seeds: Sequence[int]) -> Tensor:
        return pipeline.generate(captions, seeds, psi=psi, batch_size=batch_size)

    result = judge_generator(
        generate,
        pipeline.resolution,
        judge=net,
        scorer=clip,
        n=n,
        seed=seed,
        scenes=scenes,
        batch_size=batch_size,
        on_progress=on_progress,
    )
    result.numbers["run"] = {
        "model": model or "embedded",
        "model_fingerprint": pipeline.fingerprint,
        "judge": net.name,
        "scorer": None if clip is None else clip.fingerprint,
        "n_per_group": n,
        "psi": psi,
        "seed": seed,
        "noise_mode": "const",
        "resolution": pipeline.resolution,
        "scenes": scenes,
        "device": str(pipeline.device),
        "t2igan": __version__,
        "torch": torch.__version__,
        "seconds": round(time.monotonic() - started, 1),
    }
    if out is not None:
        write_results(result, out)
    return result.numbers


def _independent_scorer(name: str | None, pipeline: TextToImage) -> ClipScorer | None:
    """Refuse to score with what the generator listens to, and was probably criticised and guided by."""
    if name is None:
        return None
    scorer = load_scorer(name)
    if scorer.fingerprint == pipeline.conditioner.fingerprint:
        raise UsageError(
            f"--scorer {name}: this is the model's own text encoder, whose score a generator learns to exploit. "
            "Give a separately trained CLIP, or none."
        )
    return scorer


def write_results(result: ShapesResult, out: Path) -> None:
    """Write eval.json and report.html, each whole or not at all.

    Raises:
        T2IGanError: if the folder cannot be written.
    """
    write_atomic(out / "eval.json", (json.dumps(result.numbers, indent=2) + "\n").encode())
    report = Report("t2igan eval shapes")
    add_shapes_sections(report, result, class_names=CLASS_NAMES)
    report.save(out / "report.html")
