"""What any judge of pictures must get right: distances grow with damage, truncation trades recall for precision, chance is chance."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from t2igan.data.config import ShapesConfig
from t2igan.data.grammar import scene_at
from t2igan.data.render import render
from t2igan.data.shapes import ShapesStream
from t2igan.errors import DataError, T2IGanError
from t2igan.evaluation.choice import choose_metrics
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.metric import Metric
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources import open_source
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.metrics.config import InceptionConfig
from t2igan.pipeline import TextToImage

N = 160


class Held:
    """Pictures in memory."""

    protocol = "as made"

    def __init__(self, images: Sequence[Tensor], captions: Sequence[str] | None = None) -> None:
        self._images, self._captions = list(images), list(captions or [""] * len(images))
        self.name, self.warnings = "held", list[str]()
        digest = hashlib.sha256(torch.stack(self._images).numpy().tobytes() + repr(self._captions).encode())
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._images)

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        yield from map(Picture, self._images[start:stop], self._captions[start:stop])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def real() -> Held:
    stream = ShapesStream(ShapesConfig(captions="full"), resolution=32, seed=3)
    samples = [stream.sample(i) for i in range(N)]
    images = [torch.from_numpy(sample.image).permute(2, 0, 1).contiguous() for sample in samples]
    return Held(images, [sample.caption for sample in samples])


def images_of(source: Held) -> list[Tensor]:
    return [picture.image for picture in source.read(0, len(source))]


def measure(
    pictures: Any, real: Held | None, words: Sequence[str], cache: Path, *, features: str = "random_conv"
) -> dict[str, Any]:
    clips = ["embedded:shapes_scorer"] if "clip_score" in words else []
    metrics = choose_metrics(words, features=features, clips=clips)
    return evaluate(pictures, real, metrics, cache=cache)


def distance(pictures: Held, real: Held, cache: Path, *, features: str = "random_conv") -> float:
    return measure(pictures, real, ["fd"], cache, features=features)["metrics"][f"fd_{features}"]["value"]


def changed(source: Held, change: Callable[[Image.Image], Image.Image]) -> Held:
    pictures = [change(Image.fromarray(image.permute(1, 2, 0).numpy())) for image in images_of(source)]
    return Held([torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous() for picture in pictures])


def noisy(source: Held, sigma: float) -> Held:
    draws = torch.randn(len(source), 3, 32, 32, generator=torch.Generator().manual_seed(1)) * sigma
    noised = torch.stack(images_of(source)) + draws
    return Held(list(noised.round().clamp(0, 255).to(torch.uint8)))


@pytest.mark.parametrize("features", ["random_conv", "judge"])
def test_a_set_is_at_no_distance_from_itself_in_any_order(real: Held, cache: Path, features: str):
    whole, other = distance(real, real, cache, features=features), noisy(real, 20)
    far = distance(other, real, cache, features=features)
    assert abs(whole) < 1e-7 * far  # roots of eigenvalues that are zero but for rounding
    backwards = Held(images_of(other)[::-1])
    assert distance(backwards, real, cache, features=features) == pytest.approx(far, rel=1e-6)


@pytest.mark.parametrize("features", ["random_conv", "judge"])
def test_the_distance_grows_with_noise_and_blur(real: Held, cache: Path, features: str):
    noise = [distance(noisy(real, sigma), real, cache, features=features) for sigma in (2, 8, 24, 60)]
    blurred = [
        changed(real, lambda p, r=r: p.filter(ImageFilter.GaussianBlur(r))) for r in (0.4, 0.8, 1.6, 3)
    ]
    blur = [distance(source, real, cache, features=features) for source in blurred]
    for values in (noise, blur):
        assert values == sorted(values)
        assert values[-1] > 10 * values[0] > 0


@pytest.mark.parametrize("features", ["random_conv", "judge"])
def test_the_distance_grows_as_modes_are_dropped(real: Held, cache: Path, features: str):
    stream = ShapesStream(ShapesConfig(captions="full"), resolution=32, seed=4)
    samples = [stream.sample(i) for i in range(N)]
    values = []
    for dropped in ((), ("white",), ("white", "beige"), ("white", "beige", "gray")):
        kept = [s for s in samples if not any(f"{word} background" in s.caption for word in dropped)]
        repeated = [kept[i % len(kept)].image for i in range(N)]
        held = Held([torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in repeated])
        values.append(distance(held, real, cache, features=features))
    assert values == sorted(set(values))
    assert values[3] > 1.5 * values[0]


def test_jpeg_of_high_quality_is_a_distance(real: Held, cache: Path):
    def compressed(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        return Image.open(file).convert("RGB")

    assert distance(changed(real, compressed), real, cache) > 1e-4


def test_recall_falls_and_precision_rises_as_psi_falls(cache: Path):
    """Of one prompt: over many, the prompts alone make the variety of shapes."""
    config = ShapesConfig(scenes="single", captions="full")
    scenes = [scene_at(5, i, config) for i in range(2000)]
    first, thing = scenes[0], scenes[0].things[0]
    rgbs = [scene.things[0].rgb for scene in scenes if scene.things[0].colour == thing.colour]
    floors = [scene.background_rgb for scene in scenes if scene.background == first.background]
    places = [s for s in scenes if s.layout == first.layout and s.things[0].size == thing.size][:60]
    real = []
    for scene, rgb, floor in zip(places, rgbs, floors, strict=False):  # all that the prompt leaves open
        own = replace(scene.things[0], colour=thing.colour, shape=thing.shape, rgb=rgb)
        picture, _ = render(replace(first, things=(own,), background_rgb=floor), 32)
        real.append(torch.from_numpy(picture).permute(2, 0, 1).contiguous())
    caption = ShapesStream(config, resolution=32, seed=5).sample(0).caption
    model, found = TextToImage.from_checkpoint(), []
    for psi in (2.0, 1.2, 0.5):
        drawn = DrawnSource(model, [caption] * 60, name="embedded", psi=psi)
        found.append(
            measure(drawn, Held(real), ["prdc"], cache, features="judge")["metrics"]["prdc_judge"]["value"]
        )
    precision, recall = ([value[key] for value in found] for key in ("precision", "recall"))
    assert precision == sorted(precision)
    assert recall == sorted(recall, reverse=True)
    assert precision[-1] - precision[0] > 0.5
    assert recall[0] - recall[-1] > 0.5


def test_shuffled_prompts_score_chance(real: Held, cache: Path):
    found = measure(real, None, ["clip_score"], cache)["metrics"]["clip_score_small_clip"]
    captions = [picture.caption for picture in real.read(0, N)]
    moved = Held(images_of(real), captions[1:] + captions[:1])
    score = measure(moved, None, ["clip_score"], cache)["metrics"]["clip_score_small_clip"]["value"]
    assert found["value"] > 0.8
    assert abs(score) < 0.1
    assert found["shuffled"] == pytest.approx(score, abs=0.1)
    assert found["times_100"] == 100 * found["value"]


def test_features_that_are_not_finite_are_an_error_and_are_not_kept(real: Held, tmp_path: Path):
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))

        def forward(self, img: Tensor) -> Tensor:
            return self.layers(img)

    few, broken, path = Held(images_of(real)[:5]), Broken(), tmp_path / "broken.pt"
    nn.init.constant_(broken.layers[2].weight, float("nan"))  # pyright: ignore[reportArgumentType]
    torch.jit.script(broken).save(str(path))
    config = InceptionConfig(weights=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    for kind in ("frechet", "prdc"):
        with pytest.raises(
            DataError, match="features of 5 pictures, number 0 the first, that are not finite"
        ):
            evaluate(few, few, [Metric(kind, config)], cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_too_few_pictures_are_an_error_or_a_warning(real: Held, cache: Path):
    few = Held(images_of(real)[:3])
    with pytest.raises(T2IGanError, match="at least 2 images"):
        distance(Held(images_of(real)[:1]), real, cache)
    with pytest.raises(T2IGanError, match="k = 5 neighbours"):
        measure(few, real, ["prdc"], cache)
    with pytest.raises(DataError, match="no caption"):
        measure(few, None, ["clip_score"], cache)
    found = measure(few, real, ["fd", "kid"], cache)
    assert any("KID's subsets are of 3" in text for text in found["warnings"])
    assert any("mostly bias" in text for text in found["warnings"])
    large = Held([image.repeat(1, 2, 2) for image in images_of(few)])
    assert any("64 x 64 px against" in text for text in measure(large, real, ["fd"], cache)["warnings"])


def test_grey_transparent_doubled_and_compressed_pictures_are_counted(
    real: Held, cache: Path, tmp_path: Path
):
    picture = Image.fromarray(images_of(real)[0].permute(1, 2, 0).numpy())
    for number in range(4):
        picture.save(tmp_path / f"plain{number}.png")
    picture.convert("L").save(tmp_path / "grey.png")
    picture.convert("LA").save(tmp_path / "grey_alpha.png")
    clear = picture.convert("RGBA")
    clear.putalpha(128)
    clear.save(tmp_path / "alpha.png")
    picture.save(tmp_path / "small.jpg")
    warnings = measure(open_source(str(tmp_path)), real, ["fd"], cache)["warnings"]
    for text in ("3 pictures that repeat another", "2 pictures grey", "pictures with transparency", "1 pictures compressed"):  # fmt: skip
        assert any(text in warning for warning in warnings), (text, warnings)
