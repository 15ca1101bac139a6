"""A frozen network with the preparation that belongs to it: uint8 images -> features. Not which networks there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.features.pieces import in_pieces
from t2igan.features.resize import resize_bicubic


class Extractor:
    """A FeatureExtractor over any network; waits on the CPU, and works where `to` has put it.

    Attributes:
        name: network and weights, part of every statistics file.
        protocol: how images are prepared, part of every statistics file too.
        dim: length of a feature.
    """

    def __init__(
        self, net: nn.Module, prepare: Callable[[Tensor], Tensor], *, name: str, protocol: str, dim: int
    ) -> None:
        """Freeze the network.

        Args:
            net: what `prepare` gives -> [N, dim].
            prepare: uint8 images [N, 3, H, W] -> the network's input, on any device.
            name: see the class.
            protocol: see the class.
            dim: see the class.
        """
        self._net = net.eval().requires_grad_(False)
        self._prepare = prepare
        self._device = torch.device("cpu")
        self._sizes: dict[torch.Size, int] = {}  # shape of an image -> numbers it becomes
        self.name, self.protocol, self.dim = name, protocol, dim

    def to(self, device: str | torch.device) -> None:
        """Move the network."""
        self._net.to(device)
        self._device = torch.device(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] uint8 on any device -> [N, dim] float32 on the network's."""
        if self._device.type != "cpu" or len(images) <= 1:
            return self._features(images)
        return in_pieces(self._features, images.to(self._device), self._prepared_size(images))

    def _features(self, images: Tensor) -> Tensor:
        return self._net(self._prepare(images.to(self._device)).to(self._device)).float()

    def _prepared_size(self, images: Tensor) -> int:
        """Numbers that an image becomes."""
        shape = images.shape[1:]
        if shape not in self._sizes:
            self._sizes[shape] = self._prepare(images[:1].to(self._device)).numel()
        return self._sizes[shape]


def bicubic(size: int, mean: Sequence[float], std: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """A preparation: antialiased bicubic resize without rounding, then (x / 255 - mean) / std.

    Args:
        size: side of the result, in pixels.
        mean: of each channel.
        std: of each channel.
    """

    def prepare(images: Tensor) -> Tensor:
        x = images.to(torch.float32) / 255 if images.shape[2:] == (size, size) else resized(images).div_(255)
        shift, scale = (x.new_tensor(values)[:, None, None] for values in (mean, std))
        return x.sub_(shift).div_(scale)  # in place: at 299 px copies cost as much as the resize

    def resized(images: Tensor) -> Tensor:
        if images.device.type == "cpu":
            return resize_bicubic(images, size)
        x = images.to(torch.float32)
        return F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 255)

    return prepare
