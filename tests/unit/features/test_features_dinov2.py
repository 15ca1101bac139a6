"""FD-DINOv2's features: Pillow's bytes, the official position embedding, and a transformer written out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from t2igan import weights
from t2igan.features import build_extractor
from t2igan.features.dinov2 import dinov2_extractor, is_dinov2, pillow_bicubic, resampled_position
from t2igan.metrics.config import DinoFeaturesConfig
from t2igan.metrics.names import distance_name

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
WIDTH, HEADS, PATCH = 12, 3, 14


@pytest.fixture(scope="module")
def vit() -> Any:
    torch.manual_seed(0)
    net = weights.vision_transformer(
        img_size=37 * PATCH, patch_size=PATCH, embed_dim=WIDTH, depth=2, num_heads=HEADS, init_values=0.5
    )
    for parameter in net.parameters():
        torch.nn.init.normal_(
            parameter, std=0.3
        )  # a fresh network hides its layer scales, biases and positions
    return net


def pictures(height: int, width: int, count: int = 2) -> Tensor:
    draw = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 224), (300, 260)])
def test_pictures_are_pillow_s_bytes_normalised(height: int, width: int):
    images = pictures(height, width)
    for image, found in zip(images, pillow_bicubic(images), strict=True):
        resized = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((224, 224), Image.Resampling.BICUBIC)
        expected = (np.array(resized, np.float64) / 255 - MEAN) / STD
        np.testing.assert_allclose(found.permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-6)
        restored = np.rint((found.permute(1, 2, 0).numpy() * STD + MEAN) * 255)
        assert np.array_equal(restored, np.array(resized))  # no byte is another


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75, torch's."""
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def resample_matrix(before: int, after: int, scale: float) -> np.ndarray:
    """[after, before], without antialias; beyond the edge stands the edge."""
    found = np.zeros((after, before))
    for i in range(after):
        x = (i + 0.5) / scale - 0.5
        for j in range(math.floor(x) - 1, math.floor(x) + 3):
            found[i, min(max(j, 0), before - 1)] += cubic(x - j)
    return found


def by_hand(position: np.ndarray) -> np.ndarray:
    """[1 + 37^2, C] -> [1 + 16^2, C] by the official scale of 16.1 / 37."""
    rows = resample_matrix(37, 16, 16.1 / 37)
    grid = np.einsum("ia,jb,abc->ijc", rows, rows, position[1:].reshape(37, 37, -1))
    return np.concatenate([position[:1], grid.reshape(256, -1)])


def test_the_position_embedding_is_resampled_by_the_official_scale(vit: Any):
    position = vit.pos_embed.detach()
    found = resampled_position(position, 16)
    np.testing.assert_allclose(found[0].numpy(), by_hand(position[0].double().numpy()), rtol=0, atol=1e-5)
    grid = position[:, 1:].unflatten(1, (37, 37)).permute(0, 3, 1, 2)
    plain = torch.nn.functional.interpolate(grid, size=(16, 16), mode="bicubic").flatten(2).transpose(1, 2)
    assert (found[:, 1:] - plain).abs().max() > 0.05  # the ratio of the sides, which is not official
    assert resampled_position(position, 37) is position


def norm(x: np.ndarray, layer: Any) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + 1e-6)
    return scaled * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def linear(x: np.ndarray, layer: Any) -> np.ndarray:
    return x @ layer.weight.detach().double().numpy().T + layer.bias.detach().numpy()


def attention(x: np.ndarray, layer: Any) -> np.ndarray:
    q, k, v = np.split(linear(x, layer.qkv).reshape(len(x), 3 * HEADS, -1), 3, axis=1)
    logits = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(WIDTH // HEADS)
    share = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    return linear(np.einsum("hqk,khd->qhd", share, v).reshape(len(x), -1), layer.proj)


def forward_by_hand(image: np.ndarray, vit: Any) -> np.ndarray:
    """[224, 224, 3] normalised -> [C], in float64."""
    kernel = vit.patch_embed.proj.weight.detach().double().numpy()  # [C, 3, 14, 14]
    patches = image.reshape(16, PATCH, 16, PATCH, 3)
    tokens = np.einsum("iajbk,ckab->ijc", patches, kernel).reshape(256, -1)
    tokens = tokens + vit.patch_embed.proj.bias.detach().numpy()
    x = np.concatenate([vit.cls_token[0].detach().numpy(), tokens])
    x = x + by_hand(vit.pos_embed[0].detach().double().numpy())
    erf = np.vectorize(math.erf)
    for block in vit.blocks:
        x = x + attention(norm(x, block.norm1), block.attn) * block.ls1.gamma.detach().numpy()
        hidden = linear(norm(x, block.norm2), block.mlp.fc1)
        hidden = hidden * 0.5 * (1 + erf(hidden / math.sqrt(2)))
        x = x + linear(hidden, block.mlp.fc2) * block.ls2.gamma.detach().numpy()
    return norm(x, vit.norm)[0]


def test_features_are_the_class_token_of_a_transformer_written_out_by_hand(vit: Any):
    images = pictures(90, 70)
    extractor = dinov2_extractor(vit, "tiny")
    found = extractor(images)
    assert found.shape == (2, extractor.dim) == (2, WIDTH)
    for image, features in zip(images, found, strict=True):
        resized = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((224, 224), Image.Resampling.BICUBIC)
        expected = forward_by_hand((np.array(resized) / 255 - MEAN) / STD, vit)
        np.testing.assert_allclose(features.numpy(), expected, rtol=0, atol=1e-4)  # float32, two blocks
    torch.testing.assert_close(extractor(images[1:]), found[1:], rtol=0, atol=1e-5)
    assert (extractor.name.startswith("tiny-224px-"), "224 px" in extractor.protocol) == (True, True)


def test_timm_s_dinov2_is_built_at_224_px_and_no_other_model_is():
    config = DinoFeaturesConfig(model="vit_small_patch14_dinov2.lvd142m", pretrained=False)
    extractor = build_extractor(config)
    assert extractor.name.startswith("vit_small_patch14_dinov2.lvd142m-224px-")
    assert extractor(pictures(40, 40, 1)).shape == (1, extractor.dim) == (1, 384)
    assert is_dinov2(DinoFeaturesConfig().model)
    assert distance_name(DinoFeaturesConfig()) == "fd_vit_large_patch14_dinov2.lvd142m"
    for other in (
        "vit_small_patch16_224.dino",
        "vit_large_patch14_reg4_dinov2.lvd142m",
        "test_vit.r160_in1k",
    ):
        assert not is_dinov2(other)
