"""LPIPS on random weights in the published files' layout, against a computation that shares no code with it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.signal import correlate
from torch import Tensor

from t2igan.errors import WeightsError
from t2igan.features import lpips
from t2igan.features.config import LpipsConfig, SmallClipTowerConfig
from t2igan.features.lpips import FILES, PerceptualDistance, build_perceptual, places, unit

CHANNELS = {"vgg": (64, 128, 256, 512, 512), "alex": (64, 192, 384, 256, 256)}
# index in torchvision's `features` -> output and input channels, side of the filter
ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
WIDE = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
VGG_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG = {i: (o, c, 3) for i, o, c in zip(VGG_PLACES, WIDE, (3, *WIDE), strict=False)}


def backbone(net: str) -> dict[str, Tensor]:
    """Random weights by the names of torchvision's file, with a classifier that nobody reads."""
    fixed = torch.Generator().manual_seed(0)
    tensors = {"classifier.6.weight": torch.zeros(2, 2)}
    for place, (o, c, k) in (VGG if net == "vgg" else ALEX).items():
        tensors[f"features.{place}.weight"] = (
            torch.randn(o, c, k, k, generator=fixed) * (2 / (c * k * k)) ** 0.5
        )
        tensors[f"features.{place}.bias"] = torch.randn(o, generator=fixed) * 0.1
    return tensors


def linear(net: str) -> dict[str, Tensor]:
    fixed = torch.Generator().manual_seed(1)
    return {
        f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1, generator=fixed) for i, c in enumerate(CHANNELS[net])
    }


def saved(net: str, folder: Path) -> LpipsConfig:
    """The weights as .safetensors files."""
    files = folder / "backbone.safetensors", folder / "linear.safetensors"
    save_file(backbone(net), files[0])
    save_file(linear(net), files[1])
    return LpipsConfig(net=net, backbone=str(files[0]), linear=str(files[1]))  # type: ignore[arg-type]


def pair(size: int) -> tuple[Tensor, Tensor]:
    fixed = torch.Generator().manual_seed(2)
    a, b = torch.rand(2, 2, 3, size, size, generator=fixed) * 2 - 1
    return a, b


