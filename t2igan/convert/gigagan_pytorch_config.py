"""Sizes of a gigagan-pytorch generator, read off its tensors. Not: the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from t2igan.errors import CheckpointError
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig, HeadsConfig, PortTextConfig

Tensors = Mapping[str, Tensor]
MODULATIONS = "style_to_conv_modulations"
DEFAULT_HEADS, DEFAULT_LR = 8, 0.1  # the package's defaults of what tensors do not tell
SELF, CROSS = 3, 4  # places of attention in a layer's list
MAX_SIZES = 10


def config_of(tensors: Tensors, meta: Mapping[str, Any]) -> GigaGANPytorchConfig:
    """The config of a network with these tensors.

    Args:
        tensors: names of the package.
        meta: may hold `config` with `cross_attn_heads` and `style_network.lr_mul`.

    Raises:
        CheckpointError: if they are no such generator's, or its shapes are impossible.
    """
    told = meta.get("config")
    told = told if isinstance(told, Mapping) else {}
    style = told.get("style_network")
    lr = style.get("lr_mul", DEFAULT_LR) if isinstance(style, Mapping) else DEFAULT_LR
    count = _count(tensors, r"layers\.(\d{1,3})\.2\.weights$")
    first = "style_network.net.0.weight"
    if not count or first not in tensors:
        raise CheckpointError(
            f"no gigagan-pytorch generator: {first} or layers.0.2.weights is missing among {len(tensors)} tensors. "
            f"Upsamplers and discriminators of that package are not converted."
        )
    try:
        w_dim, seen = _shape(tensors, first, 2)
        widths = [_shape(tensors, f"layers.{i}.1.0.weights", 5)[1] for i in range(min(count, MAX_SIZES + 1))]
        kernels, _, const_channels, *_ = _shape(tensors, "init_conv.weights", 5)
        return GigaGANPytorchConfig(
            w_dim=w_dim,
            **_text(tensors, seen - w_dim),
            mapping_layers=_count(tensors, r"style_network\.net\.(\d{1,4})\.weight$"),
            mapping_lr_multiplier=lr,
            const_channels=const_channels,
            channels=tuple(widths),
            kernels=kernels,
            **_self_attention(tensors),
            **_cross_attention(tensors, told.get("cross_attn_heads", DEFAULT_HEADS)),
            upsample="pixel_shuffle" if any(".5.net.0." in name for name in tensors) else "blur",
            excite_ahead=_excite_ahead(tensors, count),
        )
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise CheckpointError(
            f"gigagan-pytorch generator: its tensors have impossible shapes ({place}: {problem['msg']})."
        ) from error


def _text(tensors: Tensors, width: int) -> dict[str, Any]:
    """Fields of the text layers; the projection is left out where CLIP's tokens have their width already."""
    depth = _count(tensors, r"text_encoder\.transformer\.layers\.(\d{1,3})\.0\.null_kv$")
    if not depth:
        return {"c_dim": 0, "text_width": width, "text": None}
    _, heads, head_dim = _shape(tensors, "text_encoder.transformer.layers.0.0.null_kv", 3)
    project = "text_encoder.project_in.weight"
    c_dim = _shape(tensors, project, 2)[1] if project in tensors else width
    layers = PortTextConfig(depth=depth, heads=heads, head_dim=head_dim)
    return {"c_dim": c_dim, "text_width": width, "text": layers}


def _self_attention(tensors: Tensors) -> dict[str, Any]:
    places = _places(tensors, SELF)
    if not places:
        return {"self_attention": ()}
    at = f"layers.{places[0]}.{SELF}"
    _, heads, head_dim = _shape(tensors, f"{at}.attn.null_kv", 3)
    shape = HeadsConfig(heads=heads, head_dim=head_dim, widening=_widening(tensors, at))
    logits = "dot" if f"{at}.attn.to_k.weight" in tensors else "l2"
    return {"self_attention": tuple(4 << i for i in places), "self_heads": shape, "logits": logits}


def _cross_attention(tensors: Tensors, heads: Any) -> dict[str, Any]:
    places = _places(tensors, CROSS)
    if not places:
        return {"cross_attention": ()}
    at = f"layers.{places[0]}.{CROSS}"
    inner = _shape(tensors, f"{at}.attn.to_q.weight", 4)[0]
    if not isinstance(heads, int) or heads < 1 or inner % heads:
        raise CheckpointError(
            f"cross-attention of {inner} numbers a pixel has not {heads} heads. Give cross_attn_heads as it was trained."
        )
    shape = HeadsConfig(heads=heads, head_dim=inner // heads, widening=_widening(tensors, at))
    return {"cross_attention": tuple(4 << i for i in places), "cross_heads": shape}


def _widening(tensors: Tensors, at: str) -> int:
    hidden, channels = _shape(tensors, f"{at}.ff.1.weight", 4)[:2]
    if hidden % channels:
        raise CheckpointError(f"{at}.ff: a hidden width of {hidden} is no multiple of {channels} channels.")
    return hidden // channels


def _excite_ahead(tensors: Tensors, sizes: int) -> int:
    """The sizes that have an excitation are those that have another one so far above them."""
    excited = _count(tensors, r"layers\.(\d{1,3})\.0\.1\.weight$")
    return sizes - excited if excited else 0


def _places(tensors: Tensors, place: int) -> list[int]:
    """Layers that have attention at a place."""
    found = (re.match(rf"layers\.(\d{{1,2}})\.{place}\.attn\.to_q\.weight$", name) for name in tensors)
    return sorted(int(m[1]) for m in found if m)


def _count(tensors: Tensors, pattern: str) -> int:
    """How many names there are of a pattern."""
    return len({m[1] for m in (re.match(pattern, name) for name in tensors) if m})


def _shape(tensors: Tensors, name: str, ndim: int) -> tuple[int, ...]:
    """Of a tensor that must be there."""
    if name not in tensors:
        raise CheckpointError(f"gigagan-pytorch generator: {name} is missing.")
    shape = tuple(tensors[name].shape)
    if len(shape) != ndim or 0 in shape:
        raise CheckpointError(f"{name}: shape {shape}, but it should have {ndim} dimensions.")
    return shape
