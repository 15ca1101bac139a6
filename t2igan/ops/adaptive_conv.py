"""Sample-adaptive convolution: every sample mixes its own kernel from a bank. Not: styles, selection, noise or activation.

Three orders of the same sum, by what is cheapest. CPU time of one core, forward + backward, bfloat16:

    bank x channels, size, batch     kernels in full   scaled maps   bank at once
    4 x 256, 32 px,  4               82 ms             66 ms         180 ms
    2 x 128,  8 px, 64              324 ms            153 ms          34 ms
    2 x  32, 32 px, 64               72 ms             76 ms          56 ms
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from t2igan.ops.modulated_conv import EPSILON, convolve, demodulation, prenormalize
from t2igan.ops.upfirdn2d import resample_filter, upfirdn2d

# Pixels of a map times (K - 1), up to which K convolutions beat building a kernel for each sample: with float32 products,
# and with half-precision ones, which machines do faster than they move memory.
AT_ONCE_PIXELS, AT_ONCE_PIXELS_HALF = 128, 1024


def adaptive_conv2d(
    x: Tensor,
    bank: Tensor,
    style: Tensor,
    selection: Tensor | None,
    *,
    up: int = 1,
    demodulate: bool = True,
) -> Tensor:
    """Convolve each sample with a kernel of its own: a mean of the bank, times its style, of unit norm.

    K = sum_k selection_k bank_k; then K <- K style over the input channels; then K <- K / |K| for each output channel.

    Args:
        x: [N, I, H, W] in the dtype of the convolution.
        bank: [K, O, I, k, k], float32, odd k; the map keeps its size.
        style: [N, I] factors, float32; [1, I] for one that all samples share, which makes one ordinary convolution.
        selection: [N, K] or [1, K] weights that sum to 1, float32; None where K = 1.
        up: 2 doubles the size with StyleGAN2's filter (k must be 3).
        demodulate: see above; False leaves the norm out.

    Returns:
        [N, O, H * up, W * up] in the dtype of x.

    Source: Kang et al. 2023 (GigaGAN), section 3.1, equations 1 and 2.
    """
    y, scale = adaptive_conv2d_and_scale(x, bank, style, selection, up=up, demodulate=demodulate)
    return y if scale is None else y * _maps(scale, y)


def adaptive_conv2d_and_scale(
    x: Tensor,
    bank: Tensor,
    style: Tensor,
    selection: Tensor | None,
    *,
    up: int = 1,
    demodulate: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """`adaptive_conv2d` before a last factor on every channel, [N, O] or None, that an activation can take along."""
    if selection is None:
        selection = bank.new_ones(1, 1)
    if len(style) == len(selection) == 1:
        return _convolve(x, _modulated(bank, style, selection, demodulate)[0], up), None
    if len(bank) == 1:
        return _one_kernel(x, bank[0], style, up, demodulate)
    style, selection = style.expand(len(x), -1), selection.expand(len(x), -1)
    if _does_all(x, bank):
        return _bank_at_once(x, bank, style, selection, up, demodulate)
    if _scales_maps(x, bank):
        return _scaled_maps(x, bank, style, selection, up, demodulate)
    return _one_each(x, _modulated(bank, style, selection, demodulate), up), None


Result = tuple[Tensor, Tensor | None]


def _one_kernel(x: Tensor, weight: Tensor, style: Tensor, up: int, demodulate: bool) -> Result:
    """StyleGAN2's modulated convolution."""
    style = style.expand(len(x), -1)
    if not demodulate:
        return convolve(x, style, weight, up=up), None
    weight, style = prenormalize(x, weight, style)
    return convolve(x, style, weight, up=up), demodulation(weight, style)


def _scaled_maps(
    x: Tensor, bank: Tensor, style: Tensor, selection: Tensor, up: int, demodulate: bool
) -> Result:
    """Style scales what goes in, demodulation what comes out."""
    kernels = _mixed(bank, selection)
    if x.dtype == torch.float16 and demodulate:  # which overflows; demodulation takes the factors out again
        kernels = kernels / (kernels.abs().amax(dim=(2, 3, 4), keepdim=True) * bank[0, 0].numel() ** 0.5)
        style = style / style.abs().amax(dim=1, keepdim=True)
    y = _one_each(x * _maps(style, x), kernels, up)
    return y, _norm(kernels.square().sum(dim=(3, 4)), style) if demodulate else None


