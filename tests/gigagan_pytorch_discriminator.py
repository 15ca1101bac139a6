"""gigagan-pytorch's discriminator from our operations, for its fixture alone: t2igan neither trains nor evaluates with it.

Its verdicts mix the levels of the pyramid: each join adds a level to all rows, and appends it to them as many times.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from t2igan.convert.gigagan_pytorch import foreign_name
from t2igan.models.gigagan_pytorch.attention import SelfBlock
from t2igan.models.gigagan_pytorch.config import HeadsConfig
from t2igan.ops.adaptive_conv import adaptive_conv2d
from t2igan.ops.layers import SLOPE

Tensors = Mapping[str, Tensor]
HALF = 2**-0.5


def judge(
    weights: Tensors, image: Tensor, pyramid: Mapping[int, Tensor], t_global: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Logits [2^k, N] of k joined levels, and the predictors' maps; high = fake.

    Args:
        weights: names of the package; self-attention is by squared distances.
        image: [N, 3, R, R].
        pyramid: size in pixels -> [N, 3, r, r] of each level that is joined.
        t_global: [N, width] of the prompts.
    """
    told = linear(weights, "text_to_conv_conditioning", t_global)
    x, maps = image, []
    for i in range(1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))):
        at, before = f"layers.{i}", len(x)
        if x.shape[2] in pyramid:
            level = convolve(weights, f"{at}.1", pyramid[x.shape[2]])
            level = level.repeat(len(x) // len(level), 1, 1, 1)
            x = torch.cat([x + level, level])
        halves = f"{at}.7.1.weight" in weights
        residual = convolve(weights, f"{at}.3", x, stride=2 if halves else 1)
        x = F.leaky_relu(convolve(weights, f"{at}.2.0", x), SLOPE)
        x = F.leaky_relu(convolve(weights, f"{at}.2.2", x), SLOPE)
        x = attend(weights, f"{at}.4", x)
        if f"{at}.5.to_logits.weight" in weights:
            maps.append(predict(weights, f"{at}.5", x[:before], told))
        if halves:
            x = convolve(weights, f"{at}.7.1", F.pixel_unshuffle(x, 2))
        x = (x + residual) * HALF
    x = convolve(weights, "to_logits.0", x)
    return linear(weights, "to_logits.2", x.flatten(1)).view(-1, len(image)), maps


def predict(weights: Tensors, at: str, x: Tensor, told: Tensor) -> Tensor:
    """Residual blocks of 3x3 adaptive convolutions, all modulated alike -> [M N, 1, h, w]."""
    style, logits = told[:, : x.shape[1]] + 1, told[:, x.shape[1] :]
    repeats = len(x) // len(told)
    style, selection = style.repeat(repeats, 1), logits.softmax(dim=1).repeat(repeats, 1)
    y, number = x, 0
    while f"{at}.layers.{number}.0.weights" in weights:
        z = y
        for place in (0, 2):
            bank = weights[f"{at}.layers.{number}.{place}.weights"]
            z = F.leaky_relu(adaptive_conv2d(z, bank, style, selection), SLOPE)
        y, number = (z + y) * HALF, number + 1
    return convolve(weights, f"{at}.to_logits", y + convolve(weights, f"{at}.residual_fn", x))


def attend(weights: Tensors, at: str, x: Tensor) -> Tensor:
    """Our block with the tensors at a place, if there are any."""
    own = {k.removeprefix(f"{at}."): v for k, v in weights.items() if k.startswith(f"{at}.")}
    if not own:
        return x
    _, heads, head_dim = own["attn.null_kv"].shape
    block = SelfBlock(x.shape[1], HeadsConfig(heads=heads, head_dim=head_dim), "l2")
    theirs = {name: foreign_name(f"layers.0.self_block.{name}")[11:] for name in block.state_dict()}
    block.load_state_dict({name: own[key].view_as(block.state_dict()[name]) for name, key in theirs.items()})
    return block(x)


def convolve(weights: Tensors, at: str, x: Tensor, *, stride: int = 1) -> Tensor:
    """An ordinary "same" convolution."""
    weight = weights[f"{at}.weight"]
    return F.conv2d(x, weight, weights[f"{at}.bias"], stride=stride, padding=weight.shape[-1] // 2)


def linear(weights: Tensors, at: str, x: Tensor) -> Tensor:
    """A linear layer."""
    return F.linear(x, weights[f"{at}.weight"], weights[f"{at}.bias"])
