"""What every generator promises to sampling, metrics and editing; run over the whole table."""

from __future__ import annotations

import pytest
import torch

from t2igan.models import GENERATORS, build_generator
from t2igan.models.gigagan.config import GigaGANConfig, TextLayersConfig
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig, HeadsConfig, PortTextConfig
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.types import Condition, Generator, StyleGenerator

TINY = {
    "stylegan_t": StyleGANTConfig(
        z_dim=16, c_dim=24, resolution=16, channel_base=1024, channel_max=64, num_res_blocks=1
    ),
    "gigagan": GigaGANConfig(
        z_dim=16,
        w_dim=24,
        c_dim=24,
        resolution=16,
        text=TextLayersConfig(width=16, depth=1, heads=2),
        channel_base=512,
        channel_max=32,
        blocks=(2, 1),
        kernels=(1, 2, 3),
        attention={8: 1, 16: 1},
        head_dim=16,
    ),
    "gigagan_pytorch": GigaGANPytorchConfig(
        w_dim=16,
        c_dim=24,
        text_width=12,
        text=PortTextConfig(depth=1, heads=2, head_dim=8),
        mapping_layers=2,
        const_channels=24,
        channels=(24, 16, 12),
        self_attention=(8,),
        self_heads=HeadsConfig(heads=2, head_dim=8),
        cross_attention=(4, 8),
        cross_heads=HeadsConfig(heads=2, head_dim=4),
        upsample="pixel_shuffle",
        excite_ahead=1,
    ),
}
AVERAGES = {  # of w over all prompts, where the architecture keeps one
    "stylegan_t": "mapping.x_avg",
    "gigagan": "map_network.x_avg",
}
ARCHITECTURES = GENERATORS.names()


def build(arch: str) -> StyleGenerator:
    """A tiny generator in which nothing is zero, so that no path is invisible."""
    torch.manual_seed(0)
    generator = build_generator(TINY[arch]).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        if arch in AVERAGES:
            dict(generator.named_buffers())[AVERAGES[arch]].normal_()
    return generator


def ask(n: int = 3) -> tuple[torch.Tensor, Condition]:
    generator = torch.Generator().manual_seed(1)
    embed = torch.nn.functional.normalize(torch.randn(n, 24, generator=generator), dim=1)
    tokens = torch.randn(n, 5, 24, generator=generator)
    mask = torch.arange(5) < torch.tensor([5, 3, 4])[:n, None]
    return torch.randn(n, 16, generator=generator), Condition(embed, tokens, mask)


def test_every_architecture_has_a_tiny_configuration_here():
    assert set(TINY) == set(ARCHITECTURES)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_is_a_generator_and_gives_float32_images(arch):
    generator = build(arch)
    assert isinstance(generator, Generator)
    z, c = ask()
    img = generator(z, c)
    size = generator.img_resolution
    assert img.shape == (3, generator.img_channels, size, size)
    assert img.dtype == torch.float32


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_psi_one_changes_nothing(arch):
    generator = build(arch)
    z, c = ask()
    assert torch.equal(generator(z, c, psi=1.0), generator(z, c))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_psi_zero_forgets_z_but_not_the_prompt(arch):
    generator = build(arch)
    (z, c), same = ask(), ask()[1].index([0, 0, 0])
    images = generator(z, same, psi=0.0)
    torch.testing.assert_close(images[0], images[1])
    assert (generator(z, c, psi=0.0)[0] - generator(z, c, psi=0.0)[1]).abs().max() > 1e-3


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_calling_it_is_mapping_then_styles_then_synthesis(arch):
    generator = build(arch)
    z, c = ask()
    ws = generator.mapping(z, c, psi=0.7)
    assert ws.shape == (3, generator.num_ws, generator.w_dim)
    styles = generator.styles(ws)
    assert all(len(style) == 3 and style.dtype == torch.float32 for style in styles.values())
    assert torch.equal(generator.synthesis(styles, c), generator(z, c, psi=0.7))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_style_reaches_the_image(arch):
    generator = build(arch)
    z, c = ask(1)
    styles = generator.styles(generator.mapping(z, c))
    img = generator.synthesis(styles, c)
    for name, style in styles.items():
        changed = generator.synthesis({**styles, name: style.roll(1, dims=1)}, c)
        assert (changed - img).abs().max() > 1e-5, name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_an_image_is_the_same_alone_and_in_a_batch(arch):
    generator = build(arch)
    z, c = ask()
    whole = generator(z, c)
    for i in range(3):
        alone = generator(z[i : i + 1], c.index(slice(i, i + 1)))
        torch.testing.assert_close(whole[i : i + 1], alone, atol=1e-4, rtol=1e-4)  # another summation order


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_evaluation_is_deterministic_and_leaves_the_state_alone(arch):
    generator = build(arch)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    z, c = ask()
    assert torch.equal(generator(z, c), generator(z, c))
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_random_noise_differs_from_call_to_call_and_none_does_not(arch):
    generator = build(arch)
    z, c = ask()
    assert not torch.equal(generator(z, c, noise_mode="random"), generator(z, c, noise_mode="random"))
    assert torch.equal(generator(z, c, noise_mode="none"), generator(z, c, noise_mode="none"))


# Mean error of the image, and error of all gradients together, relative to float32's: about ten layers with 8 bits of
# mantissa (0.008 and 0.07 measured), or with 11 (0.001 and 0.012).
HALVES = {torch.bfloat16: (0.02, 0.15), torch.float16: (0.003, 0.03)}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_half_precision_stays_near_float32_forwards_and_backwards(arch, dtype):
    generator = build(arch).train()
    exact, exact_grad = image_and_gradient(generator, torch.float32)
    rough, rough_grad = image_and_gradient(generator, dtype)
    of_image, of_gradient = HALVES[dtype]
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < of_image * exact.abs().mean()
    assert (rough_grad - exact_grad).norm() < of_gradient * exact_grad.norm()


def image_and_gradient(generator, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and the gradient of their product with fixed ones, of all parameters in a row."""
    z, c = ask()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        img = generator(z, c)
    target = torch.randn(img.shape, generator=torch.Generator().manual_seed(2))
    grads = torch.autograd.grad((img * target).mean(), list(generator.parameters()))
    return img.detach(), torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_parameters_stay_float32_in_half_precision(arch, dtype):
    generator = build(arch).train()
    z, c = ask()
    with torch.autocast("cpu", dtype):
        generator(z, c).square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.dtype == torch.float32, name
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32, name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_channels_last_weights_change_nothing(arch):
    generator = build(arch)
    z, c = ask()
    exact = generator(z, c)
    torch.testing.assert_close(
        generator.to(memory_format=torch.channels_last)(z, c), exact, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_parameter_gets_a_gradient(arch):
    generator = build(arch).train()
    z, c = ask()
    generator(z, c).square().sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_training_in_compiled_form_has_no_graph_break_and_the_same_numbers(arch):
    generator = build(arch)
    z, c = ask()
    compiled = torch.compile(
        lambda z, *parts: generator(z, Condition(*parts)), backend="eager", fullgraph=True
    )
    torch.testing.assert_close(compiled(z, c.embed, c.tokens, c.mask), generator(z, c))
