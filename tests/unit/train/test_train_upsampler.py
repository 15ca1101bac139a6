"""Training an upsampler: what a run leaves, and what must not matter to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from full_loss import double_precision
from PIL import Image
from safetensors.torch import load_file
from tiny import final_tensors, newest_state, tiny_recipe
from tiny_gigagan import READING, UPSAMPLER
from tiny_upsamplers import picture

from t2igan import checkpoint
from t2igan.checkpoint import part
from t2igan.dry_run.plan import make_plan
from t2igan.errors import CheckpointError
from t2igan.export import export
from t2igan.models.gigagan.upsampler.network import GigaGANUpsampler
from t2igan.pipeline import TextToImage
from t2igan.train.run import run
from t2igan.train.setup import setup_gan
from t2igan.train.stages import carry_state
from t2igan.upscaler.model import Upscaler

CPU = torch.device("cpu")
ADAM = ("optim.G={learning_rate: 2e-3, eps: 1e-3}", "optim.D={learning_rate: 2e-3, eps: 1e-3}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a run of four steps, and the snapshot it returned; the port's fault 4 stopped at the first step."""
    folder = tmp_path_factory.mktemp("run")
    return folder, run(tiny_recipe(*UPSAMPLER, "samples.num_images=3", stages=((16, 4),)), folder)


def test_a_snapshot_is_an_upsampler_that_enlarges_pictures(finished: tuple[Path, Path]):
    header = checkpoint.read_header(finished[1])
    assert (header.kind, header.conditioner) == ("upsampler", {"kind": "none"})
    model = Upscaler.from_checkpoint(finished[1])
    assert not model.reads_text
    assert model.upscale(picture(9, 7), seed=1).shape == (3, 36, 28)


def test_a_snapshot_holds_the_average(finished: tuple[Path, Path]):
    state = load_file(newest_state(finished[0]))
    model = Upscaler.from_checkpoint(finished[1])
    assert isinstance(model.G, GigaGANUpsampler)
    for name, tensor in model.G.state_dict().items():
        assert torch.equal(tensor, state[f"G_ema.{name}"]), name
    assert any(not torch.equal(state[f"G_ema.{name}"], state[f"G.{name}"]) for name in model.G.state_dict())


def test_grids_show_what_it_sees_its_output_and_the_real_image_two_triples_a_row(
    finished: tuple[Path, Path],
):
    before, after = (
        Image.open(finished[0] / "samples" / name) for name in ("fakes_init.png", "fakes_000000.0.png")
    )
    # tiles of 16 px are shown 8 times as large, with margins of 4: six across, and a second row for the third triple
    assert before.width == 6 * (128 + 4) + 4
    left, real = ((x, 4, x + 128, 132) for x in (4, 4 + 2 * 132))
    assert before.crop(left).tobytes() == after.crop(left).tobytes()
    colors = before.crop(left).getcolors()
    assert colors is not None
    assert len(colors) <= 16  # 4 x 4 pixels, repeated
    assert before.crop(left).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) == pytest.approx(
        before.crop(real).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)), abs=2
    )


def test_the_log_has_its_pixels_beside_bicubic_ones(finished: tuple[Path, Path]):
    log = (finished[0] / "stats.jsonl").read_text()
    for name in ("G/psnr", "bicubic/psnr", "G/perceptual", "G/l1", "D/r1"):
        assert f'"{name}"' in log, name


def test_a_state_is_exported_as_an_upsampler_and_draws_nothing_from_prompts(
    finished: tuple[Path, Path], tmp_path: Path
):
    state = newest_state(finished[0])
    assert export(state, tmp_path / "x.safetensors").kind == "upsampler"
    Upscaler.from_checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="an upsampler, which draws nothing from a prompt"):
        TextToImage.from_checkpoint(state)


def test_a_run_may_start_from_an_upsampler(finished: tuple[Path, Path], tmp_path: Path):
    recipe = tiny_recipe(*UPSAMPLER, f"init={finished[1]}", "optim.G.learning_rate=1e-30", stages=((16, 1),))
    found = part(final_tensors(recipe, tmp_path), "G")
    given = part(load_file(finished[1]), "G_ema")
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_a_larger_stage_trains_the_same_network():
    recipe = tiny_recipe(*UPSAMPLER, stages=((16, 1), (32, 1)))
    first, second = (setup_gan(recipe, stage, CPU) for stage in (0, 1))
    carried = carry_state(first, second, "average")[0]
    assert (carried.network, carried.new, carried.dropped) == ("G", [], [])
    assert second.networks["G"].img_resolution == 8


def test_four_steps_are_two_and_a_resume_and_two(tmp_path: Path):
    recipe = tiny_recipe("train.state_kimg=0.016", *UPSAMPLER, stages=((16, 4),))
    whole = final_tensors(recipe, tmp_path / "whole")
    first = min((tmp_path / "whole" / "state").iterdir())
    (tmp_path / "halves" / "state").mkdir(parents=True)
    (tmp_path / "halves" / "state" / first.name).write_bytes(first.read_bytes())
    run(recipe, tmp_path / "halves")
    halves = load_file(newest_state(tmp_path / "halves"))
    assert whole.keys() == halves.keys()
    assert [key for key in whole if not torch.equal(whole[key], halves[key])] == []


def test_a_batch_in_one_piece_is_a_batch_in_two(tmp_path: Path):
    # One kernel: torch 2.15's weight gradients of grouped channels-last convolutions are wrong on a CPU, in float64 alone.
    sets = (*ADAM, *READING, "generator.kernels=[1]")
    with double_precision():
        whole = final_tensors(tiny_recipe(*sets, stages=((16, 3),)), tmp_path / "whole")
        pieces = final_tensors(
            tiny_recipe("train.batch_gpu=4", *sets, stages=((16, 3),)), tmp_path / "pieces"
        )
    assert max(float((whole[key] - pieces[key]).abs().max()) for key in whole) < 1e-12


def test_a_dry_run_counts_it(tmp_path: Path):
    recipe = tiny_recipe(*UPSAMPLER, "loss.perceptual={kind: lpips}", stages=((16, 1),))
    plan = make_plan(recipe, tmp_path / "out")
    with torch.device("meta"):
        size = sum(p.numel() for p in GigaGANUpsampler(recipe.generator).parameters())  # type: ignore[arg-type]
    rows = plan.stages[0].blocks
    assert sum(row.trained for name, row in rows.items() if name.startswith("G ")) == size
    assert rows["perceptual distance"].total == 14_714_688  # VGG16's convolutions
    assert plan.stages[0].generator_flops > 0
    assert [line for line in plan.missing if "vgg" in line] != []
    assert not (tmp_path / "out").exists()
