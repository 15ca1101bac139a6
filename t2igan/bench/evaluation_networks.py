"""The networks that the pictures of `bench eval` go through, with random weights: their time is that of trained ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from t2igan import weights
from t2igan.features.config import RandomConvConfig
from t2igan.features.extractor import Extractor, bicubic
from t2igan.features.random_conv import RandomConvTaps

Network = Literal["small", "inception"]
SIZE, BATCH = 299, 32
CHANNELS = (8, 16, 32)
INCEPTION, INCEPTION_DIM = "inception_v3", 2048  # timm's; FID's has the same layers


class SmallNet(nn.Module):
    """Mean of every channel of the last map: [N, 3, 299, 299] in [0, 1] -> [N, 32]. Reading and resizing show beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.taps = RandomConvTaps(RandomConvConfig(image_size=SIZE, channels=CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.taps(x)[-1].mean(dim=(2, 3))


def build_network(name: Network) -> nn.Module:
    """`small`, or `inception` of the size that FID's has; its convolutions do nearly all of an evaluation on a CPU."""
    if name == "small":
        return SmallNet().eval()
    torch.manual_seed(0)
    return weights.timm_model(INCEPTION, pretrained=False)


class NetProbe:
    """A network as an evaluation calls it: [N, 3, H, W] uint8 -> features, by way of 299 px."""

    name, protocol, needs_captions = "bench", f"clean-fid {SIZE} px", False

    def __init__(self, net: nn.Module) -> None:
        prepare = bicubic(SIZE, (0, 0, 0), (1, 1, 1))
        dim = CHANNELS[-1] if isinstance(net, SmallNet) else INCEPTION_DIM
        self._extractor = Extractor(net, prepare, name=self.name, protocol=self.protocol, dim=dim)

    def to(self, device: str | torch.device) -> None:
        """Move the network."""
        self._extractor.to(device)

    def __call__(self, images: Tensor, captions: object) -> dict[str, Tensor]:
        """See the class; rows come to the CPU."""
        return {"features": self._extractor(images).cpu()}
