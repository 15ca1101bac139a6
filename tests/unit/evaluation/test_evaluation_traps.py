"""Small things that move a FID unseen: JPEG on one side, channels, EXIF, scans of names, noise, rounding to TF32, stale features."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.metric import Metric, build_probe
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.processes import joined
from t2igan.evaluation.sources import open_source
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.evaluation.store import Rows
from t2igan.metrics.config import RandomConvFeaturesConfig
from t2igan.pipeline import TextToImage

FD = Metric("frechet", RandomConvFeaturesConfig())
COUNT = 40
Change = Callable[[Image.Image], Image.Image]


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return Image.open(file).convert("RGB")


def blue_first(picture: Image.Image) -> Image.Image:
    return Image.merge("RGB", picture.split()[::-1])


def half_a_level(picture: Image.Image) -> Image.Image:
    """What (x + 1) * 127.5 instead of x * 127.5 + 128 makes of every second pixel."""
    pixels = np.asarray(picture).astype(int)
    pixels.reshape(-1, 3)[::2] -= 1
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write(folder: Path, change: Change = lambda picture: picture, *, seed: int = 3) -> str:
    folder.mkdir()
    stream = ShapesStream(ShapesConfig(), resolution=32, seed=seed)
    for number in range(COUNT):
        change(Image.fromarray(stream.sample(number).image)).save(folder / f"{number}.png")
    return str(folder)


def distance(pictures: str, real: str, cache: Path) -> float:
    found = evaluate(open_source(pictures), open_source(real), [FD], cache=cache)
    return found["metrics"]["fd_random_conv"]["value"]


@pytest.mark.parametrize("change", [compressed, blue_first, half_a_level])
def test_a_change_of_either_set_is_a_distance_and_of_both_another_than_of_none(
    change: Change, tmp_path: Path
):
    plain, cache = write(tmp_path / "plain"), tmp_path / "cache"
    other = write(tmp_path / "other", seed=4)
    changed, both = write(tmp_path / "changed", change), write(tmp_path / "both", change, seed=4)
    values = {
        "itself": distance(plain, plain, cache),
        "judged": distance(changed, plain, cache),
        "real": distance(plain, changed, cache),
    }
    assert abs(values["itself"]) < 1e-9
    assert values["judged"] == pytest.approx(values["real"], rel=1e-6)
    assert values["judged"] > 1e-6
    untouched = distance(other, plain, cache)
    for pair in ((both, plain), (other, changed), (both, changed)):
        assert abs(distance(*pair, cache) / untouched - 1) > 1e-5


def test_names_in_capitals_are_found_and_turned_pictures_are_upright_and_told_of(tmp_path: Path):
    stream, exif = ShapesStream(ShapesConfig(), resolution=32, seed=3), Image.Exif()
    exif[0x0112] = 3  # half a turn
    upright = [stream.sample(i).image for i in range(3)]
    for name, pixels in zip(("2.PNG", "10.Png", "1.png"), upright, strict=True):
        stored = pixels[::-1, ::-1] if name == "10.Png" else pixels
        extra = {"exif": exif} if name == "10.Png" else {}
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / name, **extra)
    source = open_source(str(tmp_path))
    read = [picture.image.permute(1, 2, 0).numpy() for picture in source.read(0, len(source))]
    expected = [upright[2], upright[0], upright[1]]  # 1, 2, 10: numbers are numbers
    assert len(read) == 3
    assert all(np.array_equal(a, b) for a, b in zip(read, expected, strict=True))
    assert any("EXIF" in text for text in source.warnings)


def test_features_are_not_taken_for_those_of_other_pixels_preparation_or_network(tmp_path: Path):
    folder = write(tmp_path / "set")
    probe = build_probe(FD)
    places = [Rows(tmp_path, open_source(folder, Preparation(size)), probe).folder for size in (None, 16)]
    assert Rows(tmp_path, open_source(folder), probe).folder == places[0]
    picture = Image.open(tmp_path / "set/7.png")
    picture.putpixel((5, 5), (1, 2, 3))
    picture.save(tmp_path / "set/7.png")
    places.append(Rows(tmp_path, open_source(folder), probe).folder)  # the same path, other pixels
    other = build_probe(FD)
    other.protocol = "another preparation"
    places.append(Rows(tmp_path, open_source(folder), other).folder)
    assert len(set(places)) == 4


def test_psi_seed_noise_and_captions_each_make_other_pictures_and_other_features(tmp_path: Path):
    model, probe = TextToImage.from_checkpoint(), build_probe(FD)
    captions = ["a red circle", "a blue square"]
    ways = [
        DrawnSource(model, captions, name="m"),
        DrawnSource(model, captions, name="m", psi=0.5),
        DrawnSource(model, captions, name="m", seed=9),
        DrawnSource(model, captions, name="m", noise_mode="random"),
        DrawnSource(model, captions[::-1], name="m"),
    ]
    drawn = [torch.stack([picture.image for picture in way.read(0, 2)]) for way in ways]
    assert all(not torch.equal(drawn[0], other) for other in drawn[1:])
    assert len({Rows(tmp_path, way, probe).folder for way in ways}) == len(ways)


def test_convolutions_are_not_rounded_to_tf32_while_something_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with joined("cpu"):
        assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "highest"
        rows = build_probe(FD)(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), ["", ""])
        assert rows["features"].dtype == torch.float32
    assert torch.backends.cudnn.allow_tf32
