"""The upsampler's loss: its inputs made on the fly, its noise, and the terms of likeness."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import tiny_recipe
from tiny_gigagan import READING, UPSAMPLER

from t2igan.features.lpips import build_perceptual
from t2igan.losses.base import StepInputs
from t2igan.losses.gigagan_upsampler import GigaGANUpsamplerLoss, psnr
from t2igan.models import build_discriminator, build_generator
from t2igan.ops.normal import normal_of
from t2igan.types import Condition

BATCH = 3


def loss_of(*sets: str) -> GigaGANUpsamplerLoss:
    recipe = tiny_recipe(*sets)
    torch.manual_seed(0)
    networks = {"G": build_generator(recipe.generator), "D": build_discriminator(recipe.discriminator)}
    with torch.no_grad():
        for parameter in networks["G"].parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    section = recipe.loss.perceptual  # type: ignore[union-attr]
    frozen = {} if section is None else {"perceptual": build_perceptual(section)}
    return GigaGANUpsamplerLoss(recipe.loss, networks | frozen)  # type: ignore[arg-type]


def inputs_of(loss: GigaGANUpsamplerLoss) -> StepInputs:
    torch.manual_seed(1)
    c = Condition(torch.randn(BATCH, 4), torch.randn(BATCH, 5, 16), torch.ones(BATCH, 5, dtype=torch.bool))
    return StepInputs(
        real=torch.rand(BATCH, 3, 16, 16) * 2 - 1,
        c=c,
        c_wrong=c.map(lambda rows: rows.roll(1, 0)),
        z=torch.randn(BATCH, 8),
        u=torch.rand(BATCH, loss.num_uniforms),
        coin=torch.tensor(0.5),
    )


def test_uniform_numbers_become_normal_ones_and_stay_finite_at_their_ends():
    torch.testing.assert_close(
        normal_of(torch.tensor([0.5, 0.84134475])), torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0
    )
    ends = normal_of(torch.tensor([0.0, 1 - 2**-24]))
    assert ends.tolist() == pytest.approx([-5.42, 5.42], abs=0.01)
    drawn = normal_of(torch.rand(100_000, generator=torch.Generator().manual_seed(0)))
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.std() == pytest.approx(1, abs=0.01)


def test_what_it_enlarges_is_the_real_image_made_small_with_noise_of_u():
    loss = loss_of(*UPSAMPLER)
    inputs = inputs_of(loss)
    assert loss.num_uniforms == 1 + 3 * 4 * 4
    low = torch.nn.functional.avg_pool2d(inputs.real, 4)
    strength = inputs.u[:, 0] * 0.3
    noise = normal_of(inputs.u[:, 1:]).reshape(BATCH, 3, 4, 4)
    expected = loss.G.pyramid(low, inputs.z, None, noise=noise, strength=strength)
    found = loss._fakes(inputs)
    assert [img.shape[-1] for img in found] == [16, 8, 4]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_noise_belongs_to_a_row_whatever_stands_beside_it():
    loss = loss_of(*UPSAMPLER)
    whole = inputs_of(loss)
    turned = replace(whole, real=whole.real.flip(0), z=whole.z.flip(0), u=whole.u.flip(0))
    torch.testing.assert_close(loss._fakes(turned)[0].flip(0), loss._fakes(whole)[0], atol=1e-5, rtol=1e-5)


def test_without_noise_one_number_a_row_is_drawn_and_nothing_is_mixed_in():
    loss = loss_of(*UPSAMPLER, "generator.noise_max=0", "generator.noise_eval=0")
    inputs = inputs_of(loss)
    assert loss.num_uniforms == 1
    same = replace(inputs, u=torch.rand(BATCH, 1))
    assert torch.equal(loss._fakes(inputs)[0], loss._fakes(same)[0])


def test_psnr_of_a_known_difference():
    real = torch.zeros(2, 3, 4, 4)
    off = torch.stack([real[0] + 0.2, real[1] - 0.02])
    assert psnr(off, real).tolist() == pytest.approx([20, 40], abs=1e-3)  # 20 log10(2 / difference)
    assert psnr(real, real).tolist() == pytest.approx([100, 100], abs=1e-3)


@pytest.mark.parametrize(("kind", "apart"), [("l1", 0.5), ("l2", 0.25)])
def test_pixels_count_by_their_difference(kind: str, apart: float):
    loss = loss_of(*UPSAMPLER, f"loss.pixel={kind}", "loss.pixel_weight=3")
    inputs = inputs_of(loss)
    fakes = [inputs.real + 0.5]
    weight, term = loss.further_terms(fakes, inputs)[f"G/{kind}"]
    assert weight == 3
    assert term.tolist() == pytest.approx([apart] * BATCH)


def test_gs_loss_is_the_verdicts_and_the_weighted_terms():
    full = loss_of(*UPSAMPLER, "loss.pixel_weight=2", "loss.perceptual_weight=0.5")
    bare = loss_of(*UPSAMPLER, "loss.pixel_weight=0", "loss.perceptual=null", "loss.perceptual_weight=0")
    inputs = inputs_of(full)
    terms = full.further_terms(full._fakes(inputs), inputs)
    likeness = 2 * terms["G/l1"][1] + 0.5 * terms["G/perceptual"][1]
    torch.testing.assert_close(full.g_phase(inputs).loss, bare.g_phase(inputs).loss + likeness)
    assert terms["G/psnr"][0] == terms["bicubic/psnr"][0] == 0
    assert set(full.g_phase(inputs).scores) >= {"G/psnr", "bicubic/psnr", "G/l1", "G/perceptual"}


def test_equal_images_are_at_no_perceptual_distance():
    loss = loss_of(*UPSAMPLER)
    inputs = inputs_of(loss)
    assert loss.further_terms([inputs.real], inputs)["G/perceptual"][1].tolist() == [0] * BATCH


def test_d_judges_no_size_below_its_smallest():
    loss = loss_of(*UPSAMPLER, "discriminator.smallest=8")
    inputs = inputs_of(loss)
    exits = loss.D.score(loss.D.features(loss._fakes(inputs)), inputs.c).exits
    assert [len(logits) for logits in exits] == [1, 2, 2]  # sizes that have entered by each depth: 16, 8 px
    for phase in loss.phases:
        assert phase.run(inputs).loss.isfinite().all()
    assert loss.D.stages[2].from_rgb is None


def test_captions_matter_where_text_is_read_and_only_there():
    reading, blind = loss_of(*READING), loss_of(*UPSAMPLER)
    for loss, matters in ((reading, True), (blind, False)):
        inputs = inputs_of(loss)
        other = replace(inputs, c=inputs.c_wrong)
        same = torch.allclose(loss.g_phase(inputs).loss, loss.g_phase(other).loss, atol=1e-6)
        assert same != matters
    assert "D/mismatch" in reading.d_phase(inputs_of(reading)).scores
    assert "D/mismatch" not in blind.d_phase(inputs_of(blind)).scores


def test_shared_fakes_show_d_the_very_images_of_the_g_phase():
    shared, plain = loss_of(*UPSAMPLER), loss_of(*UPSAMPLER, "loss.shared_fakes=false")
    inputs = inputs_of(plain)
    kept = shared.g_phase(inputs).kept
    taken_over = shared.d_phase(replace(inputs, kept=kept)).loss
    torch.testing.assert_close(taken_over, plain.d_phase(inputs).loss)
