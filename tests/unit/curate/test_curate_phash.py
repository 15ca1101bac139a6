from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dct

from t2igan.curate.measures.phash import hash_thumbnails, phash, thumbnail


def photograph(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Colours whose amplitudes fall with frequency as in photographs."""
    rng = np.random.default_rng(seed)
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    spectrum = np.fft.fft2(rng.normal(size=(3, height, width))) / (frequency + 1 / width) ** 1.2
    waves = np.fft.ifft2(spectrum).real
    unit = (waves - waves.mean()) / waves.std()
    return Image.fromarray((128 + 50 * unit).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def reference(picture: Image.Image) -> int:
    """imagehash's definition, through SciPy's transform."""
    pixels = np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    low = dct(dct(pixels, axis=0), axis=1)[:8, :8]
    bits = "".join("1" if bit else "0" for bit in (low > np.median(low)).flatten())
    return int(bits, 2)


def bits_apart(a: np.ndarray, b: np.ndarray) -> list[int]:
    return [int(x ^ y).bit_count() for x, y in zip(a, b, strict=True)]


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


PHOTOGRAPHS = [photograph(seed) for seed in range(20)]


def test_hashes_equal_the_definition_bit_for_bit():
    odd_sizes = [photograph(30, (33, 700)), photograph(31, (20, 20)), PHOTOGRAPHS[0].convert("L")]
    pictures = [*PHOTOGRAPHS, *odd_sizes]
    assert phash(pictures).tolist() == [reference(picture) for picture in pictures]


def test_noise_equals_the_definition_bit_for_bit():
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (500, 32, 32), dtype=np.uint8)
    expected = [reference(Image.fromarray(each)) for each in thumbnails]
    assert hash_thumbnails(thumbnails).tolist() == expected


@pytest.mark.parametrize("gray", [1, 77, 255])
def test_a_plain_picture_has_only_the_constant_bit(gray):
    plain = Image.new("L", (50, 40), gray)
    assert phash([plain]).tolist() == [reference(plain)] == [1 << 63]


def test_compression_and_resizing_change_few_bits():
    hashes = phash(PHOTOGRAPHS)
    compressed = phash([as_jpeg(picture, 50) for picture in PHOTOGRAPHS])
    halved = phash([picture.resize((160, 120), Image.Resampling.BICUBIC) for picture in PHOTOGRAPHS])
    assert max(bits_apart(hashes, compressed)) <= 6
    assert max(bits_apart(hashes, halved)) <= 6


def test_other_pictures_are_far():
    hashes = phash(PHOTOGRAPHS)
    assert min(bits_apart(hashes[:-1], hashes[1:])) > 12  # half of the 64 bits on average


def test_a_hash_does_not_depend_on_its_batch():
    hashes = phash(PHOTOGRAPHS)
    assert hashes.tolist() == [phash([picture]).item() for picture in PHOTOGRAPHS]
    assert hashes.dtype == np.uint64


def test_no_pictures_have_no_hashes():
    assert phash([]).shape == (0,)
    assert thumbnail(PHOTOGRAPHS[0]).shape == (32, 32)