def alexnet_by_hand(img: np.ndarray) -> list[np.ndarray]:
    """AlexNet's maps of one image [3, H, W] in [-1, 1]: strides, paddings and poolings of the published network."""
    mean, std = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    x, tensors, maps = (img - mean[:, None, None]) / std[:, None, None], backbone("alex"), []
    for place, (outs, _, k) in ALEX.items():
        if place in (3, 6):
            side = (x.shape[1] - 3) // 2 + 1
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
            x = windows[:, ::2, ::2][:, :side, :side].max(axis=(3, 4))
        stride, padding = (4, 2) if place == 0 else (1, k // 2)
        padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        weight, bias = (tensors[f"features.{place}.{part}"].double().numpy() for part in ("weight", "bias"))
        full = [
            correlate(padded, weight[o], mode="valid")[0, ::stride, ::stride] + bias[o] for o in range(outs)
        ]
        x = np.maximum(np.stack(full), 0)
        maps.append(x)
    return maps


def test_alexnets_distance_is_the_published_formula(tmp_path: Path):
    a, b = pair(35)
    expected = 0.0
    for i, (x, y) in enumerate(zip(*(alexnet_by_hand(v[0].double().numpy()) for v in (a, b)), strict=True)):
        x, y = (v / (np.sqrt((v**2).sum(axis=0)) + 1e-10) for v in (x, y))
        weight = linear("alex")[f"lin{i}.model.1.weight"].double().numpy().reshape(-1, 1, 1)
        expected += ((x - y) ** 2 * weight).sum(axis=0).mean()
    found = build_perceptual(saved("alex", tmp_path))(a[:1], b[:1])
    assert float(found) == pytest.approx(expected, rel=1e-4)  # float32


def test_vggs_maps_have_the_published_sizes_and_a_distance_is_each_images_own(tmp_path: Path):
    distance = build_perceptual(saved("vgg", tmp_path))
    a, b = pair(32)
    maps = distance.network(a)
    assert [tuple(m.shape[1:]) for m in maps] == list(
        zip(CHANNELS["vgg"], (32, 16, 8, 4, 2), (32, 16, 8, 4, 2), strict=True)
    )
    both = distance(a, b)
    assert both.shape == (2,)
    torch.testing.assert_close(distance(a[1:], b[1:]), both[1:])
    assert distance(a, a).tolist() == [0, 0]


def test_gradients_reach_the_first_image_alone_and_no_weight():
    distance = build_perceptual(LpipsConfig(net="alex", pretrained=False))
    a, b = (img.requires_grad_() for img in pair(64))
    distance(a, b).sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert b.grad is None
    assert not any(p.requires_grad for p in distance.parameters())


def test_features_that_are_all_zero_have_no_direction_and_a_finite_gradient():
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    unit(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == x.detach().tolist()


def test_the_small_clips_distance_grows_with_blur_on_images_of_any_size():
    distance = build_perceptual(SmallClipTowerConfig(taps=(1, 3)))
    img = torch.ones(1, 3, 48, 48)
    img[:, :, 12:30, 20:40] = -1
    weak, strong = (
        torch.nn.functional.avg_pool2d(img, size, stride=1, padding=size // 2, count_include_pad=False)
        for size in (3, 7)
    )
    assert 0 < float(distance(weak, img)) < float(distance(strong, img))


def test_torchvisions_own_file_is_read_once_its_checksum_is_right(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("T2IGAN_ALLOW_NETWORK", raising=False)
    for kind, tensors in (("backbone", backbone("alex")), ("linear", linear("alex"))):
        file = FILES[kind, "alex"]
        torch.save(tensors, tmp_path / file.name)
        digest = hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest()
        monkeypatch.setitem(lpips.FILES, (kind, "alex"), replace(file, sha256=digest))
    a, b = pair(35)
    from_pickles = build_perceptual(LpipsConfig(net="alex"))(a, b)
    assert torch.equal(from_pickles, build_perceptual(saved("alex", tmp_path))(a, b))
    assert all(place.is_file() for place in places(LpipsConfig(net="alex")))
    (tmp_path / FILES["linear", "alex"].name).write_bytes(b"something else")
    with pytest.raises(WeightsError, match="damaged or another network"):
        build_perceptual(LpipsConfig(net="alex"))


def test_what_is_missing_is_named_with_its_address_and_checksum(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("T2IGAN_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("T2IGAN_ALLOW_NETWORK", raising=False)
    with pytest.raises(WeightsError, match=r"vgg16-397923af\.pth .*SHA-256 397923af8e79"):
        build_perceptual(LpipsConfig())
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors cannot be read"):
        build_perceptual(LpipsConfig(backbone=str(tmp_path / "nowhere.safetensors")))


def test_a_damaged_safetensors_file_is_refused_in_one_line(tmp_path: Path):
    config = saved("alex", tmp_path)
    whole = Path(str(config.backbone)).read_bytes()
    for data in (b"", b"\xff" * 100, whole[:-8], whole.replace(b'"F32"', b'"F99"')):
        (tmp_path / "bad.safetensors").write_bytes(data)
        for part in ("backbone", "linear"):
            with pytest.raises(
                WeightsError, match=r"bad\.safetensors is no safetensors file, or a damaged one"
            ) as caught:
                build_perceptual(config.model_copy(update={part: str(tmp_path / "bad.safetensors")}))
            assert len(str(caught.value).splitlines()) == 1


def test_files_of_another_network_are_refused(tmp_path: Path):
    config = saved("alex", tmp_path)
    with pytest.raises(WeightsError, match="do not hold vgg's weights"):
        build_perceptual(config.model_copy(update={"net": "vgg"}))


def test_published_checksums_begin_as_torchvisions_file_names_say():
    for net in ("vgg", "alex"):
        file = FILES["backbone", net]
        assert file.sha256.startswith(file.name.removesuffix(".pth").rsplit("-", 1)[1])
    assert isinstance(build_perceptual(LpipsConfig(pretrained=False)), PerceptualDistance)
