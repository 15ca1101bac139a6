"""`t2igan demo`: shards -> training -> grid -> judgement -> report, offline, on the embedded data. One road, no new parts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2igan.clip_scorer import load_scorer
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.demo_report import write_report
from t2igan.features.judge import load_judge
from t2igan.files import check_folder, write_atomic
from t2igan.pipeline import TextToImage
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import GanRecipe
from t2igan.sampling import SampleRequest, sample
from t2igan.shapes_protocol import judge_generator
from t2igan.train.run import run

PROMPTS = (
    "a large red circle in the center on a white background",
    "a small blue square on the left on a black background",
    "a large yellow ring at the top on a gray background",
    "a small pink cross on the right on a beige background",
)
RESOLUTION = 32
EMBEDDED_CLIP = "embedded:shapes_clip"


@dataclass(frozen=True)
class Size:
    """How much of everything a demo does."""

    num_pictures: int
    gan_kimg: float
    clip_kimg: float
    num_judged: int
    is_undertrained: bool


FULL = Size(num_pictures=20_000, gan_kimg=200, clip_kimg=100, num_judged=1000, is_undertrained=False)
FAST = Size(num_pictures=2_000, gan_kimg=8, clip_kimg=10, num_judged=100, is_undertrained=True)


@dataclass
class Demo:
    """A demo in progress: where its files are, and what each step took."""

    out: Path
    size: Size
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step and take its time."""
        self.say(f"[{len(self.seconds) + 1}] {name} ...")
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)


def run_demo(out: Path, *, fast: bool, from_scratch: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the whole road in `out`; an interrupted demo goes on when it is run again.

    Args:
        out: folder of the demo; made if it is missing.
        fast: a few thousand images only; everything is labelled undertrained.
        from_scratch: also train the small CLIP instead of taking the embedded one.
        say: gets one line a step.

    Returns:
        The numbers of `eval shapes`, and "report", "model" (paths), "seconds" (step -> seconds).

    Raises:
        T2IGanError: as the steps raise it.
    """
    check_folder(out)
    demo = Demo(out, FAST if fast else FULL, say)
    with demo.step("draw captioned pictures and write webdataset shards"):
        config = ShapesConfig(scenes="single")
        write_shapes(out / "data", n=demo.size.num_pictures, resolution=RESOLUTION, config=config)
    clip = EMBEDDED_CLIP
    if from_scratch:
        with demo.step("train the small CLIP from scratch"):
            clip = str(run(load_recipe("shapes_clip", [f"kimg={demo.size.clip_kimg}"]), out / "clip"))
    with demo.step("train the GAN from scratch"):
        model_path = run(gan_recipe(demo, clip), out / "gan")
    with demo.step("draw a grid of prompts"):
        list(
            sample(
                SampleRequest(
                    PROMPTS, "0-7", model=str(model_path), out=out / "samples", grid=True, overwrite=True
                )
            )
        )
    model = TextToImage.from_checkpoint(model_path)
    with demo.step("judge what it learned"):
        result = judge_generator(
            model.generate,
            model.resolution,
            judge=load_judge(),
            scorer=load_scorer(),
            n=demo.size.num_judged,
            scenes="single",
        )
    numbers = {
        **result.numbers,
        "report": str(out / "report.html"),
        "model": str(model_path),
        "seconds": demo.seconds,
    }
    write_report(out, model, result, seconds=demo.seconds, is_undertrained=demo.size.is_undertrained)
    write_atomic(out / "eval.json", (json.dumps(numbers, indent=2) + "\n").encode())
    return numbers


def gan_recipe(demo: Demo, clip: str) -> GanRecipe:
    """The demo's recipe, over its shards and its CLIP."""
    recipe = load_recipe(
        "demo",
        [
            f"data={{kind: shards, shards: {json.dumps(str(demo.out / 'data'))}, cache: true}}",
            f"conditioner.checkpoint={json.dumps(clip)}",
            f"discriminator.backbone.checkpoint={json.dumps(clip)}",
            f"stages.0.kimg={demo.size.gan_kimg}",
        ],
    )
    assert isinstance(recipe, GanRecipe)
    return recipe


def summary_lines(numbers: dict[str, Any]) -> list[str]:
    """What a person reads when the demo is over: the accuracy on held-out prompts, and what to try next."""
    held_out = numbers["accuracy"]["single"]["held_out"]
    cells = ", ".join(f"{name} {cell['value']:.1%}" for name, cell in held_out.items())
    minutes = sum(numbers["seconds"].values()) / 60
    return [
        f"held-out combinations: {cells}",
        f"{minutes:.1f} minutes; open {numbers['report']}",
        "",
        "next:",
        f'  t2igan sample "a small green ring on the left" --model {numbers["model"]} --seeds 0-7 --grid --out out/mine',
        f"  t2igan eval shapes --model {numbers['model']} --scenes single",
        "  t2igan sample 'a large red circle on the right' --seeds 0-7 --grid     (the embedded model)",
        "  t2igan data import FOLDER --size 64 --out shards     (your own captioned pictures)",
        "  t2igan recipe show demo > mine.yaml && t2igan train --recipe mine.yaml",
    ]
