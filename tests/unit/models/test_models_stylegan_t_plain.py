"""The plain formulation gives the numbers and gradients of the fast one."""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.models.stylegan_t.generator import Generator
from t2igan.types import Condition

CONFIG = StyleGANTConfig(z_dim=8, c_dim=6, resolution=32, channel_base=1024, channel_max=64, num_res_blocks=1)


def gradients(G: Generator) -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    z, embed = torch.randn(3, 8, generator=generator), torch.randn(3, 6, generator=generator)
    img = G.eval()(z, Condition(embed=embed))
    probe = torch.randn(img.shape, generator=generator)
    (img * probe).mean().backward()
    return img.detach(), {name: p.grad for name, p in G.named_parameters() if p.grad is not None}


def test_plain_layers_give_the_same_images_and_gradients():
    torch.manual_seed(0)
    fast, plain = Generator(CONFIG), Generator(CONFIG)
    with torch.no_grad():
        for param in fast.parameters():
            param.add_(torch.randn_like(param) * 0.1)  # no noise strength, gamma or bias stays at its start
    plain.load_state_dict(fast.state_dict())
    plain.use_plain_formulation()
    (img, grads), (expected, expected_grads) = gradients(fast), gradients(plain)
    assert (img - expected).abs().max() < 1e-4 * expected.abs().max()
    for name, grad in expected_grads.items():
        error = (grads[name] - grad).norm() / grad.norm()
        assert error < 1e-3, name  # float32; leaky ReLU kinks, as for the fixtures
