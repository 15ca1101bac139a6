"""A file with a gigagan-pytorch generator -> a t2igan checkpoint. Not: discriminators or upsamplers; nothing is unpickled.

Read are what `GigaGAN.save` writes, a generator's state dict of torch.save, and safetensors with the same names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan import weights
from t2igan.checkpoint import Header
from t2igan.convert.foreign_file import Which, below, check_target, choose, open_foreign, write
from t2igan.convert.gigagan_pytorch import CLIP, check_generator, load_generator
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, UsageError
from t2igan.models.gigagan_pytorch.generator import Generator
from t2igan.text.config import ClipTextConfig, ConditionerConfig, NoTextConfig

PREFIX: dict[Which, str] = {"ema": "G_ema.ema_model.", "raw": "G."}
BARE_AVERAGE = "ema_model."  # of an EMA's own state dict
PORT_CLIP = "ViT-B-32:laion400m_e32"
LICENCE = "not stated"


@dataclass(frozen=True)
class Source:
    """A generator as it was found in a foreign file."""

    generator: Generator
    num_clip_tensors: int  # of the CLIP that was left out


@dataclass(frozen=True)
class Converted:
    """What was written."""

    header: Header
    num_clip_tensors: int


def convert(
    source: str | Path,
    out: str | Path,
    *,
    which: Which = "ema",
    conditioner: str = PORT_CLIP,
    cross_heads: int | None = None,
    lr_mul: float | None = None,
    licence: str = LICENCE,
    may_overwrite: bool = False,
) -> Converted:
    """Write a generator of gigagan-pytorch as a checkpoint of kind `generator`.

    Args:
        source: .safetensors, or what torch.save wrote.
        out: the file to write, ending in .safetensors.
        which: the averaged weights, or those as the optimiser left them.
        conditioner: open_clip's MODEL:TAG of the text encoder that it was trained on.
        cross_heads: `cross_attn_heads` of its training; None = the package's default. Tensors do not tell it.
        lr_mul: `lr_mul` of its style network; None = the package's default. Tensors do not tell it.
        licence: of the weights; stored in the header.
        may_overwrite: replace a file at `out`.

    Raises:
        CheckpointError: if `source` is damaged, hostile, or no such generator.
        WeightsError: if open_clip has no such text encoder.
        UsageError: if `out` exists or has another suffix, or the text encoder does not fit.
        T2IGanError: if `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    check_target(out, may_overwrite=may_overwrite)
    told = {
        "cross_attn_heads": cross_heads,
        "style_network": None if lr_mul is None else {"lr_mul": lr_mul},
    }
    found = read_generator(source, which=which, told={k: v for k, v in told.items() if v is not None})
    config = found.generator.config
    if config.text_width and config.text is None:
        raise CheckpointError(
            f"{source}: its generator was trained with text, but the text layers are not in the file. Give the file that "
            f"GigaGAN.save wrote."
        )
    section = _conditioner(conditioner, source, c_dim=config.c_dim)
    header = Header(
        "generator",
        config=json.loads(to_json(config)),
        conditioner=json.loads(to_json(section)),
        progress={"source": source.name, "weights": which, "licence": licence},
    )
    write(out, found.generator.state_dict(), header)
    return Converted(header, found.num_clip_tensors)


def read_generator(path: str | Path, *, which: Which = "ema", told: dict[str, Any] | None = None) -> Source:
    """Read the generator of a foreign file.

    Args:
        path: as `convert`'s source.
        which: averaged weights or raw ones.
        told: what `load_generator` takes as `config`; keys of a safetensors file's own metadata give way to it.

    Raises:
        CheckpointError: if the file is damaged, hostile, or holds no such generator.
    """
    path = Path(path)
    readers, metadata = open_foreign(path)
    chosen = choose(readers, which, PREFIX, source=str(path))
    chosen = below(chosen, BARE_AVERAGE) or chosen
    wanted = {name: tensor for name, tensor in chosen.items() if not name.startswith(CLIP)}
    meta = {"config": _config(metadata.get("meta", "{}")) | (told or {})}
    try:
        check_generator({name: tensor.bare() for name, tensor in wanted.items()}, meta)
        generator = load_generator({name: tensor.read() for name, tensor in wanted.items()}, meta)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Source(generator, len(chosen) - len(wanted))


def _config(text: str) -> dict[str, Any]:
    """The key `config` of a safetensors file's own metadata; other metadata is the file's own affair."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    config = found.get("config") if isinstance(found, dict) else None
    return config if isinstance(config, dict) else {}


def _conditioner(name: str, source: Path, *, c_dim: int) -> ConditionerConfig:
    """The text encoder's section, checked against the generator without its weights."""
    if c_dim == 0:
        return NoTextConfig()
    model, _, tag = name.partition(":")
    if not (model and tag):
        raise UsageError(f"--conditioner {name!r}: give open_clip's MODEL:TAG, as in {PORT_CLIP}.")
    width = weights.open_clip_token_width(model, tag)
    if width != c_dim:
        raise UsageError(
            f"--conditioner {name} gives tokens of {width} numbers, but {source} takes {c_dim}. Name the one it was "
            f"trained on."
        )
    # the package builds open_clip's model by its name alone, so its tokens are made with that name's activation
    return ClipTextConfig(model=model, pretrained=tag, quick_gelu=False, tokens=True, token_layer="last")
