"""gigagan-pytorch tensors -> our network. Not: reading files, which is gigagan_pytorch_file.py's, nor sizes (.._config.py).

Which rows of the one modulation matrix belong to which convolution is told by position: `_cut` says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from t2igan import checkpoint
from t2igan.convert.gigagan_pytorch_config import MODULATIONS, config_of
from t2igan.errors import CheckpointError
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig
from t2igan.models.gigagan_pytorch.generator import Generator
from t2igan.models.gigagan_pytorch.layers import blur_taps

Tensors = Mapping[str, Tensor]
CLIP = "text_encoder.clip."  # checkpoints carry a whole CLIP; here the conditioner does
BLUR = re.compile(r"layers\.\d+\.[56]\.1\.f$")
SHOWN = 3  # names in a message
TEXT = "text_encoder.transformer."
RULES = (  # ours -> theirs, in turn
    (r"^map_network\.(\d+)\.", lambda m: f"style_network.net.{2 * int(m[1])}."),  # activations lie between
    (r"^const$", "init_block"),
    (r"^first\.", "init_conv."),
    (r"^text\.global_token$", "text_encoder.learned_global_token"),
    (r"^text\.project\.", "text_encoder.project_in."),
    (r"^text\.transformer\.", TEXT),
    (r"^sizes\.(\d+)\.up_rgb\.conv", lambda m: f"layers.{int(m[1]) - 1}.6.net.0"),  # stored by the size below
    (r"^sizes\.(\d+)\.up\.conv", r"layers.\1.5.net.0"),
    (r"^sizes\.", "layers."),
    (r"\.excitation\.squeeze\.", ".0.1."),
    (r"\.excitation\.excite\.", ".0.3."),
    (r"\.conv0\.noise_strength$", ".1.1.weight"),
    (r"\.conv1\.noise_strength$", ".1.4.weight"),
    (r"\.conv0\.", ".1.0."),
    (r"\.conv1\.", ".1.3."),
    (r"\.torgb\.", ".2."),
    (r"\.bank$", ".weights"),
    (r"\.self_block\.attention\.", ".3.attn."),
    (r"\.cross_block\.attention\.", ".4.attn."),
    (r"\.self_block\.feed_forward\.", ".3.ff."),
    (r"\.cross_block\.feed_forward\.", ".4.ff."),
    (r"(transformer\.layers\.\d+)\.attention\.", r"\1.0."),
    (r"(transformer\.layers\.\d+)\.feed_forward\.", r"\1.1."),
    (r"(\.ff|layers\.\d+\.1)\.norm$", r"\1.0.gamma"),
    (r"\.expand\.", ".1."),
    (r"\.shrink\.", ".3."),
    (r"\.(norm|norm_context)$", r".\1.gamma"),
    (r"\.null$", ".null_kv"),
    (r"\.out\.", ".to_out."),
)


def load_generator(tensors: Tensors, meta: Mapping[str, Any]) -> Generator:
    """Build a generator from gigagan-pytorch's tensors; sizes come from them.

    Args:
        tensors: names of a generator's state dict; a prefix `weights/` is taken off, other tensors beside such ones are
            ignored, and so is the CLIP inside. Without text layers the network takes a `Text` instead of a Condition.
        meta: may hold `config`, arguments of the package's `Generator`, for the two things that tensors do not tell:
            `cross_attn_heads` (else 8) and `style_network.lr_mul` (else 0.1).

    Returns:
        The network in evaluation mode, float32.

    Raises:
        CheckpointError: if tensors are missing, unknown or of impossible shapes.
    """
    config, renamed = _fitted(tensors, meta)
    generator = Generator(config)
    checkpoint.load_strictly(generator, renamed, source="gigagan-pytorch generator")
    return generator.eval()


def check_generator(tensors: Tensors, meta: Mapping[str, Any]) -> None:
    """Refuse what `load_generator` would refuse by names and shapes; the tensors may be on the meta device.

    Raises:
        CheckpointError: if tensors are missing, unknown or of impossible shapes.
    """
    _fitted(tensors, meta)


def _fitted(tensors: Tensors, meta: Mapping[str, Any]) -> tuple[GigaGANPytorchConfig, dict[str, Tensor]]:
    """The config of these tensors, and the tensors under the names of such a network."""
    under = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    own = {k: v for k, v in (under or tensors).items() if not k.startswith(CLIP)}
    _check_blur(own)
    own = {k: v for k, v in own.items() if not BLUR.search(k)}
    config = config_of(own, meta)
    with torch.device("meta"):  # before any memory is taken: the sizes come from a file that may be hostile
        skeleton = Generator(config)
    renamed = _renamed(own, skeleton)
    checkpoint.check_fit(skeleton, renamed, source="gigagan-pytorch generator")
    return config, renamed


def foreign_name(name: str) -> str:
    """The package's name of one of our tensors, other than a modulation."""
    for pattern, theirs in RULES:
        name = re.sub(pattern, theirs, name)
    return name