def _bank_at_once(
    x: Tensor, bank: Tensor, style: Tensor, selection: Tensor, up: int, demodulate: bool
) -> Result:
    """One convolution with all kernels of the bank, whose results are mixed: no kernel is built for any sample."""
    if x.dtype == torch.float16 and demodulate:
        bank = bank / (bank.abs().amax(dim=(0, 2, 3, 4), keepdim=True) * bank[0, 0].numel() ** 0.5)
        style = style / style.abs().amax(dim=1, keepdim=True)
    y = _convolve(x * _maps(style, x), bank.flatten(0, 1), up).unflatten(1, (len(bank), -1))
    y = (y * selection.to(y.dtype)[:, :, None, None, None]).sum(dim=1)
    if not demodulate:
        return y, None
    products = torch.einsum("aoikl,boikl->aboi", bank, bank)  # [K, K, O, I]
    pairs = selection[:, :, None] * selection[:, None, :]  # [N, K, K]
    energy = (pairs.flatten(1) @ products.flatten(0, 1).flatten(1)).unflatten(1, bank.shape[1:3])
    return y, _norm(energy, style)


def _norm(energy: Tensor, style: Tensor) -> Tensor:
    """[N, O] factors 1 / |kernel style| of squared norms [N, O, I] over k x k."""
    return (torch.bmm(energy, style.square()[:, :, None])[:, :, 0].clamp(min=0) + EPSILON).rsqrt()


def _does_all(x: Tensor, bank: Tensor) -> bool:
    """Whether K convolutions of all samples cost less than one with a kernel for each."""
    most = AT_ONCE_PIXELS if x.dtype == torch.float32 else AT_ONCE_PIXELS_HALF
    return (len(bank) - 1) * x.shape[2] * x.shape[3] <= most and len(x) >= 4 * len(bank)


def _scales_maps(x: Tensor, bank: Tensor) -> bool:
    """Whether scaling maps touches fewer numbers than scaling kernels: two passes of maps against three of kernels."""
    outs, ins = bank.shape[1:3]
    return x.shape[2] * x.shape[3] * (outs + ins) <= 3 * bank[0].numel() or x.dtype == torch.float16


def _mixed(bank: Tensor, selection: Tensor) -> Tensor:
    """[N, O, I, k, k]: one matrix product, in the order in which the bank lies in memory."""
    if bank[0].is_contiguous(memory_format=torch.channels_last):
        last = bank.permute(0, 1, 3, 4, 2)  # [K, O, k, k, I]
        return (selection @ last.flatten(1)).unflatten(1, last.shape[1:]).permute(0, 1, 4, 2, 3)
    return (selection @ bank.flatten(1)).unflatten(1, bank.shape[1:])


def _modulated(bank: Tensor, style: Tensor, selection: Tensor, demodulate: bool) -> Tensor:
    """[N, O, I, k, k] kernels in full."""
    kernels = _mixed(bank, selection) * style[:, None, :, None, None]
    if not demodulate:
        return kernels
    return kernels * (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + EPSILON).rsqrt()


def _one_each(x: Tensor, kernels: Tensor, up: int) -> Tensor:
    """Sample n with kernels[n]."""
    n, outs = kernels.shape[:2]
    if x.device.type == "cpu" and not torch.is_grad_enabled():
        # oneDNN's grouped convolution takes up to four times as long as one after another; backwards it is the faster one.
        return torch.cat([_convolve(x[i : i + 1], kernels[i], up) for i in range(n)])
    flat = x.reshape(1, n * x.shape[1], *x.shape[2:])
    y = _convolve(flat, kernels.flatten(0, 1), up, groups=n)
    return y.reshape(n, outs, x.shape[2] * up, x.shape[3] * up)


def _convolve(x: Tensor, weight: Tensor, up: int, *, groups: int = 1) -> Tensor:
    """A "same" convolution, or the doubling one: zeros between the values, weight, low-pass filter."""
    weight = weight.to(x.dtype)
    if up == 1:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)
    turned = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    y = F.conv_transpose2d(x, turned, stride=up, groups=groups)
    return upfirdn2d(y, resample_filter(x.device), padding=(1, 1), gain=4)


def _maps(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, :, None, None]
