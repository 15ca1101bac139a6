"""The judge: a small convolutional classifier of ground-truth attributes. It scores generators and never trains one."""

from __future__ import annotations

import json

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2igan import checkpoint
from t2igan.decode import decode_json
from t2igan.features.conv_tower import ConvTower, to_unit
from t2igan.models.config import JudgeConfig


class JudgeNet(nn.Module):
    """Images [N, 3, S, S] in [0, 1] -> (features [N, D], {attribute: logits [N, classes]}), attributes in label order."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.trunk = ConvTower(config.trunk)
        self.heads = nn.ModuleDict(
            {k: nn.Linear(config.trunk.embed_dim, n) for k, n in config.classes.items()}
        )

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Images of another size are resized by area."""
        features = self.trunk(images)
        hidden = F.leaky_relu(features, 0.1)
        return features, {name: head(hidden) for name, head in self.heads.items()}


class Judge:
    """A trained, frozen judge over uint8 images."""

    def __init__(self, net: JudgeNet, config: JudgeConfig, *, name: str) -> None:
        self.net = net.eval().requires_grad_(False)
        self.config = config
        self.dim = config.trunk.embed_dim
        self.fingerprint = checkpoint.fingerprint(net.state_dict())
        self.name = f"{name}-{self.fingerprint}"

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """uint8 images [N, 3, H, W] -> (features [N, D], {attribute: logits [N, classes]}), float32."""
        return self.net(to_unit(images))


def load_judge(name: str = "embedded:shapes_judge") -> Judge:
    """Read a checkpoint of kind `judge`.

    Raises:
        CheckpointError: if it is missing, damaged or of another kind.
    """
    header, tensors = checkpoint.read(name, kind="judge")
    config = decode_json(json.dumps(header.config), JudgeConfig, source=name)
    net = JudgeNet(config)
    checkpoint.load_strictly(net, checkpoint.part(tensors, "E"), source=name)
    return Judge(net, config, name="judge")
