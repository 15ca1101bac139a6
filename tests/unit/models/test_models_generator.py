from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from t2igan.models import build_generator
from t2igan.models.common.mapping import Mapping
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.types import Condition

SMALL = StyleGANTConfig(z_dim=16, c_dim=8, resolution=16, channel_base=512, channel_max=32, num_res_blocks=1)


def build(**changes):
    torch.manual_seed(0)
    return build_generator(SMALL.model_copy(update=changes))


def ask(n: int = 4) -> tuple[torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 16, generator=generator), Condition(torch.randn(n, 8, generator=generator))


def test_styles_are_named_by_their_module_in_layer_order():
    generator = build()
    names = list(generator.styles(torch.zeros(1, generator.num_ws, generator.w_dim)))
    b8 = ["b8.input", "b8.convs1.0", "b8.convs1.1", "b8.torgb"]
    assert names == [*b8, "b16.conv0", "b16.convs1.0", "b16.convs1.1", "b16.torgb"]
    for name in names:
        generator.synthesis.get_submodule(name)


def test_without_residual_blocks_a_block_is_one_convolution():
    generator = build(num_res_blocks=0)
    assert generator.num_ws == 3
    assert not [name for name in generator.state_dict() if "convs1" in name]
    assert generator(*ask()).isfinite().all()


def test_a_layer_reads_its_own_w_and_to_rgb_shares_the_next_blocks_first():
    generator = build()
    ws = generator.mapping(*ask())
    before = generator.styles(ws)
    ws = ws.clone()
    ws[:, 3] += 1
    after = generator.styles(ws)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["b8.torgb", "b16.conv0"]


def test_the_mean_of_x_is_half_way_to_every_truncated_w_and_text_stays():
    generator = build().eval()
    generator.mapping.x_avg.normal_()
    z, c = ask()
    full, half = generator.mapping(z, c), generator.mapping(z, c, psi=0.5)
    torch.testing.assert_close(half[:, 0, :16], (full[:, 0, :16] + generator.mapping.x_avg) / 2)
    assert torch.equal(half[:, :, 16:], full[:, :, 16:])


def test_text_gain_multiplies_the_text_part_of_w_alone():
    plain, loud = build().mapping(*ask()), build(text_gain=3.0).mapping(*ask())
    assert torch.equal(plain[:, :, :16], loud[:, :, :16])
    torch.testing.assert_close(loud[:, :, 16:], 3 * plain[:, :, 16:])


def test_rgb_gain_scales_the_first_image():
    full = build(conv_clamp=None)(*ask(), noise_mode="none")
    faint = build(conv_clamp=None, rgb_gain=0.1)(*ask(), noise_mode="none")
    torch.testing.assert_close(faint, full * 0.1, atol=1e-5, rtol=1e-4)


def test_without_noise_there_is_nothing_to_learn_or_to_draw_for_it():
    generator = build(noise=False)
    assert not [name for name in generator.state_dict() if "noise" in name]
    assert torch.equal(generator(*ask(), noise_mode="random"), generator(*ask(), noise_mode="none"))


def test_conv_clamp_bounds_the_image_and_null_does_not():
    def loudest(clamp: float | None) -> float:
        generator = build(conv_clamp=clamp)
        with torch.no_grad():
            for block in generator.synthesis.blocks():
                block.torgb.bias.fill_(1000.0)
        return generator(*ask()).max().item()

    assert loudest(2.0) < 5  # one clamp of 2 a block
    assert loudest(None) > 900


def test_per_call_moves_the_average_in_training_calls_only():
    mapping = Mapping(16, 8, num_ws=2, average_updates="per_call")
    mapping.eval()(*ask())
    assert not mapping.x_avg.any()
    mapping.train()(*ask())
    expected = 0.005 * mapping.batch_mean(ask()[0])
    torch.testing.assert_close(mapping.x_avg, expected)
    mapping.update_average(torch.ones(16))
    torch.testing.assert_close(mapping.x_avg, expected)


def test_per_step_moves_the_average_when_told_to_only():
    mapping = Mapping(16, 8, num_ws=2, average_updates="per_step").train()
    mapping(*ask())
    assert not mapping.x_avg.any()
    mapping.update_average(torch.ones(16))
    torch.testing.assert_close(mapping.x_avg, torch.full((16,), 0.005))


def test_an_unconditional_generator_needs_no_condition():
    generator = build(c_dim=0)
    assert generator.w_dim == 16
    assert generator(ask()[0], Condition()).shape == (4, 3, 16, 16)


def test_channels_may_be_given_for_each_resolution():
    generator = build(channels_per_resolution={8: 64, 16: 96})
    assert generator.synthesis.get_submodule("b16.conv0").weight.shape == (96, 64, 3, 3)


def test_channels_that_lack_a_resolution_are_refused():
    with pytest.raises(ValidationError, match="lacks 16 px"):
        StyleGANTConfig(resolution=16, channels_per_resolution={8: 64})


def test_the_user_transform_moves_the_picture():
    generator = build().eval()
    z, c = ask()
    before = generator(z, c)
    generator.synthesis.get_submodule("b8.input").transform[0, 2] = 0.25
    assert (generator(z, c) - before).abs().max() > 1e-3
