"""What a new stage takes over from the last one."""

from __future__ import annotations

import torch
from tiny import tiny_recipe
from torch import nn

from t2igan.train.run import run
from t2igan.train.setup import setup_gan
from t2igan.train.stages import carry_state, carry_weights
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
    assert str(carried) == "2 tensors copied, 4 new, 4 dropped"
    assert torch.equal(source["a"].weight, target["a"].weight)  # pyright: ignore[reportArgumentType]
    assert torch.equal(untouched, target["b"].weight)  # pyright: ignore[reportArgumentType]


def two_stages() -> tuple[TrainState, TrainState]:
    """A 16-px stage after one step, and a fresh 32-px one."""
    recipe = tiny_recipe(stages=((16, 2), (32, 2)))
    old, new = (setup_gan(recipe, stage, CPU) for stage in (0, 1))
    for name, params in old.params.items():
        for p in params.values():
            p.grad = torch.full_like(p, 0.1)
        old.apply_gradients(name)
    old.advance(8)
    old.bad_steps, old.bad_total = 1, 3
    return old, new


def test_a_new_stage_keeps_networks_average_moments_and_counters():
    old, new = two_stages()
    report = carry_state(old, new)
    assert (new.nimg, new.step, new.bad_steps, new.bad_total) == (8, 1, 1, 3)
    assert all(".b32." in f".{name}" for name in report.new)
    assert report.dropped == []
    assert old.ema is not None
    assert new.ema is not None
    kept = {"G": (old.networks["G"], new.networks["G"]), "G_ema": (old.ema.network, new.ema.network)}
    for before, after in kept.values():
        theirs = after.state_dict()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in before.state_dict().items())
    for name, params in old.params.items():
        for key, param in params.items():
            mine, theirs = (
                new.optimizers[name].state[new.params[name][key]],
                old.optimizers[name].state[param],
            )
            assert all(torch.equal(mine[k], theirs[k]) for k in theirs)


def test_new_layers_start_without_moments_and_equal_in_generator_and_average():
    old, new = two_stages()
    carry_state(old, new)
    assert new.ema is not None
    params, averaged = new.params["G"], new.ema.network.state_dict()
    fresh = [name for name in params if ".b32." in f".{name}"]
    assert fresh
    for name in fresh:
        assert not new.optimizers["G"].state.get(params[name])
        assert torch.equal(params[name], averaged[name])


def test_the_log_of_a_run_says_what_was_carried(tmp_path):
    run(tiny_recipe(stages=((16, 1), (32, 1))), tmp_path)
    log = (tmp_path / "log.txt").read_text()
    assert "stage 1: 16 px, images 0 to 8" in log
    assert "stage 2: 32 px, images 8 to 16" in log
    assert "from the last stage:" in log
    assert " 0 dropped" in log
