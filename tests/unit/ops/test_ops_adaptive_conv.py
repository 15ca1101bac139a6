"""The adaptive convolution: an independent reference's numbers, and the same sum in every order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from t2igan.ops.adaptive_conv import adaptive_conv2d
from t2igan.ops.modulated_conv import modulated_conv2d

FIXTURES = Path(__file__).parents[2] / "fixtures" / "gigagan"


def fixture(name: str) -> tuple[dict[str, torch.Tensor], dict]:
    with safe_open(str(FIXTURES / f"{name}.safetensors"), "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["meta"])


def close(found: torch.Tensor, wanted: torch.Tensor, atol: float = 2e-5) -> None:
    torch.testing.assert_close(
        found, wanted, atol=atol * max(1.0, float(wanted.detach().abs().max())), rtol=0
    )


def test_values_and_gradients_equal_the_reference():
    t, _ = fixture("adaptive_conv_n4")
    x, mod, logits = (t[f"in/{k}"].requires_grad_() for k in ("fmap", "mod", "kernel_mod"))
    bank = t["weights/weights"].requires_grad_()
    y = adaptive_conv2d(x, bank, mod + 1, logits.softmax(dim=1))
    close(y, next(v for k, v in t.items() if k.startswith("out/") and "grad" not in k))
    y.backward(t["in/cotangent"])
    for name, value in {"fmap": x, "mod": mod, "weights": bank, "kernel_mod": logits}.items():
        assert value.grad is not None
        close(value.grad, t[f"out/grad/{name}"], 1e-4)


def test_a_bank_of_one_without_demodulation_equals_the_reference():
    t, _ = fixture("adaptive_conv_n1_torgb")
    y = adaptive_conv2d(t["in/fmap"], t["weights/weights"], t["in/mod"] + 1, None, demodulate=False)
    close(y, next(v for k, v in t.items() if k.startswith("out/") and "grad" not in k))


def by_definition(x, bank, style, selection, *, up: int, demodulate: bool) -> torch.Tensor:
    """One sample after another, kernels in full, and StyleGAN2's convolution of each."""
    rows = []
    for n in range(len(x)):
        kernel = (selection[n][:, None, None, None, None] * bank).sum(dim=0) * style[n][:, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        rows.append(
            modulated_conv2d(x[n : n + 1], kernel, torch.ones(1, x.shape[1]), up=up, demodulate=False)
        )
    return torch.cat(rows)


# Batch and size choose the order: bank at once, scaled maps, kernels in full.
SHAPES = {"bank at once": (12, 6, 4), "scaled maps": (2, 32, 8), "kernels in full": (2, 3, 16)}


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("name", SHAPES)
def test_every_order_gives_the_same_sum_and_gradients(name, demodulate, up):
    n, channels, size = SHAPES[name]
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, channels, size, size, generator=g, dtype=torch.float64).float()
    bank, style = torch.randn(3, 5, channels, 3, 3, generator=g), torch.randn(n, channels, generator=g)
    selection = torch.randn(n, 3, generator=g).softmax(dim=1)
    leaves = [t.clone().requires_grad_() for t in (x, bank, style, selection)]
    ours = adaptive_conv2d(*leaves, up=up, demodulate=demodulate)
    others = [t.clone().requires_grad_() for t in (x, bank, style, selection)]
    wanted = by_definition(*others, up=up, demodulate=demodulate)
    close(ours, wanted)
    target = torch.randn(wanted.shape, generator=g)
    for a, b in zip(
        torch.autograd.grad((ours * target).sum(), leaves),
        torch.autograd.grad((wanted * target).sum(), others),
        strict=True,
    ):
        close(a, b, 1e-4)
    with torch.no_grad():
        close(adaptive_conv2d(x, bank, style, selection, up=up, demodulate=demodulate), wanted)


@pytest.mark.parametrize("up", [1, 2])
def test_one_style_for_all_samples_is_one_ordinary_convolution(up):
    g = torch.Generator().manual_seed(0)
    x, bank = torch.randn(3, 4, 6, 6, generator=g), torch.randn(2, 5, 4, 3, 3, generator=g)
    style, selection = torch.randn(1, 4, generator=g), torch.tensor([[0.3, 0.7]])
    shared = adaptive_conv2d(x, bank, style, selection, up=up)
    close(shared, adaptive_conv2d(x, bank, style.repeat(3, 1), selection.repeat(3, 1), up=up))


@pytest.mark.parametrize("name", SHAPES)
def test_float16_does_not_overflow_where_demodulation_undoes_the_size(name):
    n, channels, size = SHAPES[name]
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, channels, size, size, generator=g)
    bank, style = (
        torch.randn(3, 5, channels, 3, 3, generator=g) * 300,
        torch.randn(n, channels, generator=g) * 300,
    )
    selection = torch.randn(n, 3, generator=g).softmax(dim=1)
    half = adaptive_conv2d(x.half(), bank, style, selection)
    assert half.isfinite().all()
    close(half.float(), adaptive_conv2d(x, bank, style, selection), 0.01)


def test_a_second_derivative_with_respect_to_the_map_and_styles_exists():
    g = torch.Generator().manual_seed(0)
    x, bank = (torch.randn(*s, generator=g, dtype=torch.float64) for s in ((2, 2, 4, 4), (2, 2, 2, 3, 3)))
    style = torch.randn(2, 2, generator=g, dtype=torch.float64)
    selection = F.softmax(torch.randn(2, 2, generator=g, dtype=torch.float64), dim=1)
    leaves = [t.requires_grad_() for t in (x, bank, style, selection)]
    assert torch.autograd.gradgradcheck(lambda *t: adaptive_conv2d(*t), leaves)
