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
# The upsampler, 4 px to 16 px: without text, and reading it.
UPSAMPLER = (
    "conditioner={kind: none}",
    "generator={arch: gigagan_upsampler, z_dim: 8, w_dim: 8, c_dim: 0, resolution: 16, scale: 4, mapping_layers: 1, "
    "widths: [8, 8, 8, 8], blocks: [2, 1], kernels: [2, 1], attention: [], noise_eval: 0.1}",
    NETWORKS[1].replace("c_dim: 16", "c_dim: 0").partition(", vision_aided")[0] + "}",
    "loss={kind: gigagan_upsampler, r1_gamma: 1.0, r1_every: 2, match_weight: 0, perceptual_weight: 0.5, "
    "perceptual: {kind: small_clip, taps: [1]}, pixel_weight: 0.5, shared_fakes: true}",
)
READING = (
    *UPSAMPLER,
    CONDITIONER,
    "generator.c_dim=16",
    "generator.text={width: 16, depth: 1, heads: 2}",
    "generator.attention=[1]",
    "generator.head_dim=8",
    "discriminator.c_dim=16",
    "loss.match_weight=1",
    "loss.shared_fakes=false",
)
