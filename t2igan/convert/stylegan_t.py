"""Official StyleGAN-T tensors -> our networks. Not: reading files, which is stylegan_t_file.py's.

Sizes and depths come from the tensors; `meta` only tells what they cannot: attention heads, taps, virtual batch.
Networks come in evaluation mode and with the official settings (updates per call, text gain 1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from t2igan import checkpoint, weights
from t2igan.errors import CheckpointError
from t2igan.features.config import DinoConfig
from t2igan.features.vit_hooks import ViTTaps
from t2igan.models.common.heads import Head
from t2igan.models.common.projected import ProjectedDiscriminator
from t2igan.models.config import ProjectedConfig
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.models.stylegan_t.generator import Generator
from t2igan.ops.upfirdn2d import resample_filter

Tensors = Mapping[str, Tensor]
TEXT_TOWER = "mapping.clip."  # official generators carry a CLIP; here the conditioner does
VIT = "dino.model.model."
DINO_TAPS = (2, 5, 8, 11)  # of the official 12 blocks
CONV_CLAMP = 256.0


def load_generator(tensors: Tensors, meta: Mapping[str, Any]) -> Generator:
    """Build a generator from an official state dict.

    Args:
        tensors: official names; a prefix `weights/` is taken off, other tensors beside such ones are ignored, and so is
            the CLIP tower.
        meta: may hold `conv_clamp`, `channel_base`, `channel_max`.

    Raises:
        CheckpointError: if tensors are missing, unknown or of impossible shapes.
    """
    config, tensors = _fitted(tensors, meta)
    generator = Generator(config)
    checkpoint.load_strictly(generator, tensors, source="StyleGAN-T generator")
    return generator.eval()


def check_generator(tensors: Tensors, meta: Mapping[str, Any]) -> None:
    """Refuse what `load_generator` would refuse by names and shapes; the tensors may be on the meta device.

    Raises:
        CheckpointError: if tensors are missing, unknown or of impossible shapes.
    """
    _fitted(tensors, meta)


def _fitted(tensors: Tensors, meta: Mapping[str, Any]) -> tuple[StyleGANTConfig, Tensors]:
    """The config of these tensors, and those that such a generator has."""
    tensors = {k: v for k, v in _official(tensors).items() if not k.startswith(TEXT_TOWER)}
    _check_filters(tensors)
    config = _generator_config(tensors, meta)
    with torch.device("meta"):  # before any memory is taken: the sizes come from a file that may be hostile
        checkpoint.check_fit(Generator(config), tensors, source="StyleGAN-T generator")
    return config, tensors


def load_discriminator(tensors: Tensors, meta: Mapping[str, Any]) -> ProjectedDiscriminator:
    """Build a discriminator, with the vision transformer that its state dict carries.

    Args:
        tensors: official names, as for `load_generator`.
        meta: may hold `vit` (its `num_heads`; else one a 64 channels), `hooks` and `hook_patch` (else the official taps),
            `virtual_bs`, `p_crop`.

    Raises:
        CheckpointError: if tensors are missing, unknown or of impossible shapes.
    """
    tensors = _official(tensors)
    first_head = checkpoint.part(tensors, "heads.0")
    vit = checkpoint.part(tensors, VIT.rstrip("."))
    c_dim, cmap_dim = _text_sizes(first_head)
    backbone = _backbone(vit, meta, num_heads=_count(tensors, r"heads\.(\d+)\."))
    config = ProjectedConfig(
        backbone=DinoConfig(pretrained=False, image_size=backbone.image_size, taps=backbone.taps),
        c_dim=c_dim,
        cmap_dim=cmap_dim,
        virtual_batch=meta.get("virtual_bs", 8),
        spectral_norm_updates="per_call",
        p_crop=meta.get("p_crop", 0.5),
    )
    discriminator = ProjectedDiscriminator(config, backbone)
    renamed = {k.replace(VIT, "backbone.vit.", 1) if k.startswith(VIT) else k: v for k, v in tensors.items()}
    checkpoint.load_strictly(discriminator, renamed, source="StyleGAN-T discriminator")
    return discriminator.eval()


def load_head(tensors: Tensors, meta: Mapping[str, Any]) -> Head:
    """Build one discriminator head; `meta` may hold `virtual_bs`.

    Raises:
        CheckpointError: if tensors are missing, unknown or of impossible shapes.
    """
    tensors = _official(tensors)
    c_dim, cmap_dim = _text_sizes(tensors)
    channels = len(_get(tensors, "main.0.0.weight_orig"))
    head = Head(channels, c_dim, cmap_dim=cmap_dim, virtual_batch=meta.get("virtual_bs", 8))
    checkpoint.load_strictly(head, tensors, source="StyleGAN-T discriminator head")
    return head.eval()


def _generator_config(tensors: Tensors, meta: Mapping[str, Any]) -> StyleGANTConfig:
    resolution = max((int(m[1]) for m in _matches(tensors, r"synthesis\.b(\d{1,5})\.")), default=0)
    if resolution < 8 or resolution & (resolution - 1):
        raise CheckpointError(f"StyleGAN-T generator: no blocks synthesis.b8 ... in {len(tensors)} tensors.")
    channels = {r: _get(tensors, f"synthesis.b{r}.torgb.weight").shape[1] for r in _doublings(resolution)}
    z_dim = _get(tensors, "mapping.mlp.fc0.weight").shape[1]
    w_dim = _get(tensors, "synthesis.b8.torgb.affine.proj.weight").shape[1]
    base, most = _channel_formula(channels, meta)
    fits = all(min(base // r, most) == c for r, c in channels.items())
    try:
        return StyleGANTConfig(
            z_dim=z_dim,
            c_dim=w_dim - z_dim,
            resolution=resolution,
            channel_base=base,
            channel_max=most,
            channels_per_resolution=None if fits else channels,
            num_res_blocks=_count(tensors, r"synthesis\.b8\.convs1\.(\d+)\.") // 2,
            mapping_layers=_count(tensors, r"mapping\.mlp\.fc(\d+)\."),
            noise=any(k.endswith(".noise_strength") for k in tensors),
            average_updates="per_call",
            conv_clamp=meta.get("conv_clamp", CONV_CLAMP),
        )
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise CheckpointError(
            f"StyleGAN-T generator: its tensors have impossible shapes: {reason}."
        ) from error


def _channel_formula(channels: Mapping[int, int], meta: Mapping[str, Any]) -> tuple[int, int]:
    """channel_base and channel_max that may have made these channels; meta's, if it tells."""
    most = max(channels.values())
    reduced = [r * c for r, c in channels.items() if c < most]
    base = reduced[0] if reduced else most * max(channels)
    return meta.get("channel_base", base), meta.get("channel_max", most)


