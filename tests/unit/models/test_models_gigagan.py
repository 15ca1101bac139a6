"""GigaGAN's networks: tokens, truncation, pyramids, and what each verdict depends on."""

from __future__ import annotations

import pytest
import torch
from full_loss import double_precision
from torch import Tensor

from t2igan.models import build_discriminator, build_generator
from t2igan.models.gigagan.config import GigaGANConfig, GigaGANDiscriminatorConfig, TextLayersConfig
from t2igan.models.gigagan.discriminator import Discriminator, pyramid_of
from t2igan.types import Condition

TEXT = TextLayersConfig(width=16, depth=1, heads=2)
G_CONFIG = GigaGANConfig(
    z_dim=8,
    w_dim=16,
    c_dim=12,
    resolution=16,
    text=TEXT,
    channel_base=256,
    channel_max=16,
    blocks=(2, 1),
    kernels=(1, 2),
    attention={8: 1},
    head_dim=8,
)
D_CONFIG = GigaGANDiscriminatorConfig(
    resolution=16,
    c_dim=12,
    text=TEXT,
    channel_base=256,
    channel_max=16,
    blocks=(1, 2),
    attention={8: 1},
    head_dim=8,
)


def build(config: GigaGANConfig | GigaGANDiscriminatorConfig, seed: int = 0):
    torch.manual_seed(seed)
    network = (build_generator if isinstance(config, GigaGANConfig) else build_discriminator)(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def ask(n: int = 3, length: int = 6) -> Condition:
    g = torch.Generator().manual_seed(1)
    mask = torch.arange(length) < torch.tensor([length, length - 2, length - 1])[:n, None]
    return Condition(tokens=torch.randn(n, length, 12, generator=g), mask=mask)


def latents(n: int = 3) -> Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(2))


def test_the_pyramid_holds_an_image_of_every_resolution_and_its_first_is_the_image():
    G, c = build(G_CONFIG), ask()
    styles = G.styles(G.mapping(latents(), c))
    images = G.pyramid(styles, c)
    assert [tuple(img.shape) for img in images] == [(3, 3, r, r) for r in (16, 8, 4)]
    assert torch.equal(images[0], G.synthesis(styles, c))


def test_padding_does_not_reach_the_image():
    G, c, z = build(G_CONFIG), ask(), latents()
    assert c.tokens is not None
    assert c.mask is not None
    noisy = torch.where(c.mask[:, :, None], c.tokens, torch.randn_like(c.tokens) * 9)
    torch.testing.assert_close(G(z, Condition(tokens=noisy, mask=c.mask)), G(z, c))
    longer = Condition(
        tokens=torch.nn.functional.pad(c.tokens, (0, 0, 0, 4)), mask=torch.nn.functional.pad(c.mask, (0, 4))
    )
    torch.testing.assert_close(G(z, longer), G(z, c), atol=1e-5, rtol=1e-5)


def test_a_token_reaches_the_image_through_cross_attention_alone():
    G, c, z = build(G_CONFIG), ask(), latents()
    text = G.text(c)
    styles = G.styles(G.mapping(z, text))
    swapped = type(text)(text.tokens.roll(1, dims=1), text.mask, text.summary)
    assert (G.synthesis(styles, swapped) - G.synthesis(styles, text)).abs().max() > 1e-4
    blind = build(G_CONFIG.model_copy(update={"cross_attention": False}))
    styles = blind.styles(blind.mapping(z, text))
    assert torch.equal(blind.synthesis(styles, swapped), blind.synthesis(styles, text))


@pytest.mark.parametrize(("psi", "psi_global"), [(1.0, 1.0), (0.7, 0.7), (0.5, 0.2), (1.0, 0.4), (0.0, 1.0)])
def test_truncation_goes_towards_two_means(psi: float, psi_global: float):
    G, c, z = build(G_CONFIG), ask(), latents()
    G.map_network.x_avg.normal_()
    text = G.text(c)
    w = G.mapping(z, text)[:, 0]
    draws = torch.stack([G.mapping(each.expand(3, -1), text)[:, 0] for each in G.map_network.prompt_z])
    own, all_prompts = draws.mean(dim=0), G.map_network.x_avg
    expected = psi * psi_global * w + psi * (1 - psi_global) * all_prompts + (1 - psi) * own
    found = G.mapping(z, text, psi=psi, psi_global=psi_global)[:, 0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_one_psi_stands_for_both():
    G, c, z = build(G_CONFIG), ask(), latents()
    G.map_network.x_avg.normal_()
    assert torch.equal(G(z, c, psi=0.6), G(z, c, psi=0.6, psi_global=0.6))
    assert not torch.equal(G(z, c, psi=0.6), G(z, c, psi=0.6, psi_global=1.0))


def images(n: int = 3) -> list[Tensor]:
    return pyramid_of(torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(3)), 3)


