"""Inception-v3 features of FID: the TensorFlow network of 2015 as TorchScript, with one of three resizes. Not the distance.

clean-fid resizes with Pillow, antialiased bicubic without rounding. On a CPU `features/resize.py` does the same, elsewhere
torch's resize runs where the network runs, within 0.004 grey levels of 255. `legacy_tensorflow` leaves the resize to the archive, as clean-fid's mode of that name does.

A TorchScript archive holds code of its own, which runs in TorchScript's interpreter when the network is called. The guard
is the checksum: no archive is opened whose SHA-256 is not the known one, or one that the recipe names.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2igan.errors import WeightsError
from t2igan.features.extractor import Extractor, bicubic
from t2igan.features.weight_file import read_verified
from t2igan.metrics.config import InceptionConfig, InceptionResize

FILE = "inception-2015-12-05.pt"
URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{FILE}"
SIZE = 299
CENTRE = 128 / 255  # the network takes (x - 128) / 128
PROTOCOLS: dict[InceptionResize, str] = {
    "clean": "clean-fid",
    "legacy_tensorflow": "bilinear without antialias",
    "legacy_pytorch": "torch's bilinear without antialias",
}


def inception_features(config: InceptionConfig) -> Extractor:
    """Pool3 features [N, 2048] of uint8 images, as clean-fid computes them in the mode that `resize` names.

    The network is the archive in every mode; clean-fid takes pytorch-fid's copy of the weights for `legacy_pytorch`.

    Raises:
        WeightsError: if the file is not on this machine, has another checksum, or is no such network.

    Source: Parmar et al. 2022; checked against clean-fid in tests/unit/features/test_features_inception.py.
    """
    archive = _read(config)
    with _explained(config):
        net = _Whole(archive) if config.resize == "legacy_tensorflow" else _Layers(archive)
    return Extractor(
        net,
        _preparation(config.resize),
        name=f"{FILE.removesuffix('.pt')}-{config.sha256[:16]}",
        protocol=f"{PROTOCOLS[config.resize]} {SIZE} px",
        dim=_length(net, config),
    )


def inception_classifier(config: InceptionConfig) -> Tensor:
    """Weight [1008, 2048] of the last layer: features times its transpose are the logits of the Inception Score.

    The bias is left out, as in torch-fidelity and StyleGAN2-ADA.

    Raises:
        WeightsError: if the file is not on this machine, has another checksum, or has no such layer.
    """
    weight = getattr(getattr(_read(config), "output", None), "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2:
        raise WeightsError(
            f"{_source(config)}: has no layer `output`, which the Inception Score needs. Take {FILE} of {URL}."
        )
    return weight.detach().float()


def verify_archive(config: InceptionConfig) -> None:
    """Look for the archive, and open nothing.

    Raises:
        WeightsError: if the file is not on this machine or has another checksum.
    """
    read_verified(FILE, file=config.weights, sha256=config.sha256, url=URL)


def _preparation(resize: InceptionResize) -> Callable[[Tensor], Tensor]:
    if resize == "clean":
        return bicubic(SIZE, (CENTRE,) * 3, (CENTRE,) * 3)
    return _bilinear if resize == "legacy_pytorch" else Tensor.float


def _bilinear(images: Tensor) -> Tensor:
    """pytorch-fid's: no antialiasing, and 0 .. 255 to -1 .. 1, where TensorFlow's network takes (x - 128) / 128."""
    x = F.interpolate(images.float(), size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return x.clamp(0, 255) / 127.5 - 1


class _Layers(nn.Module):
    """The archive's `layers`, which expect resized and normalised images; its own forward would resize once more."""

    def __init__(self, archive: Any) -> None:
        super().__init__()
        self.layers = archive.layers

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


class _Whole(nn.Module):
    """The archive with the resize inside it, which is TensorFlow's, for images 0 .. 255 of any size."""

    def __init__(self, archive: Any) -> None:
        super().__init__()
        self.archive = archive

    def forward(self, x: Tensor) -> Tensor:
        return self.archive(x, return_features=True).flatten(1)


def _read(config: InceptionConfig) -> Any:
    data = read_verified(FILE, file=config.weights, sha256=config.sha256, url=URL)
    with _explained(config), warnings.catch_warnings():
        # torch.jit is deprecated, and the archive is TorchScript
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.load(io.BytesIO(data), map_location="cpu").eval()


def _length(net: nn.Module, config: InceptionConfig) -> int:
    """Of a feature; the network is called once, so that a wrong archive shows now."""
    with _explained(config), torch.no_grad():
        return net.eval()(torch.zeros(1, 3, SIZE, SIZE)).shape[1]


@contextmanager
def _explained(config: InceptionConfig) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{_source(config)}: no TorchScript archive with `layers` that take images ({reason}). Take {FILE} of {URL}."
        ) from error


def _source(config: InceptionConfig) -> str:
    return config.weights or FILE
