"""The resize by matrix products is Pillow's, and networks may be fed a few images at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from t2igan.features.extractor import Extractor, bicubic
from t2igan.features.pieces import PIECE
from t2igan.features.resize import resize_bicubic

BICUBIC = Image.Resampling.BICUBIC


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(8, 8, 299), (1, 5, 40), (64, 64, 299), (299, 300, 299), (256, 340, 224), (700, 411, 32), (3000, 2, 64)],
)
def test_every_pixel_is_pillow_s_resize_of_float_pictures(height: int, width: int, size: int):
    images = noise(2, 3, height, width)
    found = resize_bicubic(images, size)
    for image, done in zip(images, found, strict=True):
        for plane, pixels in zip(image.numpy().astype(np.float32), done, strict=True):
            expected = np.asarray(Image.fromarray(plane).resize((size, size), BICUBIC)).clip(0, 255)
            # float32, sums of up to 375 terms as large as 255
            np.testing.assert_allclose(pixels.numpy(), expected, rtol=0, atol=3e-4)


def test_flat_pictures_stay_flat():
    images = torch.full((1, 3, 50, 70), 200, dtype=torch.uint8)
    torch.testing.assert_close(
        resize_bicubic(images, 33), torch.full((1, 3, 33, 33), 200.0), rtol=0, atol=1e-4
    )


def test_the_preparation_leaves_the_caller_s_pictures_as_they_are():
    for images in (noise(2, 3, 16, 16), noise(2, 3, 16, 16).float()):
        before = images.clone()
        for size in (16, 24):
            bicubic(size, (0.5,) * 3, (0.5,) * 3)(images)
        assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("threads", "pieces"), [(1, [4, 4, 1]), (2, [4, 4, 1]), (4, [3, 3, 3]), (64, [1] * 9)]
)
def test_a_network_on_the_cpu_sees_few_images_at_a_time_and_every_image_once(threads: int, pieces: list[int]):
    seen: list[int] = []

    class Means(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            assert not torch.is_grad_enabled()
            return x.mean(dim=(2, 3))

    size, before = 299, torch.get_num_threads()
    extractor = Extractor(Means(), bicubic(size, (0, 0, 0), (1, 1, 1)), name="", protocol="", dim=3)
    images = noise(9, 3, 20, 20)
    torch.set_num_threads(threads)
    try:
        found = extractor(images)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert sorted(seen) == sorted(pieces)
    assert max(seen) * 3 * size**2 <= PIECE
    assert torch.equal(found, torch.cat([extractor(image[None]) for image in images]))
    assert extractor(images[:0]).shape == (0, 3)


def test_an_error_of_the_network_is_the_caller_s_and_the_threads_stay_as_they_were():
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ZeroDivisionError

    before = torch.get_num_threads()
    extractor = Extractor(Broken(), bicubic(16, (0, 0, 0), (1, 1, 1)), name="", protocol="", dim=3)
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            extractor(noise(9, 3, 20, 20))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
