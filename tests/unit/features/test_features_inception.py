"""Inception: against clean-fid on an archive of the same calling convention, and refusals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from t2igan import weights
from t2igan.errors import WeightsError
from t2igan.features import build_extractor
from t2igan.features.extractor import bicubic
from t2igan.features.inception import FILE, URL, inception_classifier
from t2igan.features.weight_file import read_verified
from t2igan.metrics.config import (
    INCEPTION_SHA256,
    InceptionConfig,
)
from t2igan.metrics.names import distance_name


class Archive(nn.Module):
    """A small network called like the Inception archive: `layers` take what is resized and normalised."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        pooled = nn.AdaptiveAvgPool2d(16)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 7, stride=8), nn.LeakyReLU(), pooled, nn.Flatten())
        self.output = nn.Linear(2048, 5)

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        assert return_features  # without it the archive gives logits
        x = nn.functional.interpolate(img, size=(299, 299), mode="bilinear", align_corners=False)
        return self.layers((x - 128) / 128)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / FILE
    torch.jit.script(Archive()).save(str(path))
    return path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("T2IGAN_WEIGHTS", "T2IGAN_ALLOW_NETWORK"):
        monkeypatch.delenv(name, raising=False)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pictures(size: int, count: int = 2) -> Tensor:
    shape = (count, 3, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(size))


@pytest.mark.parametrize("size", [16, 64, 299, 400])
def test_features_equal_clean_fid_s_from_any_size(size: int, archive: Path):
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    extractor = build_extractor(InceptionConfig(weights=str(archive), sha256=sha256(archive)))
    resize = build_resizer("clean")
    rows = np.stack([resize(picture.permute(1, 2, 0).numpy()) for picture in pictures(size)])
    with torch.no_grad():
        expected = InceptionV3W(str(archive.parent), download=False)(
            torch.from_numpy(rows).permute(0, 3, 1, 2)
        )
    found = extractor(pictures(size))
    assert found.shape == (2, 2048)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)  # 0.004 grey levels of 128


@pytest.mark.parametrize("size", [64, 256, 400])
def test_the_resize_of_2015_is_left_to_the_archive_as_clean_fid_does(size: int, archive: Path):
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    config = InceptionConfig(weights=str(archive), sha256=sha256(archive), resize="legacy_tensorflow")
    resize = build_resizer("legacy_tensorflow")
    rows = np.stack([resize(picture.permute(1, 2, 0).numpy()) for picture in pictures(size)])
    with torch.no_grad():
        expected = InceptionV3W(str(archive.parent), download=False, resize_inside=True)(
            torch.from_numpy(rows).permute(0, 3, 1, 2).float()
        )
    extractor = build_extractor(config)
    torch.testing.assert_close(
        extractor(pictures(size)), expected, rtol=0, atol=1e-6
    )  # pieces round otherwise
    assert extractor.protocol == "bilinear without antialias 299 px"


@pytest.mark.parametrize("size", [64, 400])
def test_pytorch_fid_s_resize_is_clean_fid_s_mode_of_that_name(size: int, archive: Path):
    from cleanfid.resize import build_resizer

    resize, images = build_resizer("legacy_pytorch"), pictures(size)
    rows = np.stack([resize(picture.permute(1, 2, 0).numpy()) for picture in images])
    unit = torch.from_numpy(rows).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = torch.jit.load(str(archive)).layers(2 * unit - 1)
    config = InceptionConfig(weights=str(archive), sha256=sha256(archive), resize="legacy_pytorch")
    extractor = build_extractor(config)
    torch.testing.assert_close(extractor(images), expected, rtol=0, atol=1e-5)
    assert extractor.protocol == "torch's bilinear without antialias 299 px"
    assert distance_name(config) == "fd_inception_legacy_pytorch"


def test_the_classifier_is_the_archive_s_last_layer_without_its_bias(archive: Path, tmp_path: Path):
    weight = inception_classifier(InceptionConfig(weights=str(archive), sha256=sha256(archive)))
    assert torch.equal(weight, Archive().output.weight)
    headless, path = Archive(), tmp_path / "headless.pt"
    headless.output = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    torch.jit.script(headless).save(str(path))
    with pytest.raises(WeightsError, match="no layer `output`"):
        inception_classifier(InceptionConfig(weights=str(path), sha256=sha256(path)))


def test_the_preparation_is_pillow_s_bicubic_without_rounding():
    resize, prepare = weights.clean_fid_resizer(299), bicubic(299, (0, 0, 0), (1 / 255,) * 3)
    for size in (8, 100, 600):
        (picture,) = pictures(size, 1)
        expected = torch.from_numpy(resize(picture.permute(1, 2, 0).numpy())).permute(2, 0, 1)
        torch.testing.assert_close(prepare(picture[None])[0], expected, rtol=0, atol=3e-4)


def test_the_archive_is_found_in_the_weights_folder_and_named_by_its_checksum(
    archive: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(archive.parent))
    extractor = build_extractor(InceptionConfig(sha256=sha256(archive)))
    assert extractor.name == f"inception-2015-12-05-{sha256(archive)[:16]}"
    assert (extractor.protocol, extractor.dim) == ("clean-fid 299 px", 2048)


def test_a_missing_archive_names_file_source_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(WeightsError, match="T2IGAN_WEIGHTS is not set") as unset:
        build_extractor(InceptionConfig())
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        build_extractor(InceptionConfig())
    for part in (f"{tmp_path}/{FILE}", URL, "T2IGAN_ALLOW_NETWORK"):
        assert part in str(error.value)
    for text in (str(unset.value), str(error.value)):
        assert "\n" not in text
        assert FILE in text


def test_an_archive_of_another_checksum_is_not_opened(archive: Path, tmp_path: Path):
    with pytest.raises(WeightsError, match=INCEPTION_SHA256):
        build_extractor(InceptionConfig(weights=str(archive)))
    broken = tmp_path / FILE
    broken.write_bytes(b"no archive at all")
    with pytest.raises(WeightsError, match="SHA-256"):
        build_extractor(InceptionConfig(weights=str(broken)))


def test_a_file_that_is_no_such_network_is_refused_although_its_checksum_was_given(tmp_path: Path):
    path = tmp_path / "other.pt"
    path.write_bytes(b"no archive at all")
    with pytest.raises(WeightsError, match="no TorchScript archive with `layers`"):
        build_extractor(InceptionConfig(weights=str(path), sha256=sha256(path)))
    torch.jit.script(nn.Flatten()).save(str(path))
    with pytest.raises(WeightsError, match="no TorchScript archive with `layers`"):
        build_extractor(InceptionConfig(weights=str(path), sha256=sha256(path)))


def test_a_download_must_be_allowed_and_is_checked_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, folder = tmp_path / "source.pt", tmp_path / "weights"
    source.write_bytes(b"weights")
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(folder))
    url, right = source.as_uri(), sha256(source)
    with pytest.raises(WeightsError, match="T2IGAN_ALLOW_NETWORK=1"):
        read_verified("a.pt", file=None, sha256=right, url=url)
    monkeypatch.setenv("T2IGAN_ALLOW_NETWORK", "1")
    with pytest.raises(WeightsError, match="another network"):
        read_verified("a.pt", file=None, sha256="0" * 64, url=url)
    assert not folder.exists()
    assert read_verified("a.pt", file=None, sha256=right, url=url) == b"weights"
    source.unlink()
    assert read_verified("a.pt", file=None, sha256=right, url=url) == b"weights"
    with pytest.raises(WeightsError, match="cannot be fetched"):
        read_verified("b.pt", file=None, sha256=right, url=url)
