"""Differentiable augmentation as a pure function of the images and given random numbers. Not: where they come from.

The same rows of `u` give the same result in any batch, so a batch may be cut in pieces, and a run resumed.
"""

from __future__ import annotations

import torch
from torch import Tensor

NUM_UNIFORMS = 7
SHIFT_RATIO = 0.125  # of the image side
CUTOUT_RATIO = 0.2  # the projected GANs' value; the original library's default is 0.5


def diff_augment(img: Tensor, u: Tensor, policy: str) -> Tensor:
    """Change colour, position and completeness of each image.

    Args:
        img: [N, C, H, W], about [-1, 1]; differentiable.
        u: [N, 7] uniform numbers in [0, 1): brightness, saturation, contrast, shift x, shift y, cutout x, cutout y.
        policy: comma-separated subset of color, translation, cutout; or none. Always applied in this order.

    Returns:
        [N, C, H, W], not clamped. u = 1/2 leaves colour and position as they are.

    Source: Zhao et al. 2020 (DiffAugment); integer shifts and grey (0) fill as in StyleGAN-T.
    """
    parts = policy.split(",")
    if "color" in parts:
        img = _color(img, u[:, 0:3])
    if "translation" in parts or "cutout" in parts:
        img = _move_and_cut(img, u[:, 3:7], translate="translation" in parts, cut="cutout" in parts)
    return img


def _color(img: Tensor, u: Tensor) -> Tensor:
    """Brightness + (u - 1/2), saturation x 2u around the pixel's grey, contrast x (u + 1/2) around the image's mean.

    All three are affine, so they collapse to one pass: with grey m, image mean M, saturation s and contrast k,
    k (s (x + b - (m + b)) + m + b - (M + b)) + M + b = k s x + k (1 - s) m + (1 - k) M + b.
    """
    brightness, saturation, contrast = (v[:, None, None, None] for v in u.to(img.dtype).unbind(dim=1))
    brightness, saturation, contrast = brightness - 0.5, saturation * 2, contrast + 0.5
    grey = img.mean(dim=1, keepdim=True)  # [N, 1, H, W]
    mean = grey.mean(dim=(2, 3), keepdim=True)
    rest = contrast * (1 - saturation) * grey + ((1 - contrast) * mean + brightness)
    return torch.addcmul(rest, img, contrast * saturation)


def _move_and_cut(img: Tensor, u: Tensor, *, translate: bool, cut: bool) -> Tensor:
    """Shift by whole pixels with grey fill, then blank a square; one gather a direction and one mask for both."""
    h, w = img.shape[2:]
    masks = []
    for dim, size, shift_u, centre_u in ((3, w, u[:, 0], u[:, 2]), (2, h, u[:, 1], u[:, 3])):
        position = torch.arange(size, device=img.device)
        inside = torch.ones(len(img), size, dtype=torch.bool, device=img.device)
        if translate:
            source = position + shifts(shift_u, size)[:, None]  # [N, size]
            inside = (source >= 0) & (source < size)
            shape = [-1, 1, 1, 1]
            shape[dim] = size
            # Wrapping around instead of clamping makes the gather a permutation; the mask blanks what wrapped.
            img = img.gather(dim, source.remainder(size).reshape(shape).expand_as(img))
        start, side = cutouts(centre_u, size)
        in_square = (position >= start[:, None]) & (position < start[:, None] + side)
        masks.append((inside, in_square))
    (inside_x, square_x), (inside_y, square_y) = masks
    keep = inside_y[:, :, None] & inside_x[:, None, :]  # [N, H, W]
    if cut:
        keep = keep & ~(square_y[:, :, None] & square_x[:, None, :])
    return img * keep[:, None].to(img.dtype)


def shifts(u: Tensor, size: int) -> Tensor:
    """[N] whole-pixel shifts, uniform in -s..s with s = int(size / 8 + 1/2)."""
    limit = int(size * SHIFT_RATIO + 0.5)
    return (u * (2 * limit + 1)).long() - limit


def cutouts(u: Tensor, size: int) -> tuple[Tensor, int]:
    """First pixel [N] and side of the blanked square in one direction; it may stick out of the image."""
    side = int(size * CUTOUT_RATIO + 0.5)
    # The centre lies on a pixel (odd side: size places) or between two (even side: size + 1 places, borders included).
    centre = (u * (size + 1 - side % 2)).long()
    return centre - side // 2, side
