"""Phases of the projected GAN loss, on tiny networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import tiny_recipe
from torch import Tensor

from t2igan.losses.adversarial import hinge_fake, spherical_distance
from t2igan.losses.base import Scores, StepInputs, finite, mean
from t2igan.losses.projected_gan import ProjectedGANLoss
from t2igan.models import build_discriminator, build_generator
from t2igan.types import Condition

BATCH = 4


def loss_of(*sets: str, guide: Any = None) -> ProjectedGANLoss:
    recipe = tiny_recipe(*sets)
    torch.manual_seed(0)
    networks = {"G": build_generator(recipe.generator), "D": build_discriminator(recipe.discriminator)}
    loss = ProjectedGANLoss(recipe.loss, networks)
    loss.guide = guide
    loss.before_step(0)
    return loss


def inputs_of(loss: ProjectedGANLoss, *, wrong: Tensor | None = None, coin: float = 0.5) -> StepInputs:
    torch.manual_seed(1)
    embed = torch.nn.functional.normalize(torch.randn(BATCH, loss.G.c_dim), dim=1)
    return StepInputs(
        real=torch.rand(BATCH, 3, 16, 16) * 2 - 1,
        c=Condition(embed=embed),
        c_wrong=Condition(embed=embed.roll(1, 0) if wrong is None else embed[wrong]),
        z=torch.randn(BATCH, loss.G.z_dim),
        u=torch.rand(BATCH, loss.num_uniforms),
        coin=torch.tensor(coin),
    )


def test_d_comes_first_and_with_shared_fakes_g():
    assert [phase.name for phase in loss_of().phases] == ["D", "G"]
    shared = loss_of("loss.shared_fakes=true").phases
    assert [phase.name for phase in shared] == ["G", "D"]
    assert {phase.draw for phase in shared} == {"shared"}
    assert len({phase.draw for phase in loss_of().phases}) == 2


def test_the_d_phase_trains_no_generator_and_both_give_a_loss_a_sample():
    loss = loss_of()
    for phase in loss.phases:
        found = phase.run(inputs_of(loss)).loss
        assert found.shape == (BATCH,)
        found.sum().backward()
        has_gradient = {
            key: any(p.grad is not None for p in net.parameters())
            for key, net in (("G", loss.G), ("D", loss.D))
        }
        if phase.name == "D":
            assert has_gradient == {"G": False, "D": True}


def test_shared_fakes_show_d_the_very_images_of_the_g_phase():
    shared, plain = loss_of("loss.shared_fakes=true"), loss_of()
    inputs = inputs_of(plain)
    kept = shared.g_phase(inputs).kept
    # the same weights, latents and numbers, so a pass of its own gives D the same loss
    taken_over = shared.d_phase(replace(inputs, kept=kept)).loss
    torch.testing.assert_close(taken_over, plain.d_phase(inputs).loss)
    assert not any(features.requires_grad for features in kept)


def test_only_shared_fakes_keep_features():
    loss = loss_of()
    assert loss.g_phase(inputs_of(loss)).kept == ()


def test_a_wrong_caption_costs_what_a_fake_costs_and_an_equal_one_nothing():
    loss, without = loss_of("loss.mismatch_weight=0.5"), loss_of("loss.mismatch_weight=0")
    same = torch.arange(BATCH)
    assert torch.equal(
        loss.d_phase(inputs_of(loss, wrong=same)).loss, without.d_phase(inputs_of(without, wrong=same)).loss
    )
    half = torch.tensor([1, 0, 2, 3])
    extra = loss.d_phase(inputs_of(loss, wrong=half)).loss - without.d_phase(inputs_of(without)).loss
    assert extra[2:].tolist() == pytest.approx([0, 0], abs=1e-6)
    inputs = inputs_of(loss, wrong=half)
    maps = loss.D.project(loss._features(inputs.real, inputs, of_real=True))
    torch.testing.assert_close(extra[:2], 0.5 * hinge_fake(loss.D.score(maps, inputs.c_wrong))[:2])


def test_guidance_is_added_with_its_weight():
    def colours(images: Tensor) -> Tensor:
        return images.mean([2, 3]).repeat(1, 6)[:, :16]

    guided, plain = loss_of("loss.clip_weight=0", guide=None), loss_of()
    guided.config = guided.config.model_copy(update={"clip_weight": 2.0})
    guided.guide = colours
    inputs = inputs_of(plain)
    fake = plain.G(inputs.z, inputs.c, noise_mode="const")
    assert inputs.c.embed is not None
    distance = spherical_distance(colours((fake + 1) / 2), inputs.c.embed)
    torch.testing.assert_close(
        guided.g_phase(inputs).loss - plain.g_phase(inputs).loss, 2 * distance, rtol=1e-4, atol=1e-5
    )


def test_the_blur_fades_with_the_images_seen():
    loss = loss_of("loss.blur_init_sigma=3", "loss.blur_fade_kimg=10", "discriminator.augment=none")
    losses = []
    for nimg in (0, 5000, 10_000, 20_000):
        loss.before_step(nimg)
        losses.append(loss.d_phase(inputs_of(loss)).loss)
    assert loss.blur is None
    assert not torch.allclose(losses[0], losses[1])
    assert not torch.allclose(losses[1], losses[2])
    assert torch.equal(losses[2], losses[3])


def test_one_coin_decides_for_real_and_generated_images():
    loss = loss_of("discriminator.backbone.image_size=8", "discriminator.augment=none")
    found = {coin: loss.d_phase(inputs_of(loss, coin=coin)).loss for coin in (0.0, 0.49, 0.51, 0.99)}
    assert torch.equal(found[0.0], found[0.49])
    assert torch.equal(found[0.51], found[0.99])
    assert not torch.allclose(found[0.0], found[0.99])


def test_the_average_of_the_mapping_moves_once_a_step():
    loss = loss_of()
    before = loss.G.mapping.x_avg.clone()
    inputs = inputs_of(loss)
    for phase in loss.phases:
        phase.run(inputs)
    assert torch.equal(loss.G.mapping.x_avg, before)
    loss.after_step(inputs.z, inputs)
    expected = before.lerp(loss.G.mapping.batch_mean(inputs.z), 0.005)
    torch.testing.assert_close(loss.G.mapping.x_avg, expected)


def test_scores_are_running_means_that_start_anew_when_read():
    scores = Scores()
    scores.add({"a": mean(torch.tensor([1.0, 3.0]))})
    scores.add({"a": mean(torch.tensor([5.0, 7.0])), "b": mean(torch.tensor([True, False]))})
    assert scores.read() == {"a": 4.0, "b": 0.5}
    assert scores.read() == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_found(value: float):
    tensors = [torch.zeros(3, 3), torch.ones(5)]
    assert finite(tensors)
    tensors[1][2] = value
    assert not finite(tensors)
