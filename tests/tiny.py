"""A recipe that trains in milliseconds a step, and what comes of it. Not a fixture: tests call it with their own keys."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.run import run

BATCH = 8
SETS = (
    "name=tiny",
    "data={kind: shapes, scenes: single}",
    "conditioner={kind: hashing, dim: 16}",
    "generator={arch: stylegan_t, z_dim: 8, c_dim: 16, resolution: 16, channel_base: 1024, channel_max: 32, num_res_blocks: 1}",
    "discriminator={arch: projected, c_dim: 16, cmap_dim: 8, head: maps, virtual_batch: 2}",
    "discriminator.backbone={kind: random_conv, image_size: 16, channels: [8, 16]}",
    "loss={kind: projected_gan, blur_init_sigma: 1.0, blur_fade_kimg: 2.0, noise_mode: const, mismatch_weight: 0.5}",
    f"train={{batch: {BATCH}, precision: fp32, ema_kimg: 0.04, tick_kimg: 0.04, sample_kimg: 1000, state_kimg: 1000, threads: 1}}",
    "samples={num_images: 4}",
)

ENCODER_SETS = (
    "name=tiny",
    "data={kind: shapes, scenes: single}",
    "optim={learning_rate: 1e-3, weight_decay: 0.05}",
    f"train={{batch: {BATCH}, precision: fp32, tick_kimg: 0.04, sample_kimg: 1000, state_kimg: 1000, threads: 1}}",
)
ENCODERS = {
    "shapes_clip": (
        "encoder.image={image_size: 16, channels: [8, 8, 8], embed_dim: 16}",
        "encoder.text={context_length: 16, num_merges: 100, width: 16, heads: 2, layers: 1, embed_dim: 16}",
    ),
    "shapes_judge": ("encoder.trunk={image_size: 16, channels: [8, 8, 8], embed_dim: 16}",),
}


def steps(count: int) -> float:
    """Thousands of images of `count` steps."""
    return count * BATCH / 1000


def tiny_recipe(*sets: str, stages: tuple[tuple[int, int], ...] = ((16, 4),)) -> GanRecipe:
    """The recipe with `sets` changed; `stages` are (resolution, steps)."""
    text = ", ".join(f"{{resolution: {r}, kimg: {steps(n)}}}" for r, n in stages)
    recipe = load_recipe("smoke", [*SETS, f"stages=[{text}]", *sets])
    assert isinstance(recipe, GanRecipe)
    return recipe


def newest_state(run_dir: Path) -> Path:
    """The newest state of a run."""
    return max((run_dir / "state").glob("*.safetensors"))


def final_tensors(recipe: GanRecipe, run_dir: Path) -> dict[str, Tensor]:
    """Train to the end, and read every tensor of the last state."""
    run(recipe, run_dir)
    return load_file(newest_state(run_dir))


def tiny_snapshot(folder: Path, *sets: str) -> Path:
    """Train two steps; the snapshot of the averaged generator."""
    return run(tiny_recipe(*sets, stages=((16, 2),)), folder)


def tiny_encoder(name: str, count: int, *sets: str) -> EncoderRecipe:
    """A shipped encoder recipe at a tiny size, `count` steps long."""
    recipe = load_recipe(name, [*ENCODER_SETS, *ENCODERS[name], f"kimg={steps(count)}", *sets])
    assert isinstance(recipe, EncoderRecipe)
    return recipe


def tiny_clip(folder: Path) -> Path:
    """Train a small CLIP for two steps; its checkpoint."""
    return run(tiny_encoder("shapes_clip", 2), folder)
