"""What every upsampler promises to tiles, pipelines and training; run over the whole table."""

from __future__ import annotations

import pytest
import torch
from tiny_upsamplers import TINY_AURA_SR, picture, upscaler

from t2igan.checkpoint import Header, save, with_prefix
from t2igan.models import UPSAMPLERS, build_upsampler
from t2igan.models.gigagan.config import TextLayersConfig
from t2igan.models.gigagan.upsampler.config import GigaGANUpsamplerConfig
from t2igan.types import Condition, Upsampler
from t2igan.upscaler.model import Upscaler

PLAIN = GigaGANUpsamplerConfig(
    z_dim=8,
    w_dim=12,
    c_dim=0,
    resolution=32,
    scale=4,
    mapping_layers=2,
    widths=(16, 16, 12, 8),
    blocks=(2, 1),
    kernels=(2, 1),
    attention=(),
    noise_eval=0.1,
)
TINY = {
    "aura_sr": TINY_AURA_SR,
    "gigagan_upsampler": PLAIN,
    "gigagan_upsampler, text and attention": PLAIN.model_copy(
        update={
            "c_dim": 24,
            "text": TextLayersConfig(width=16, depth=1, heads=2),
            "attention": (1, 1),
            "head_dim": 8,
        }
    ),
}
CASES = list(TINY)


def build(case: str) -> Upsampler:
    """A tiny network in which nothing is zero, so that no path is invisible."""
    torch.manual_seed(0)
    G = build_upsampler(TINY[case]).eval()
    with torch.no_grad():
        for parameter in G.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return G


def ask(G: Upsampler, n: int = 3, *, rows: int | None = None):
    """Images, latents, text for a network that reads it, noise; latents and text of `rows` rows, or n."""
    fixed, few = torch.Generator().manual_seed(1), n if rows is None else rows
    low = torch.rand(n, 3, 8, 12, generator=fixed) * 2 - 1
    z, noise = torch.randn(few, G.z_dim, generator=fixed), torch.randn(n, 3, 8, 12, generator=fixed)
    tokens = torch.randn(few, 5, 24, generator=fixed)
    mask = torch.arange(5) < torch.tensor([5, 3, 4])[:few, None]
    return low, z, Condition(tokens=tokens, mask=mask) if G.c_dim else None, noise


def test_every_architecture_has_a_tiny_configuration_here():
    assert {config.arch for config in TINY.values()} == set(UPSAMPLERS.names())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (4, 2), (5, 4)])
@torch.no_grad()
def test_any_multiple_goes_in_and_scale_times_as_many_pixels_come_out(case, size):
    G = build(case)
    _, z, c, _ = ask(G, 2)
    h, w = (side * G.multiple for side in size)
    img = G(torch.zeros(2, 3, h, w), z, c)
    assert img.shape == (2, 3, h * G.scale, w * G.scale)
    assert img.dtype == torch.float32
    assert img.isfinite().all()


@pytest.mark.parametrize("case", CASES)
def test_it_is_an_upsampler_and_its_own_size_is_a_multiple(case):
    G = build(case)
    assert isinstance(G, Upsampler)
    assert G.img_resolution % G.multiple == 0


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_an_image_is_the_same_alone_and_in_a_batch_and_every_time(case):
    G = build(case)
    low, z, c, noise = ask(G)
    whole = G(low, z, c, noise=noise)
    assert torch.equal(whole, G(low, z, c, noise=noise))
    for i in range(3):
        one = slice(i, i + 1)
        alone = G(low[one], z[one], None if c is None else c.index(one), noise=noise[one])
        torch.testing.assert_close(whole[one], alone, atol=1e-4, rtol=1e-4)  # another summation order


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_one_latent_for_all_rows_is_that_latent_repeated(case):
    G = build(case)
    low, z, c, noise = ask(G, rows=1)
    shared = G(low, z, c, noise=noise)
    each = G(low, z.expand(3, -1), None if c is None else c.index([0, 0, 0]), noise=noise)
    torch.testing.assert_close(shared, each, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_noise_latent_and_text_each_say_something(case):
    G = build(case)
    low, z, c, noise = ask(G)
    plain = G(low, z, c)
    assert (G(low, z, c, noise=noise) - plain).abs().max() > 1e-3
    assert (G(low, z.roll(1, 0), c) - plain).abs().max() > 1e-4
    if c is not None:
        other = c.index([1, 2, 0])
        assert (G(low, z, other) - plain).abs().max() > 1e-4


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_gets_a_gradient_and_stays_float32_in_half_precision(case):
    G = build(case)
    low, z, c, noise = ask(G)
    with torch.autocast("cpu", torch.bfloat16):
        img = G(low, z, c, noise=noise)
    assert img.dtype == torch.float32
    img.square().mean().backward()
    for name, parameter in G.named_parameters():  # pyright: ignore
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_attention_tiles_are_the_whole_image_but_for_what_lies_near_their_seams():
    model, image = upscaler(build("gigagan_upsampler")), picture(40, 36)  # type: ignore[arg-type]
    whole = model.upscale(image, tile=40)
    tiled = model.upscale(image, tile=32, overlap=28)
    assert (whole.int() - tiled.int()).abs().max() <= 1


@pytest.mark.parametrize("case", CASES)
def test_a_saved_network_comes_back_as_an_upscaler(case, tmp_path):
    G = build(case)
    config = TINY[case]
    path = tmp_path / "x.safetensors"
    text = {"kind": "hashing", "dim": 24, "tokens": True} if G.c_dim else {}
    header = Header("upsampler", config=config.model_dump(mode="json"), conditioner=text)
    save(path, with_prefix("G_ema", G.state_dict()), header)  # type: ignore[attr-defined]
    model = Upscaler.from_checkpoint(path)
    low, z, c, noise = ask(G)
    with torch.no_grad():
        torch.testing.assert_close(model.G(low, z, c, noise=noise), G(low, z, c, noise=noise))
    assert model.reads_text == bool(G.c_dim)
    assert model.upscale(picture(9, 7), seed=1).shape == (3, 36, 28)
