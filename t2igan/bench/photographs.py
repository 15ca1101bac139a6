"""Pictures that cost a decoder as much as photographs do: colours with a natural spectrum, and hard edges."""

from __future__ import annotations

import numpy as np
from PIL import Image

NUM_DISCS = 12
SLOPE = 1.1  # amplitudes fall with frequency to this power, as in photographs
CONTRASTS = (50.0, 18.0, 18.0)  # of brightness and of the two colour differences, in levels


def photograph(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """An RGB picture, made of nothing but the generator's numbers."""
    planes = [_clouds(rng, width, height) for _ in range(3)]
    y, x = np.mgrid[:height, :width]
    for _ in range(NUM_DISCS):
        side = min(width, height)
        inside = (x - rng.uniform(0, width)) ** 2 + (y - rng.uniform(0, height)) ** 2
        mask = inside < (rng.uniform(0.03, 0.25) * side) ** 2
        for plane in planes:
            plane[mask] += rng.normal()
    luma, blue, red = (plane * contrast for plane, contrast in zip(planes, CONTRASTS, strict=True))
    rgb = np.stack([luma + 1.402 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.772 * blue], axis=-1)
    return Image.fromarray((128 + rgb).clip(0, 255).astype(np.uint8))


def _clouds(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Noise [height, width] of spread 1 whose amplitudes fall with frequency."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / frequency**SLOPE
    noise = np.fft.irfft2(spectrum, (height, width))
    return noise / noise.std()
