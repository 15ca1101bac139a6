"""Protocol `shapes-v1` for any generator: which prompts are asked, which real pictures stand beside the answers.

The numbers are t2igan.metrics.shapes's; checkpoints and files are t2igan.shapes_eval's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from t2igan.data.captions import full_caption
from t2igan.data.config import ShapesConfig
from t2igan.data.grammar import CLASS_NAMES, Scene, labels, scene_at
from t2igan.data.render import render
from t2igan.errors import UsageError
from t2igan.metrics.judging import Judge, Prompts, Scorer
from t2igan.metrics.shapes import ShapesResult, evaluate_shapes

Scenes = Literal["single", "pair", "both"]
Generate = Callable[[Sequence[str], Sequence[int]], Tensor]
"""Captions and seeds -> uint8 images [N, 3, R, R]."""
Progress = Callable[[int, int], None]
"""Called with the number of images made and the number to make."""

MIN_N = 10  # of a group: with fewer, the distances have no interval
SPLITS: tuple[Literal["held_out"], Literal["seen"]] = ("held_out", "seen")
# Streams of scenes that no training seed names, so that nothing judged was trained on by number.
PROMPT_STREAM, REFERENCE_STREAM = 10**9, 2 * 10**9
SEEDS_APART = 10**6  # image i of evaluation seed s has the latent of seed s * SEEDS_APART + i


def draw_scenes(n: int, scenes: Scenes, *, stream: int) -> dict[str, list[Scene]]:
    """Draw n scenes for each group "single|pair/held_out|seen".

    Args:
        n: scenes of a group.
        scenes: which kinds of scenes.
        stream: number of the stream that they come from.
    """
    kinds = ("single", "pair") if scenes == "both" else (scenes,)
    drawn = {}
    for kind in kinds:
        for split in SPLITS:
            config = ShapesConfig(scenes=kind, combinations=split)
            drawn[f"{kind}/{split}"] = [scene_at(stream, i, config) for i in range(n)]
    return drawn


def prompts_of(drawn: dict[str, list[Scene]]) -> Prompts:
    """The full captions and the ground truth of scenes, group after group."""
    together = [scene for scenes in drawn.values() for scene in scenes]
    return Prompts(
        captions=tuple(full_caption(scene) for scene in together),
        labels=torch.tensor([labels(scene) for scene in together]),
        columns=tuple(CLASS_NAMES),
        groups=tuple(group for group, scenes in drawn.items() for _ in scenes),
    )


def renderings(drawn: dict[str, list[Scene]], resolution: int, *, batch_size: int = 256) -> Iterator[Tensor]:
    """Real pictures of scenes: uint8 batches [n, 3, R, R], group after group."""
    together = [scene for scenes in drawn.values() for scene in scenes]
    for start in range(0, len(together), batch_size):
        pictures = [
            torch.from_numpy(render(scene, resolution)[0]) for scene in together[start : start + batch_size]
        ]
        yield torch.stack(pictures).permute(0, 3, 1, 2).contiguous()


def judge_generator(
    generate: Generate,
    resolution: int,
    *,
    judge: Judge,
    scorer: Scorer | None = None,
    n: int = 1000,
    seed: int = 0,
    scenes: Scenes = "both",
    batch_size: int = 64,
    on_progress: Progress | None = None,
) -> ShapesResult:
    """Protocol `shapes-v1` for anything that turns captions and seeds into images.

    Args:
        generate: makes the images.
        resolution: side of its images; real pictures are drawn at the same.
        judge: reads attributes; resizes by area to its own size.
        scorer: image-caption cosine by a network that neither trained nor guided the generator.
        n: images of each group: held-out and seen combinations, of one object and of two.
        seed: chooses prompts and latents.
        scenes: which kinds of scenes.
        batch_size: captions a call of `generate`.
        on_progress: told after every batch.

    Raises:
        UsageError: if n is below 10 or the seed negative.
    """
    if n < MIN_N or seed < 0:
        raise UsageError(f"n {n} and seed {seed}: n is at least {MIN_N} images a group, the seed at least 0.")
    drawn = draw_scenes(n, scenes, stream=PROMPT_STREAM + seed)
    others = draw_scenes(n, scenes, stream=REFERENCE_STREAM + seed)
    prompts = prompts_of(drawn)

    def images() -> Iterator[Tensor]:
        for start in range(0, len(prompts), batch_size):
            captions = prompts.captions[start : start + batch_size]
            first = seed * SEEDS_APART + start
            yield generate(captions, range(first, first + len(captions)))
            if on_progress is not None:
                on_progress(start + len(captions), len(prompts))

    return evaluate_shapes(
        images(),
        prompts=prompts,
        renderings=renderings(drawn, resolution),
        reference=renderings(others, resolution),
        judge=judge,
        scorer=scorer,
        seed=seed,
    )
