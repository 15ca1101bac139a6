"""Upsamplers judged beside filters: every number against an independent one, and facts that must hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from tiny_upsamplers import Nearest, picture, upscaler
from torch import Tensor

from t2igan.errors import UsageError, WeightsError
from t2igan.evaluation.collect import collect
from t2igan.evaluation.probes import FeatureProbe
from t2igan.evaluation.source import Picture
from t2igan.evaluation.upscale.measures import COLUMNS, measured
from t2igan.evaluation.upscale.methods import ByModel, Method, filters
from t2igan.evaluation.upscale.networks import find_features, find_perceptual, taught_by
from t2igan.evaluation.upscale.pictures import First, originals
from t2igan.evaluation.upscale.probe import UpscaleProbe, corners, digest, seed_of
from t2igan.evaluation.upscale.recipe import Recipe
from t2igan.evaluation.upscale.resampling import enlarged, shrunk
from t2igan.evaluation.upscale.summary import summary
from t2igan.features.config import LpipsConfig, SmallClipTowerConfig
from t2igan.metrics.config import RandomConvFeaturesConfig
from t2igan.metrics.fid import frechet_distance
from t2igan.metrics.names import perceptual_name
from t2igan.metrics.psnr import psnr
from t2igan.metrics.stats import FeatureStats

SIDE, SCALE = 48, 4
RECIPE = Recipe(SIDE, SCALE, border=4, patch=24, patches=2)
CPU = torch.device("cpu")


class Held:
    """Pictures in memory, as a source."""

    name, protocol, fingerprint = "held", "as given", "0"
    warnings: list[str] = []  # noqa: RUF012

    def __init__(self, images: Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def read(self, start: int, stop: int):
        for number in range(start, stop):
            yield Picture(self._images[number], f"picture {number}")


class Changed:
    """A way to enlarge that has the originals, and changes them."""

    device = CPU

    def __init__(self, name: str, found: Tensor) -> None:
        self.name = self.text = name
        self._found = found

    def __call__(self, low: Tensor, captions: Sequence[str], seeds: Sequence[int]) -> Tensor:
        return torch.stack([self._found[int(caption.split()[1])] for caption in captions])


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.stack([picture(SIDE, SIDE, seed=seed).roll(7 * seed, 2) for seed in range(12)])


def each(images: Tensor, change) -> Tensor:
    changed = [change(Image.fromarray(one.permute(1, 2, 0).numpy())) for one in images]
    return torch.stack([torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in changed])


def judged(
    images: Tensor, methods: Sequence[Method], folder: Path, *, recipe: Recipe = RECIPE, batch: int = 5
) -> dict[str, Any]:
    perceptual, _ = find_perceptual("small_clip")
    probe = UpscaleProbe(
        methods, recipe, features=FeatureProbe(RandomConvFeaturesConfig()), perceptual=perceptual
    )
    (rows,) = collect(Held(images), [probe], folder, device=CPU, batch=batch, chunk_size=8)
    names = [method.name for method in methods]
    return summary(rows, names, perceptual="seen", distance="patches", patches=recipe.patches, seed=0)


def test_shrinking_by_area_is_the_mean_of_squares_and_bicubic_is_pillows(images: Tensor):
    exact = torch.nn.functional.avg_pool2d(images.double(), SCALE)
    assert (shrunk(images, SCALE, by="area").double() - exact).abs().max() <= 0.5
    size = (SIDE // SCALE, SIDE // SCALE)
    by_pillow = each(images, lambda picture: picture.resize(size, Image.Resampling.BICUBIC))
    assert torch.equal(shrunk(images, SCALE, by="bicubic"), by_pillow)


def test_the_rows_of_bicubic_and_lanczos_are_pillows(images: Tensor, tmp_path: Path):
    low = shrunk(images, SCALE, by="area")
    found = judged(images, filters(SCALE), tmp_path)
    for name, resampling in (
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS),
    ):
        large = each(low, lambda picture, by=resampling: picture.resize((SIDE, SIDE), by))
        expected = psnr(large, images, border=4).mean().item()
        assert found[name]["psnr_rgb"]["value"] == pytest.approx(expected, rel=1e-14)
        again = psnr(shrunk(large, SCALE, by="area"), low).mean().item()
        assert found[name]["consistency_psnr"]["value"] == pytest.approx(again, rel=1e-14)
    assert found["lanczos"]["psnr_rgb"]["over_bicubic"]["low"] > 0  # waves and lines: the sharper filter wins


def test_what_gives_the_originals_back_is_infinitely_good(images: Tensor, tmp_path: Path):
    methods: list[Method] = [Changed("model", images), *filters(SCALE)]
    found = judged(images, methods, tmp_path)["model"]
    for name in ("psnr_rgb", "psnr_y", "consistency_psnr"):
        assert (found[name]["value"], found[name]["pooled"], found[name]["identical"]) == (None, None, 12)
    assert found["ssim_y"]["value"] == pytest.approx(1, abs=1e-13)
    assert found["seen"]["value"] == 0
    assert found["patches"]["value"] == pytest.approx(0, abs=1e-9)


def test_more_blur_is_worse_by_every_number(images: Tensor, tmp_path: Path):
    strengths = (0.4, 0.8, 1.6, 3.2)
    methods: list[Method] = [
        Changed(f"{radius}", each(images, lambda one, r=radius: one.filter(ImageFilter.GaussianBlur(r))))
        for radius in strengths
    ]
    found = judged(images, [*methods, *filters(SCALE)], tmp_path)
    for name in ("psnr_rgb", "psnr_y", "ssim_y", "consistency_psnr", "seen", "patches"):
        values = [found[f"{radius}"][name]["value"] for radius in strengths]
        assert values == sorted(values, reverse=name not in ("seen", "patches")), name
        assert len(set(values)) == len(strengths)


def test_the_distance_of_patches_is_that_of_the_same_patches_cut_by_hand(images: Tensor, tmp_path: Path):
    low = shrunk(images, SCALE, by="area")
    large = enlarged(low, SCALE, by="bicubic")
    probe = FeatureProbe(RandomConvFeaturesConfig())
    stats = []
    for pictures in (large, images):
        cut = [
            one[:, top : top + 24, left : left + 24]
            for one, small in zip(pictures, low, strict=True)
            for top, left in corners(digest(small), RECIPE)
        ]
        features = probe(torch.stack(cut), [])["features"]
        stats.append(FeatureStats("net", features.shape[1]))
        stats[-1].add(features)
    found = judged(images, filters(SCALE), tmp_path)["bicubic"]["patches"]
    assert found["n"] == 24
    assert found["value"] == pytest.approx(frechet_distance(*stats), rel=1e-6)
    assert found["value"] > 0.01


def test_batches_order_and_what_was_done_before_change_no_number(images: Tensor, tmp_path: Path):
    G = Nearest(scale=SCALE, z_gain=0.1, noise_gain=0.05)
    methods: list[Method] = [ByModel(upscaler(G), SCALE, side=SIDE // SCALE), *filters(SCALE)]
    whole = judged(images, methods, tmp_path / "a")
    assert judged(images, methods, tmp_path / "b", batch=12) == whole
    chunks = sorted((tmp_path / "b").rglob("*.safetensors"))
    assert len(chunks) == 2
    chunks[0].unlink()
    seen = len(G.sizes)
    assert judged(images, methods, tmp_path / "b") == whole
    assert sum(size[0] for size in G.sizes[seen:]) == 8  # pictures of the chunk that was missing
    turned = judged(images.flip(0), methods, tmp_path / "c")
    assert turned["model"]["psnr_rgb"]["pooled"] == pytest.approx(
        whole["model"]["psnr_rgb"]["pooled"], rel=1e-12
    )


def test_what_is_random_is_a_function_of_seed_and_picture(images: Tensor):
    names = [digest(image) for image in images]
    assert len({seed_of(name, 0) for name in names}) == 12
    assert seed_of(names[0], 0) != seed_of(names[0], 1)
    recipe = Recipe(SIDE, SCALE, patch=SIDE - 1, patches=50)
    assert {place for name in names for place in corners(name, recipe)} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert corners(names[0], Recipe(SIDE, SCALE, patch=SIDE, patches=2)) == [(0, 0), (0, 0)]


def test_measures_of_a_picture_have_known_values(images: Tensor):
    low = shrunk(images, SCALE, by="area")
    row = measured(images.clamp(max=254) + 1, images, low, recipe=RECIPE, perceptual=None, device=CPU)
    values = dict(zip(COLUMNS, row[0].tolist(), strict=True))
    assert values["error_rgb"] == pytest.approx(1, abs=0.01)  # 255 stays
    assert values["error_y"] == pytest.approx((219 / 255) ** 2, abs=0.01)
    assert values["error_small"] == pytest.approx(1, abs=0.02)
    assert 0.99 < values["ssim_y"] < 1
    assert values["perceptual"] == 0


def test_a_model_that_reads_text_is_told_the_captions(images: Tensor):
    model = ByModel(upscaler(Nearest(scale=SCALE, c_dim=8)), SCALE, side=SIDE // SCALE)
    low = shrunk(images[:1], SCALE, by="area")
    red, blue = model(low, ["red"], [0]), model(low, ["blue"], [0])
    assert red.shape == (1, 3, SIDE, SIDE)
    assert not torch.equal(red, blue)


def test_a_scale_is_reached_in_passes_or_refused():
    model = upscaler(Nearest(scale=2))
    assert ByModel(model, 8, side=6).passes == 3
    with pytest.raises(UsageError, match="--scale 6: this model enlarges 2 times"):
        ByModel(model, 6, side=8)


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (Recipe(50, 4), "--resolution 50.*multiple of 4"),
        (Recipe(16, 4, border=4), "--border 4.*11 px"),
        (Recipe(32, 4, patch=33), "--patch 33.*1 to 32"),
    ],
)
def test_sizes_that_cannot_be_are_refused(recipe: Recipe, text: str):
    with pytest.raises(UsageError, match=text):
        recipe.check()


def test_one_patch_is_too_few():
    with pytest.raises(UsageError, match="too few patches"):
        Recipe(32, 4, patch=8, patches=1).check_count(1)
    Recipe(32, 4, patch=8, patches=2).check_count(1)
    Recipe(32, 4, patches=0).check_count(1)


def test_names_promise_no_more_than_the_weights(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("T2IGAN_WEIGHTS", raising=False)
    assert perceptual_name(LpipsConfig(net="alex")) == "lpips_alex"
    assert perceptual_name(LpipsConfig(net="alex", pretrained=False)) == "perceptual_alex"
    assert perceptual_name(LpipsConfig(backbone="own.safetensors")) == "perceptual_vgg"
    assert perceptual_name(SmallClipTowerConfig()) == "perceptual_shapes_clip"
    perceptual, (warning,) = find_perceptual("auto")
    assert perceptual is not None
    assert perceptual.name == "perceptual_shapes_scorer"
    assert "no LPIPS" in warning
    found, (warning,) = find_features("auto")
    assert found is not None
    assert found[0].name == "fd_small_clip"
    assert "no patch-FID" in warning
    for find, word in ((find_perceptual, "lpips_vgg"), (find_features, "inception")):
        with pytest.raises(WeightsError, match="small_clip"):
            find(word)
    assert find_perceptual("none") == find_features("none") == (None, [])
    with pytest.raises(UsageError, match="did you mean 'lpips_alex'"):
        find_perceptual("lpips_alx")


def test_a_distance_that_training_made_small_is_told_of():
    perceptual, _ = find_perceptual("small_clip")
    assert perceptual is not None
    told = {"kind": "small_clip", "checkpoint": "embedded:shapes_scorer", "taps": [1, 3]}
    (text,) = taught_by({"loss": {"perceptual": told}}, perceptual)
    assert "perceptual_shapes_scorer" in text
    assert taught_by({"loss": {"perceptual": told | {"checkpoint": "other"}}}, perceptual) == []
    assert taught_by({"loss": {"perceptual": None}}, perceptual) == taught_by({}, perceptual) == []


def test_shapes_are_rendered_at_any_size_and_other_sources_end_where_asked(images: Tensor):
    source = originals("shapes:held_out", 40, count=3)
    assert [p.image.shape for p in source.read(0, 3)] == [(3, 40, 40)] * 3
    assert "held_out" in source.name
    first = First(Held(images), 5)
    assert (len(first), first.warnings) == (5, [])
    assert first.fingerprint != Held(images).fingerprint
    assert First(Held(images), 13).warnings == ["12 pictures, where 13 were asked for"]
    with pytest.raises(UsageError, match="did you mean 'held_out'"):
        originals("shapes:heldout", 40)