def _renamed(tensors: Tensors, network: Generator) -> dict[str, Tensor]:
    """The same numbers under our names: axes of length 1 left out, banks flat, the modulation matrix cut."""
    names = {name: foreign_name(name) for name in network.state_dict() if ".affine." not in name}
    known = {*names.values(), f"{MODULATIONS}.weight", f"{MODULATIONS}.bias"}
    for keys, what in (
        ([key for key in known if key not in tensors], "missing"),
        ([key for key in tensors if key not in known], "not known"),
    ):
        if keys:
            more = ", ..." if len(keys) > SHOWN else ""
            shown = ", ".join(sorted(keys)[:SHOWN])
            raise CheckpointError(f"gigagan-pytorch generator: {len(keys)} tensors {what} ({shown}{more}).")
    found = {name: _shaped(name, tensors[theirs]) for name, theirs in names.items()}
    return found | _cut(tensors, network)


def _shaped(name: str, value: Tensor) -> Tensor:
    if name.endswith(".bank") and value.ndim > 1:
        return value.flatten(0, 1)
    is_pixelwise = (
        name.endswith((".norm", ".noise_strength")) or ".self_block." in name or ".cross_block." in name
    )
    return (
        value.flatten(-2).squeeze(-1)
        if is_pixelwise and value.ndim > 2 and value.shape[-2:] == (1, 1)
        else value
    )


def _cut(tensors: Tensors, network: Generator) -> dict[str, Tensor]:
    """Rows of the one matrix for each convolution in turn: factors of its input channels, then logits of its kernels."""
    for kind, ndim in (("weight", 2), ("bias", 1)):
        shape = tuple(tensors[f"{MODULATIONS}.{kind}"].shape)
        if len(shape) != ndim:
            raise CheckpointError(
                f"{MODULATIONS}.{kind}: shape {shape}, but it should have {ndim} dimensions."
            )
    names = {id(module): name for name, module in network.named_modules()}
    found, start = {}, 0
    for _, conv in network.style_layers():
        stop = start + conv.affine.out_features
        for kind in ("weight", "bias"):
            found[f"{names[id(conv)]}.affine.{kind}"] = tensors[f"{MODULATIONS}.{kind}"][start:stop]
        start = stop
    rows = len(tensors[f"{MODULATIONS}.bias"])
    if rows != start:
        raise CheckpointError(f"{MODULATIONS}: {rows} rows, but its convolutions need {start}.")
    return found


def _check_blur(tensors: Tensors) -> None:
    """Refuse blurs other than the package's own, which is built into our network."""
    wanted = blur_taps()
    for name, value in tensors.items():
        if BLUR.search(name) and not (
            value.shape == wanted.shape and (value.is_meta or torch.equal(value.float().cpu(), wanted))
        ):
            raise CheckpointError(f"{name}: not the blur [1, 2, 1], which t2igan builds in.")
