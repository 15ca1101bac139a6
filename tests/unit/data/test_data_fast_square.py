"""The fast road from an image's bytes to a square, against Pillow's."""

import io

import numpy as np
import pytest
from PIL import Image

from t2igan.bench.photographs import photograph
from t2igan.data.config import ShardsConfig
from t2igan.data.fast_square import read_square_fast
from t2igan.data.pixels import BadSampleError, read_square

LARGE = photograph(np.random.default_rng(0), 192, 128)


def encoded(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def both(data: bytes, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    exact, fast = (
        read(data, resolution=resolution, max_pixels=10**6) for read in (read_square, read_square_fast)
    )
    assert exact.shape == fast.shape == (resolution, resolution, 3)
    assert exact.dtype == fast.dtype == np.uint8
    return exact, fast


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_without_shrinking_the_pixels_of_a_jpeg_are_pillows(subsampling, progressive):
    data = encoded(LARGE, quality=92, subsampling=subsampling, progressive=progressive)
    np.testing.assert_array_equal(*both(data, 128))


@pytest.mark.parametrize("resolution", [16, 33, 64, 100])
def test_a_shrunk_square_differs_from_pillows_by_one_at_most(resolution):
    exact, fast = both(encoded(LARGE, quality=95), resolution)
    difference = np.abs(exact.astype(int) - fast)
    assert difference.max() <= 1  # 16-bit arithmetic against 32-bit
    assert difference.mean() < 0.05


PICTURES = {
    "gray": encoded(LARGE.convert("L")),
    "CMYK": encoded(LARGE.convert("CMYK")),
    "palette": encoded(LARGE.convert("P"), "PNG"),
    "transparent": encoded(LARGE.convert("RGBA"), "PNG"),
    "16 bits": encoded(Image.fromarray(np.asarray(LARGE.convert("L")).astype(np.uint16) * 257), "PNG"),
    "webp": encoded(LARGE, "WEBP", quality=80),
    "turned": encoded(LARGE, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    "broken EXIF": encoded(LARGE, exif=b"Exif\0\0MM\0*\0\0\xff"),
    "EXIF": encoded(LARGE, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_other_kind_of_picture_is_read_as_by_pillow(name):
    np.testing.assert_array_equal(*both(PICTURES[name], 128))


def outcome(read, data: bytes) -> str:
    try:
        return read(data, resolution=128, max_pixels=10**5).tobytes().hex()
    except BadSampleError as problem:
        return problem.reason


def test_damaged_bytes_have_one_outcome_on_both_roads():
    data, rng = encoded(LARGE, quality=90), np.random.default_rng(1)
    outcomes = set()
    for _ in range(60):
        bad = bytearray(data[: rng.integers(100, len(data) + 1)] if rng.random() < 0.4 else data)
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        exact = outcome(read_square, bytes(bad))
        assert outcome(read_square_fast, bytes(bad)) == exact
        outcomes.add(exact if len(exact) < 100 else "pixels")
    assert {"pixels", "does not decode"} <= outcomes


def test_small_and_huge_pictures_are_refused_by_their_header():
    assert outcome(read_square_fast, encoded(LARGE.resize((100, 100)))) == "smaller than 128 px"
    assert outcome(read_square_fast, encoded(LARGE.resize((400, 400)))) == "too many pixels"


def test_the_fast_road_is_the_default_and_can_be_left():
    assert ShardsConfig(shards="x").decode == "fast"
    assert ShardsConfig(shards="x", decode="exact").decode == "exact"