def test_every_size_is_judged_at_every_depth_after_it_enters():
    verdicts = build(D_CONFIG).score(build(D_CONFIG).features(images()), ask())
    # depth: 8 x 8, 4 x 4, 1 x 1 pixels; sizes 16, 8, 4 px enter one after the other: L (L + 1) / 2 = 6 verdicts
    assert [tuple(e.shape) for e in verdicts.exits] == [(1, 1, 3, 64), (2, 1, 3, 16), (3, 1, 3, 1)]
    assert verdicts.means().shape == (6, 3)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_size_changes_its_own_verdicts_and_no_others(level: int):
    D, c, pyramid = build(D_CONFIG), ask(), images()
    before = D.score(D.features(pyramid), c).exits
    pyramid[level] = pyramid[level] + 1
    after = D.score(D.features(pyramid), c).exits
    for old, new in zip(before, after, strict=True):
        for size in range(len(old)):
            assert torch.allclose(old[size], new[size], atol=1e-5) == (size != level)


def test_every_verdict_depends_on_the_text():
    D, c = build(D_CONFIG), ask()
    features = D.features(images())
    right, wrong = D.score(features, c).means(), D.score(features, c.index([1, 2, 0])).means()
    assert ((right - wrong).abs() > 1e-6).all()


def test_a_single_scale_discriminator_judges_the_largest_image_at_the_end():
    D = build(D_CONFIG.model_copy(update={"multi_scale": False}))
    pyramid = images()
    verdicts = D.score(D.features(pyramid), ask())
    assert [tuple(e.shape) for e in verdicts.exits] == [(1, 1, 3, 1)]
    changed = [pyramid[0], *(img + 1 for img in pyramid[1:])]
    assert torch.equal(D.score(D.features(changed), ask()).means(), verdicts.means())


def test_verdicts_do_not_depend_on_the_batch():
    D, c, pyramid = build(D_CONFIG), ask(), images()
    whole = D.score(D.features(pyramid), c).means()
    for i in range(3):
        alone = D.score(D.features([img[i : i + 1] for img in pyramid]), c.index([i])).means()
        torch.testing.assert_close(whole[:, i : i + 1], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("group", [2, 3, 4])
def test_minibatch_statistics_never_mix_real_and_generated_images_nor_sizes(group: int):
    D, c, reals = build(D_CONFIG.model_copy(update={"minibatch_std": group})), ask(), images()
    fakes = [img.flip(0) * 0.5 for img in reals]
    others = [img + 1 for img in fakes]
    alone = D.score(D.features(reals), c)
    for beside in (fakes, others):
        pair = [torch.cat(both) for both in zip(reals, beside, strict=True)]
        both = D.score(D.features(pair, kinds=2), c)
        for whole, own in zip(both.exits, alone.exits, strict=True):
            torch.testing.assert_close(whole[:, :1], own, atol=1e-5, rtol=1e-5)


def test_several_images_of_a_prompt_are_judged_as_they_are_alone():
    D, c, first = build(D_CONFIG), ask(), images()
    second = [img.flip(0) for img in first]
    both = D.score(D.features([torch.cat(pair) for pair in zip(first, second, strict=True)]), c)
    for number, pyramid in enumerate((first, second)):
        alone = D.score(D.features(pyramid), c).means()
        torch.testing.assert_close(both.of(number).means(), alone, atol=1e-4, rtol=1e-4)


def squared_gradient_norm(D: Discriminator, img: Tensor, c: Condition) -> Tensor:
    img = img.detach().requires_grad_()
    (grad,) = torch.autograd.grad(
        D.score(D.features(pyramid_of(img, 3)), c).means().sum(), img, create_graph=True
    )
    return grad.square().sum()


@pytest.mark.parametrize(
    "name", ["stages.0.end.conv0.weight", "stages.1.attention.0.to_qk.weight", "predictors.0.layers.0.weight"]
)
def test_the_derivative_of_r1_is_the_difference_quotient(name: str):
    with double_precision():
        D, c, img = build(D_CONFIG), ask(2), images(2)[0]
        weight = dict(D.named_parameters())[name]
        (grad,) = torch.autograd.grad(squared_gradient_norm(D, img, c), weight)
        step = torch.zeros_like(weight, memory_format=torch.contiguous_format)
        step.view(-1)[7] = 1e-6
        with torch.no_grad():
            weight.add_(step)
        above = squared_gradient_norm(D, img, c)
        with torch.no_grad():
            weight.sub_(2 * step)
        quotient = float((above - squared_gradient_norm(D, img, c)).detach()) / 2e-6
    assert quotient == pytest.approx(float(grad.flatten()[7]), rel=1e-4, abs=1e-9)
