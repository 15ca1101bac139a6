"""AuraSR's config.json -> our config. Not: tensors. Torch-free."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from t2igan.config import Config
from t2igan.decode import decode_json
from t2igan.errors import CheckpointError, RecipeError
from t2igan.models.aura_sr.config import AuraSRConfig

MAX_CHARACTERS = 1 << 16  # of a config.json; the published ones have 222
LITERALS = {"True": "true", "False": "false", "None": "null"}
DEFAULT_SKIP_SCALE = 2**-0.5  # where skip_connect_scale is null


class _StyleNetwork(Config):
    dim_in: int
    dim_out: int
    depth: int
    lr_mul: float = 0.1


class _Published(Config):
    """The keys of the format; defaults are those of the code that wrote the published files."""

    style_network: _StyleNetwork
    dim: int
    image_size: int
    input_image_size: int
    unconditional: bool
    skip_connect_scale: float | None = None
    up_dim_mults: tuple[int, ...] = (1, 2, 4, 8, 16)
    down_dim_mults: tuple[int, ...] = (4, 8, 16)
    full_attn: tuple[bool, ...] = (False, False, False, True, True)
    attn_depths: tuple[int, ...] = (2, 2, 2, 2, 4)
    mid_attn_depth: int = 4
    num_conv_kernels: int = 4
    self_attn_heads: int = 8
    self_attn_dim_head: int = 64


def read_config(text: str, *, source: str) -> dict[str, Any]:
    """The content of a config.json, whose `True`, `False` and `None` may be Python's, as in the first one published.

    Raises:
        CheckpointError: if it is no JSON object.
    """
    repaired = re.sub(
        r'"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b',
        lambda m: LITERALS.get(m[0], m[0]),
        text[:MAX_CHARACTERS],
    )
    try:
        found = json.loads(repaired)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source}: not JSON ({error}). Fetch the file again.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{source}: not a JSON object. Give AuraSR's config.json.")
    return found


def config_of(published: Mapping[str, Any], *, source: str = "AuraSR config") -> AuraSRConfig:
    """Our config of a config.json's content.

    Raises:
        CheckpointError: for an unknown or missing key, a text-conditional model, or numbers that make no network.
    """
    try:
        told: _Published = decode_json(json.dumps(dict(published)), _Published, source=source)
    except (RecipeError, TypeError, ValueError) as error:
        raise CheckpointError("; ".join(str(error).splitlines())) from error
    if not told.unconditional:
        raise CheckpointError(
            f"{source}: unconditional is false, but only text-free AuraSR models are known."
        )
    stages = len(told.up_dim_mults)
    if not len(told.full_attn) == len(told.attn_depths) == stages:
        raise CheckpointError(
            f"{source}: full_attn and attn_depths must have {stages} entries as up_dim_mults."
        )
    try:
        config = _ours(told)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"{source}: {place + ': ' if place else ''}{first['msg']}.") from error
    if told.image_size != told.input_image_size * config.scale:
        raise CheckpointError(
            f"{source}: image_size {told.image_size} is not {config.scale} times input_image_size {told.input_image_size}, "
            f"as its stages are."
        )
    return config


def _ours(told: _Published) -> AuraSRConfig:
    # full_attn and attn_depths count from the highest resolution of either way; ours follow the order of the stages
    depths = [depth * on for on, depth in zip(told.full_attn, told.attn_depths, strict=True)]
    scale = told.skip_connect_scale
    return AuraSRConfig(
        resolution=told.input_image_size,
        dim=told.dim,
        up_mults=told.up_dim_mults,
        down_mults=told.down_dim_mults,
        num_kernels=told.num_conv_kernels,
        up_attention=tuple(reversed(depths)),
        down_attention=tuple(depths[: len(told.down_dim_mults)]),
        mid_attention=told.mid_attn_depth,
        num_heads=told.self_attn_heads,
        head_dim=told.self_attn_dim_head,
        z_dim=told.style_network.dim_in,
        w_dim=told.style_network.dim_out,
        mapping_layers=told.style_network.depth,
        mapping_lr_multiplier=told.style_network.lr_mul,
        skip_scale=DEFAULT_SKIP_SCALE if scale is None else scale,
    )
