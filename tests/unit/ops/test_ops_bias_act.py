from __future__ import annotations

import pytest
import torch

from t2igan.ops.bias_act import bias_act, bias_act_reference


def arguments(dtype: torch.dtype, *, noise_rows: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    return {
        "x": draw(2, 3, 4, 5).requires_grad_(),
        "bias": draw(3).requires_grad_(),
        "scale": (draw(2, 3).abs() + 0.5).requires_grad_(),
        "noise": draw(noise_rows, 1, 4, 5),
        "strength": draw().requires_grad_(),
    }


@pytest.mark.parametrize("clamp", [None, 0.8])
@pytest.mark.parametrize("noise_rows", [0, 1, 2])
def test_bias_act_and_its_gradients_equal_the_definition(noise_rows, clamp):
    fast, plain = (arguments(torch.float64, noise_rows=max(noise_rows, 1)) for _ in range(2))
    outputs = []
    for function, values in ((bias_act, fast), (bias_act_reference, plain)):
        if noise_rows == 0:
            values["noise"] = values["strength"] = None
        y = function(**values, gain=0.7, clamp=clamp)
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).sum().backward()
        outputs.append(y)
    torch.testing.assert_close(outputs[0], outputs[1])
    for name, value in fast.items():
        if value is not None and value.requires_grad:
            torch.testing.assert_close(value.grad, plain[name].grad, msg=name)


def test_bias_act_has_a_second_derivative():
    values = arguments(torch.float64, noise_rows=1)

    def function(x, bias, scale, strength):
        return bias_act(x, bias, scale=scale, noise=values["noise"], strength=strength, clamp=0.8)

    inputs = tuple(values[name] for name in ("x", "bias", "scale", "strength"))
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_bias_act_keeps_dtype_and_channels_last():
    x = torch.randn(2, 8, 4, 4).bfloat16().contiguous(memory_format=torch.channels_last)
    y = bias_act(x, torch.zeros(8), scale=torch.ones(2, 8))
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
