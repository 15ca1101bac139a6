"""Perceptual distances: how differently a frozen network sees two images. LPIPS 0.1, or the taps of a small CLIP.

Not a feature extractor of sets of images (extractors.py). A .pth file is a pickle: none but LPIPS's and torchvision's own,
known by their checksums, are opened, by the restricted reader, which runs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from t2igan.convert import safe_pickle
from t2igan.convert.pickled import PickledTensor
from t2igan.errors import CheckpointError, WeightsError
from t2igan.features.config import LpipsConfig, PerceptualConfig
from t2igan.features.conv_tower import tower_taps
from t2igan.features.weight_file import read_verified

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's mean and deviation, for [-1, 1]
VGG = (
    (64, 64),
    (128, 128),
    (256, 256, 256),
    (512, 512, 512),
    (512, 512, 512),
)  # a pooling between two groups
ALEX = ((3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))  # in, out, kernel
TORCH_URL = "https://download.pytorch.org/models"
LPIPS_URL = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"


@dataclass(frozen=True)
class WeightFile:
    """A published file."""

    name: str  # in the folder $T2IGAN_WEIGHTS
    url: str
    sha256: str


FILES = {
    ("backbone", "vgg"): WeightFile(
        "vgg16-397923af.pth",
        f"{TORCH_URL}/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    ("backbone", "alex"): WeightFile(
        "alexnet-owt-7be5be79.pth",
        f"{TORCH_URL}/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    ("linear", "vgg"): WeightFile(
        "lpips_v0.1_vgg.pth",
        f"{LPIPS_URL}/vgg.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    ),
    ("linear", "alex"): WeightFile(
        "lpips_v0.1_alex.pth",
        f"{LPIPS_URL}/alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
}


class PerceptualDistance(nn.Module):
    """Squared distance of unit-length features, weighed by channel, averaged over pixels and summed over depths.

    Source: Zhang et al. 2018 (LPIPS), equation 1.
    """

    def __init__(self, network: nn.Module, weights: Sequence[Tensor]) -> None:
        """Put it together.

        Args:
            network: images [N, 3, H, W] in [-1, 1] -> one map [N, C, h, w] a depth.
            weights: of the channels of each, [C].
        """
        super().__init__()
        self.network = network
        self.depths = len(weights)
        for number, weight in enumerate(weights):
            self.register_buffer(f"weight{number}", weight)
        self.eval().requires_grad_(False)

    def forward(self, img: Tensor, real: Tensor) -> Tensor:
        """[N] float32 distances of images [N, 3, H, W] in [-1, 1]; 0 of equal ones. No gradient flows into `real`."""
        with torch.no_grad():
            of_real = self.network(real)
        total = torch.zeros(len(img), device=img.device)
        for number, (x, y) in enumerate(zip(self.network(img), of_real, strict=True)):
            weight = self.get_buffer(f"weight{number}")[:, None, None]
            total = total + ((unit(x) - unit(y)).square() * weight).sum(dim=1).mean(dim=(1, 2))
        return total


class Taps(nn.Module):
    """Convolutions in torchvision's order and with its names, and the maps behind some of their ReLUs."""

    shift: Tensor
    scale: Tensor

    def __init__(self, features: nn.Sequential, taps: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.features, self.taps, self.channels = features, tuple(taps), tuple(channels)
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)

    def forward(self, img: Tensor) -> list[Tensor]:
        """Images in [-1, 1] -> maps."""
        x, maps = (img - self.shift) / self.scale, []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                maps.append(x)
        return maps