def _backbone(vit: Tensors, meta: Mapping[str, Any], *, num_heads: int) -> ViTTaps:
    """The vision transformer with the geometry of its tensors; `num_heads` counts discriminator heads."""
    patch = _get(vit, "patch_embed.proj.weight")
    width, patch_size = patch.shape[0], patch.shape[-1]
    side = round((_get(vit, "pos_embed").shape[1] - 1) ** 0.5)
    attention_heads = meta.get("vit", {}).get("num_heads", max(width // 64, 1))
    if width % attention_heads:
        raise CheckpointError(f"vision transformer of width {width}: give its num_heads in meta['vit'].")
    network = weights.vision_transformer(
        img_size=side * patch_size,
        patch_size=patch_size,
        embed_dim=width,
        depth=_count(vit, r"blocks\.(\d+)\."),
        num_heads=attention_heads,
        mlp_ratio=len(_get(vit, "blocks.0.mlp.fc1.weight")) / width,
        qkv_bias="blocks.0.attn.qkv.bias" in vit,
    )
    hooks = tuple(meta.get("hooks", DINO_TAPS))
    taps = (*hooks, -1) if meta.get("hook_patch", num_heads > len(hooks)) else hooks
    if len(taps) != num_heads:
        raise CheckpointError(
            f"{num_heads} heads, but taps {taps}: give the blocks they read in meta['hooks']."
        )
    return ViTTaps(DinoConfig(pretrained=False, image_size=side * patch_size, taps=taps), network)


def _text_sizes(head: Tensors) -> tuple[int, int]:
    """c_dim and cmap_dim of a head; 0 and the default if it is unconditional."""
    if "cmapper.weight" not in head:
        return 0, 64
    cmap_dim, c_dim = head["cmapper.weight"].shape
    return c_dim, cmap_dim


def _official(tensors: Tensors) -> Tensors:
    """Official names: what stands under `weights/`, if anything does, else everything."""
    below = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    return below or tensors


def _check_filters(tensors: Tensors) -> None:
    """Refuse up-sampling filters other than the official one, which is built into our convolution."""
    expected = resample_filter()
    for name, value in tensors.items():
        if name.endswith("resample_filter") and (
            value.shape != expected.shape
            or (not value.is_meta and not torch.allclose(value.float().cpu(), expected, atol=1e-4))
        ):
            raise CheckpointError(f"{name}: not the filter outer([1, 3, 3, 1]) / 64, which t2igan builds in.")


def _get(tensors: Tensors, name: str) -> Tensor:
    """A weight, which has two dimensions or more."""
    if name in tensors and tensors[name].ndim < 2:
        raise CheckpointError(f"{name}: shape {tuple(tensors[name].shape)}, but it should be a matrix.")
    if name not in tensors:
        raise CheckpointError(
            f"{name} is missing; found {len(tensors)} tensors: {', '.join(list(tensors)[:3])}, ..."
        )
    return tensors[name]


def _matches(tensors: Tensors, pattern: str) -> list[re.Match[str]]:
    return [m for m in (re.match(pattern, name) for name in tensors) if m]


def _count(tensors: Tensors, pattern: str) -> int:
    """How many different numbers stand at the group of `pattern`."""
    return len({m[1] for m in _matches(tensors, pattern)})


def _doublings(resolution: int) -> list[int]:
    return [1 << i for i in range(3, resolution.bit_length())]
