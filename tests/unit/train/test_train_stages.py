"""What a new stage takes over from the last one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import newest_state, tiny_clip, tiny_recipe, tiny_snapshot
from torch import nn

from t2igan import checkpoint
from t2igan.errors import CheckpointError
from t2igan.train.run import run
from t2igan.train.setup import setup_gan
from t2igan.train.stages import carry_state, carry_weights, start_from
from t2igan.train.state import TrainState

CPU = torch.device("cpu")


def small() -> nn.ModuleDict:
    return nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(3, 3), "old": nn.Linear(1, 1)})


def large() -> nn.ModuleDict:
    return nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(3, 4), "new": nn.Linear(1, 1)})


def test_carry_weights_copies_what_has_the_same_name_and_shape_and_reports_the_rest():
    source, target = small(), large()
    untouched = target["b"].weight.detach().clone()  # pyright: ignore[reportCallIssue]
    carried = carry_weights(source, target)
    assert carried.copied == ["a.weight", "a.bias"]
    assert carried.new == ["b.bias", "b.weight", "new.bias", "new.weight"]
    assert carried.dropped == ["b.bias", "b.weight", "old.bias", "old.weight"]
    assert carried.lines() == [
        "network: 2 tensors copied, 4 new, 4 dropped, 0 frozen",
        "  new: b.bias (1), b.weight (1), new.bias (1), new.weight (1)",
        "  dropped: b.bias (1), b.weight (1), old.bias (1), old.weight (1)",
    ]
    assert torch.equal(source["a"].weight, target["a"].weight)  # pyright: ignore[reportArgumentType]
    assert torch.equal(untouched, target["b"].weight)  # pyright: ignore[reportArgumentType]


def two_stages() -> tuple[TrainState, TrainState]:
    """A 16-px stage after one step, and a fresh 32-px one."""
    recipe = tiny_recipe("train.ema_rampup=null", stages=((16, 2), (32, 2)))
    old, new = (setup_gan(recipe, stage, CPU) for stage in (0, 1))
    for name, params in old.params.items():
        for p in params.values():
            p.grad = torch.full_like(p, 0.1)
        old.apply_gradients(name)
    old.advance(8)
    old.bad_steps, old.bad_total = 1, 3
    return old, new


def same_tensors(first: nn.Module, second: nn.Module) -> bool:
    """Whether every tensor of the first is in the second."""
    theirs = second.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.state_dict().items())


def test_with_all_a_new_stage_keeps_networks_average_moments_and_counters():
    old, new = two_stages()
    of_g, of_d = carry_state(old, new, "all")
    assert (new.nimg, new.step, new.bad_steps, new.bad_total) == (8, 1, 1, 3)
    assert all(".b32." in f".{name}" for name in of_g.new)
    assert of_g.dropped == of_d.new == of_d.dropped == []
    assert same_tensors(old.networks["G"], new.networks["G"])
    assert same_tensors(old.networks["D"], new.networks["D"])
    assert same_tensors(old.ema["G"].network, new.ema["G"].network)
    for name, params in old.params.items():
        for key, param in params.items():
            mine = new.optimizers[name].state[new.params[name][key]]
            theirs = old.optimizers[name].state[param]
            assert all(torch.equal(mine[k], theirs[k]) for k in theirs)


def test_with_average_generator_and_average_start_from_the_average_and_moments_anew():
    old, new = two_stages()
    carry_state(old, new, "average")
    assert not same_tensors(old.networks["G"], old.ema["G"].network)
    assert same_tensors(old.ema["G"].network, new.networks["G"])
    assert same_tensors(old.ema["G"].network, new.ema["G"].network)
    assert same_tensors(old.networks["D"], new.networks["D"])
    assert not any(optimizer.state for optimizer in new.optimizers.values())
    assert new.nimg == 8


def test_new_layers_start_without_moments_and_equal_in_generator_and_average():
    old, new = two_stages()
    carry_state(old, new, "all")
    params, averaged = new.params["G"], new.ema["G"].network.state_dict()
    fresh = [name for name in params if ".b32." in f".{name}"]
    assert fresh
    for name in fresh:
        assert not new.optimizers["G"].state.get(params[name])
        assert torch.equal(params[name], averaged[name])


def test_frozen_blocks_and_the_mapping_stand_still_and_every_torgb_trains(tmp_path: Path):
    stages = "stages=[{resolution: 16, kimg: 0.104}, {resolution: 32, kimg: 0.104, freeze_up_to: 16}]"
    run(tiny_recipe(stages), tmp_path)
    states = sorted((tmp_path / "state").iterdir())
    before, after = load_file(states[0]), load_file(states[-1])
    moved = {
        name.removeprefix("G.")
        for name, tensor in before.items()
        if name.startswith("G.") and not torch.equal(before["G_ema." + name[2:]], after[name])
    }
    # x_avg is a buffer, which moves on (spec 8.3); the average is where the stage starts.
    torgb = {
        f"synthesis.b{r}.torgb.{key}"
        for r in (8, 16)
        for key in ("weight", "bias", "affine.proj.weight", "affine.proj.bias")
    }
    assert moved == torgb | {"mapping.x_avg"}
    assert any(name.startswith("optim.G.synthesis.b32.") for name in after)
    assert not any(name.startswith("optim.G.mapping") for name in after)


def test_the_log_of_a_run_says_what_was_carried(tmp_path: Path):
    run(tiny_recipe(stages=((16, 1), (32, 1))), tmp_path)
    log = (tmp_path / "log.txt").read_text()
    assert "stage 1: 16 px, images 0 to 8" in log
    assert "stage 2: 32 px, images 8 to 16" in log
    assert "taken over:" in log
    assert "new: synthesis.b32.conv0" in log
    assert " 0 dropped" in log


def test_stages_may_have_batches_of_their_own_and_no_image_is_lost_between_them(tmp_path: Path):
    stages = "stages=[{resolution: 16, kimg: 0.024}, {resolution: 16, kimg: 0.032, batch: 16, batch_gpu: 4}]"
    run(tiny_recipe(stages), tmp_path)
    log = (tmp_path / "log.txt").read_text()
    assert "batch 8 = 8 images x 1 pieces x 1 ranks" in log
    assert "batch 16 = 4 images x 4 pieces x 1 ranks" in log
    header = checkpoint.read_header(newest_state(tmp_path))
    assert (header.progress["nimg"], header.progress["step"]) == (24 + 32, 3 + 2)


def test_a_run_starts_from_the_weights_of_another_one(tmp_path: Path):
    source = tiny_snapshot(tmp_path / "first")
    recipe = tiny_recipe(f"init={source}", stages=((16, 2), (32, 2)))
    new = setup_gan(recipe, 1, CPU)
    (of_g,) = start_from(new, str(source))
    averaged = checkpoint.part(load_file(source), "G_ema")
    mine = new.networks["G"].state_dict()
    assert all(torch.equal(mine[name], averaged[name]) for name in of_g.copied)
    assert of_g.copied == [name for name in mine if ".b32." not in name]
    assert same_tensors(new.networks["G"], new.ema["G"].network)
    run(recipe, tmp_path / "second")
    assert f"G: {len(of_g.copied)} tensors copied, 0 new" in (tmp_path / "second" / "log.txt").read_text()
    state = newest_state(tmp_path / "second")
    assert [carried.network for carried in start_from(setup_gan(recipe, 1, CPU), str(state))] == ["G", "D"]


def test_a_checkpoint_of_which_nothing_fits_is_no_start(tmp_path: Path):
    source = tiny_clip(tmp_path)
    with pytest.raises(CheckpointError, match="of kind 'clip'; init needs a generator"):
        start_from(setup_gan(tiny_recipe(), 0, CPU), str(source))