class Centred(nn.Module):
    """A backbone that reads [0, 1], for images in [-1, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, img: Tensor) -> list[Tensor]:
        """Maps of its taps."""
        return self.network((img + 1) / 2)


def unit(x: Tensor) -> Tensor:
    """Maps [N, C, h, w] -> float32, of length 1 at each pixel; where all is 0, 0."""
    x = x.float()
    return x * (x.square().sum(dim=1, keepdim=True) + 1e-20).rsqrt()


def build_perceptual(config: PerceptualConfig) -> PerceptualDistance:
    """The distance that a recipe names.

    Raises:
        WeightsError: if its weights are not on this machine, or are others.
        CheckpointError: if a small CLIP's checkpoint cannot be read.
    """
    if isinstance(config, LpipsConfig):
        return _lpips(config)
    taps = tower_taps(config)  # its channels have no weights of their own: each tap counts as much as another
    return PerceptualDistance(Centred(taps), [torch.ones(c) for c in taps.channels])


def places(config: LpipsConfig) -> list[Path]:
    """Where LPIPS's two files are looked for."""
    named = {"backbone": config.backbone, "linear": config.linear}
    return [_place(file, FILES[kind, config.net]) for kind, file in named.items()]


def _lpips(config: LpipsConfig) -> PerceptualDistance:
    network = _vgg() if config.net == "vgg" else _alex()
    if not config.pretrained:
        return PerceptualDistance(network, [torch.rand(c) for c in network.channels])
    tensors = _tensors("backbone", config.net, config.backbone)
    try:
        network.load_state_dict({k: v.float() for k, v in tensors.items() if k.startswith("features.")})
        found = _tensors("linear", config.net, config.linear)
        weights = [
            found[f"lin{i}.model.1.weight"].float().reshape(channels)
            for i, channels in enumerate(network.channels)
        ]
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"LPIPS: its files do not hold {config.net}'s weights ({error}). Take {_told(config)}."
        ) from error
    return PerceptualDistance(network, weights)


def _tensors(kind: str, net: str, file: str | None) -> dict[str, Tensor]:
    if file is not None and file.endswith(".safetensors"):
        try:
            return load_safetensors(Path(file).read_bytes())
        except OSError as error:
            raise WeightsError(
                f"LPIPS: {file} cannot be read ({error.strerror}). Correct the path."
            ) from error
        except (SafetensorError, KeyError) as error:  # KeyError: numbers of a type that torch has not
            raise WeightsError(
                f"LPIPS: {file} is no safetensors file, or a damaged one ({error}). Copy it again, or give {FILES[kind, net].name}."
            ) from error
    known = FILES[kind, net]
    read_verified(known.name, file=file, sha256=known.sha256, url=known.url)
    return _state_dict(_place(file, known))


def _place(file: str | None, known: WeightFile) -> Path:
    return Path(file or Path(os.environ.get("T2IGAN_WEIGHTS", "")) / known.name)


def _state_dict(path: Path) -> dict[str, Tensor]:
    try:
        found = safe_pickle.load(path)
    except CheckpointError as error:
        raise WeightsError(f"LPIPS: {error}") from error
    return {str(name): value.read() for name, value in found.items() if isinstance(value, PickledTensor)}


def _told(config: LpipsConfig) -> str:
    return " and ".join(FILES[kind, config.net].url for kind in ("backbone", "linear"))


def _vgg() -> Taps:
    layers: list[nn.Module] = []
    taps, channels = [], 3
    for group in VGG:
        layers += [nn.MaxPool2d(2)] if layers else []
        for before, after in pairwise((channels, *group)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        channels = group[-1]
        taps.append(len(layers) - 1)
    return Taps(nn.Sequential(*layers), taps, [group[-1] for group in VGG])


def _alex() -> Taps:
    layers: list[nn.Module] = []
    taps = []
    for number, (before, after, kernel) in enumerate(ALEX):
        layers += [nn.MaxPool2d(3, 2)] if number in (1, 2) else []
        stride, padding = (4, 2) if number == 0 else (1, kernel // 2)
        layers += [nn.Conv2d(before, after, kernel, stride, padding), nn.ReLU()]
        taps.append(len(layers) - 1)
    return Taps(nn.Sequential(*layers), taps, [after for _, after, _ in ALEX])
