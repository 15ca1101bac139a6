"""AuraSR tensors and its config -> our network. Not: reading files, which is aura_sr_file.py's.

Tensors have the published checkpoints' names. The one thing of the format that is told by position is which rows of the
modulation matrix belong to which convolution: `_cut` says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from t2igan.convert.aura_sr_config import config_of
from t2igan.errors import CheckpointError
from t2igan.models.aura_sr.blocks import AdaptiveConv
from t2igan.models.aura_sr.config import AuraSRConfig
from t2igan.models.aura_sr.network import AuraSR

Tensors = Mapping[str, Tensor]
Shape = tuple[int, ...]
MODULATIONS = "style_to_conv_modulations"
UNUSED = "attend.scale"  # stored by every attention layer, read by none
BANK = ".bank"
SHOWN = 3  # names in a message
RULES = (  # ours -> theirs, in turn
    (r"^mapping\.(\d+)\.", lambda m: f"style_network.net.{2 * int(m[1])}."),  # activations lie between
    (r"^first\.", "init_conv."),
    (r"^(downs\.\d+)\.downsample\.", r"\1.1.1."),
    (r"^(ups\.\d+)\.upsample\.", r"\1.1.0.conv."),
    (r"^(\w+\.\d+)\.blocks\.", r"\1.0."),
    (r"^(downs\.\d+)\.attention\.", r"\1.1.0.layers."),
    (r"^(ups\.\d+)\.attention\.", r"\1.1.1.layers."),
    (r"^mid_attention\.", "mid_attn.layers."),
    (r"^mid(\d)\.", r"mid_block\1."),
    (r"^last\.", "final_res_block."),
    (r"^to_rgb\.", "final_to_rgb."),
    (r"\.conv(\d)\.bank$", r".block\1.proj.weights"),
    (r"\.shortcut\.", ".res_conv."),
    (r"(layers\.\d+)\.norm1\.gain$", r"\1.0.norm.g"),
    (r"(layers\.\d+)\.(qkv|out)\.", r"\1.0.to_\2."),
    (r"(layers\.\d+)\.norm2\.gain$", r"\1.1.0.g"),
    (r"(layers\.\d+)\.widen\.", r"\1.1.1."),
    (r"(layers\.\d+)\.narrow\.", r"\1.1.3."),
)


def load_upsampler(tensors: Tensors, meta: Mapping[str, Any]) -> AuraSR:
    """Build an upsampler from published tensors; it shares no memory with them.

    Args:
        tensors: published names; a prefix `weights/` is taken off, and other tensors beside such ones are ignored.
        meta: the config.json's content, or a mapping that holds it as `config`.

    Returns:
        The network in evaluation mode, float32.

    Raises:
        CheckpointError: if the config is not one of this format, or tensors are missing, unknown or of another shape.
    """
    below = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    config = config_of(meta["config"] if isinstance(meta.get("config"), Mapping) else meta)
    own = own_tensors(below or tensors, config)
    copies = {k: v.float().clone(memory_format=torch.contiguous_format) for k, v in own.items()}
    return assemble(copies, config)


def own_tensors(tensors: Tensors, config: AuraSRConfig) -> dict[str, Tensor]:
    """The same numbers under our names and in our shapes: views where possible, in the dtypes that they have.

    Raises:
        CheckpointError: if tensors are missing, unknown, of another shape, or no real numbers.
    """
    network = _skeleton(config)  # no memory is taken: the sizes come from a file that may be hostile
    _check(tensors, network, config)
    found = {}
    for name, value in network.state_dict().items():
        if ".affine." in name:
            continue
        theirs = tensors[foreign_name(name)]
        found[name] = theirs.permute(0, 1, 3, 4, 2) if name.endswith(BANK) else theirs.reshape(value.shape)
    return found | _cut(tensors, network, config)


def assemble(tensors: Tensors, config: AuraSRConfig) -> AuraSR:
    """The network around tensors with our names: they become its parameters."""
    network = _skeleton(config)
    network.load_state_dict(dict(tensors), assign=True)
    return network.eval()


def foreign_name(name: str) -> str:
    """The published name of one of our tensors, other than a modulation."""
    for pattern, theirs in RULES:
        name = re.sub(pattern, theirs, name)
    return name


def _skeleton(config: AuraSRConfig) -> AuraSR:
    with torch.device("meta"):
        return AuraSR(config)


def _modulated(network: nn.Module) -> dict[str, AdaptiveConv]:
    """Name -> adaptive convolution in the order of the modulation matrix: downwards, the two at the bottom, upwards, last."""
    return {name: part for name, part in network.named_modules() if isinstance(part, AdaptiveConv)}


def _logit_rows(tensors: Tensors, network: nn.Module, config: AuraSRConfig) -> int:
    """Rows of kernel logits for each convolution; a single kernel has nothing to choose, and a file may store one or none."""
    if config.num_kernels > 1:
        return config.num_kernels
    scales = sum(conv.affine.out_features for conv in _modulated(network).values())
    stored = tensors.get(f"{MODULATIONS}.bias")
    return int(stored is not None and len(stored.shape) == 1 and stored.shape[0] != scales)


def _cut(tensors: Tensors, network: nn.Module, config: AuraSRConfig) -> dict[str, Tensor]:
    """Rows of the one matrix for each convolution in turn: scales of its input channels, then logits of its kernels."""
    logits, found, start = _logit_rows(tensors, network, config), {}, 0
    for name, conv in _modulated(network).items():
        stop = start + conv.affine.out_features
        for kind in ("weight", "bias"):
            found[f"{name}.affine.{kind}"] = tensors[f"{MODULATIONS}.{kind}"][start:stop]
        start = stop + logits - conv.num_logits
    return found


def published_layout(network: nn.Module, config: AuraSRConfig, *, logit_rows: int) -> dict[str, Shape]:
    """Name -> shape of every tensor that a published file of this config holds, the unused ones too."""
    layout = {}
    for name, value in network.state_dict().items():
        if ".affine." in name:
            continue
        theirs, shape = foreign_name(name), tuple(value.shape)
        if name.endswith(BANK):
            shape = (*shape[:2], shape[4], *shape[2:4])
        elif theirs.endswith(".g"):
            shape = (1, *shape, 1, 1)
        elif re.search(r"layers\.\d+\..*weight$", theirs):
            shape = (*shape, 1, 1)  # 1x1 convolutions
        layout[theirs] = shape
        if theirs.endswith(".to_qkv.weight"):
            layout[theirs.replace("to_qkv.weight", UNUSED)] = (1,)
    convs = _modulated(network).values()
    rows = sum(conv.affine.out_features - conv.num_logits + logit_rows for conv in convs)
    return layout | {f"{MODULATIONS}.weight": (rows, config.w_dim), f"{MODULATIONS}.bias": (rows,)}


def _check(tensors: Tensors, network: nn.Module, config: AuraSRConfig) -> None:
    layout = published_layout(network, config, logit_rows=_logit_rows(tensors, network, config))
    missing = [name for name in layout if name not in tensors and not name.endswith(UNUSED)]
    wrong = [
        f"{name} {tuple(tensors[name].shape)} instead of {shape}"
        for name, shape in layout.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    faults = (
        ("missing", missing),
        ("not known", [name for name in tensors if name not in layout]),
        ("of another shape", wrong),
        ("no real numbers", [k for k, v in tensors.items() if k in layout and not v.dtype.is_floating_point]),
    )
    told = "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in faults if names)
    if told:
        raise CheckpointError(
            f"tensors do not fit the AuraSR network of this config: {told}. Give the config.json that belongs to them."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
