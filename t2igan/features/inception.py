"""Inception-v3 features of FID: the TensorFlow network of 2015 as TorchScript, with clean-fid's resize. Not the distance.

clean-fid resizes with Pillow, antialiased bicubic without rounding. Torch's is the same within 0.004 grey levels of 255,
and runs where the network runs.

A TorchScript archive holds code of its own, which runs in TorchScript's interpreter when the network is called. The guard
is the checksum: no archive is opened whose SHA-256 is not the known one, or one that the recipe names.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from t2igan.errors import WeightsError
from t2igan.features.extractor import Extractor, bicubic
from t2igan.features.weight_file import read_verified
from t2igan.metrics.config import InceptionConfig

FILE = "inception-2015-12-05.pt"
URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{FILE}"
SIZE = 299
CENTRE = 128 / 255  # the network takes (x - 128) / 128


def inception_features(config: InceptionConfig) -> Extractor:
    """Pool3 features [N, 2048] of uint8 images, as clean-fid's mode `clean` computes them.

    Raises:
        WeightsError: if the file is not on this machine, has another checksum, or is no such network.

    Source: Parmar et al. 2022; checked against clean-fid in tests/unit/features/test_features_inception.py.
    """
    data = read_verified(FILE, file=config.weights, sha256=config.sha256, url=URL)
    net, dim = _open(data, config.weights or FILE)
    return Extractor(
        net,
        bicubic(SIZE, (CENTRE,) * 3, (CENTRE,) * 3),
        name=f"{FILE.removesuffix('.pt')}-{config.sha256[:16]}",
        protocol=f"clean-fid {SIZE} px",
        dim=dim,
    )


class _Layers(nn.Module):
    """The archive's `layers`, which expect resized and normalised images; its own forward would resize once more."""

    def __init__(self, archive: Any) -> None:
        super().__init__()
        self.layers = archive.layers

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


def _open(data: bytes, source: str) -> tuple[_Layers, int]:
    """The network and the length of its features; it is called once, so that a wrong archive shows now."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # torch.jit is deprecated, and the archive is TorchScript
            net = _Layers(torch.jit.load(io.BytesIO(data), map_location="cpu"))
            return net, net.eval()(torch.zeros(1, 3, SIZE, SIZE)).shape[1]
    except (RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{source}: no TorchScript archive with `layers` that take images ({reason}). Take {FILE} of {URL}."
        ) from error
