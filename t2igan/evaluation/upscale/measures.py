"""The numbers of single pictures: enlarged against original, and made small again against what was given. No averages."""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.evaluation.upscale.networks import Perceptual
from t2igan.evaluation.upscale.recipe import Recipe
from t2igan.evaluation.upscale.resampling import shrunk
from t2igan.images import to_float
from t2igan.metrics.psnr import luma, squared_error
from t2igan.metrics.ssim import ssim

COLUMNS = ("error_rgb", "error_y", "ssim_y", "error_small", "perceptual")


def measured(
    img: Tensor,
    real: Tensor,
    low: Tensor,
    *,
    recipe: Recipe,
    perceptual: Perceptual | None,
    device: torch.device,
) -> Tensor:
    """Measure pictures one by one, as float64 maps of many large ones would fill the memory.

    Args:
        img: enlarged, [N, 3, R, R] uint8 on the CPU.
        real: originals, likewise.
        low: what was enlarged, [N, 3, r, r] uint8 on the CPU.
        recipe: border, scale and way of making small.
        perceptual: on `device`; None = 0 in its column.
        device: where networks compute.

    Returns:
        [N, 5] float64 on the CPU, in the order of COLUMNS; errors are mean squares.
    """
    again = shrunk(img, recipe.scale, by=recipe.shrink)
    small = squared_error(again, low)
    exact = device if device.type == "cuda" else torch.device("cpu")  # others have no float64
    rows = []
    for one, original, error in zip(img.split(1), real.split(1), small, strict=True):
        x, y = one.to(exact), original.to(exact)
        light = luma(x), luma(y)
        values = [
            squared_error(x, y, border=recipe.border),
            squared_error(*light, border=recipe.border),
            ssim(*light, border=recipe.border),
            error[None],
            torch.zeros(1) if perceptual is None else _distance(perceptual, one, original, device),
        ]
        rows.append(torch.cat([value.double().cpu() for value in values]))
    return torch.stack(rows)


@torch.inference_mode()
def _distance(perceptual: Perceptual, img: Tensor, real: Tensor, device: torch.device) -> Tensor:
    return perceptual.net(to_float(img.to(device)), to_float(real.to(device)))
