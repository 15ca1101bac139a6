"""Overrides that make the recipe of tiny.py a GigaGAN: every part of it at the smallest size. Not a fixture."""

from __future__ import annotations

CONDITIONER = "conditioner={kind: hashing, dim: 16, tokens: true}"
NETWORKS = (
    "generator={arch: gigagan, z_dim: 8, w_dim: 16, c_dim: 16, resolution: 16, channel_base: 256, channel_max: 16, "
    "text: {width: 16, depth: 1, heads: 2}, mapping_layers: 2, blocks: [2, 1], kernels: [1, 2, 3], "
    "attention: {8: 1}, head_dim: 8}",
    "discriminator={arch: gigagan, resolution: 16, c_dim: 16, channel_base: 256, channel_max: 16, blocks: [1, 2], "
    "text: {width: 16, depth: 1, heads: 2}, attention: {8: 1}, head_dim: 8, predictor_layers: 2, "
    "vision_aided: {backbone: {kind: random_conv, image_size: 16, channels: [8]}, width: 8}}",
)
LOSS = "loss={kind: gigagan, r1_gamma: 1.0, r1_every: 2, early_weight: 0.5, early_match_weight: 0.5, noise_mode: const}"
GIGAGAN = (CONDITIONER, *NETWORKS, LOSS)
# With CLIP contrast, in the space of the embedded small CLIP.
GUIDED = (
    "conditioner={kind: small_clip, tokens: true}",
    *NETWORKS,
    "generator.c_dim=128",
    "discriminator.c_dim=128",
    LOSS,
    "loss.clip_weight=0.5",
    "loss.guide={kind: small_clip}",
)
