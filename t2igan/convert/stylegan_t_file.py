"""A file with an official StyleGAN-T generator -> a t2igan checkpoint. Not: the discriminator, and nothing is unpickled.

Read are safetensors with official names, state dicts of torch.save, and the official snapshots: dill pickles of live
modules, of which safe_pickle.py builds inert records and tensors. The text tower inside a generator is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2igan import weights
from t2igan.checkpoint import Header
from t2igan.convert.foreign_file import Which, check_target, choose, open_foreign, write
from t2igan.convert.stylegan_t import TEXT_TOWER, check_generator, load_generator
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, UsageError
from t2igan.models.stylegan_t.generator import Generator
from t2igan.text.config import ClipTextConfig

PREFIX: dict[Which, str] = {"ema": "G_ema.", "raw": "G."}
OFFICIAL_CLIP = "ViT-L-14:openai"
LICENCE = "that of the source; snapshots of the official code are non-commercial unless their trainer says otherwise"


@dataclass(frozen=True)
class Source:
    """A generator as it was found in a foreign file."""

    generator: Generator
    num_text_tensors: int  # of the text tower that was left out


@dataclass(frozen=True)
class Converted:
    """What was written."""

    header: Header
    num_text_tensors: int


def convert(
    source: str | Path,
    out: str | Path,
    *,
    which: Which = "ema",
    conditioner: str = OFFICIAL_CLIP,
    licence: str = LICENCE,
    may_overwrite: bool = False,
) -> Converted:
    """Write a foreign generator as a checkpoint of kind `generator`.

    Args:
        source: .safetensors, or a pickle.
        out: the file to write, ending in .safetensors.
        which: the averaged weights, or those as the optimiser left them.
        conditioner: open_clip's MODEL:TAG of the text encoder that it was trained on.
        licence: of the weights; stored in the header.
        may_overwrite: replace a file at `out`.

    Raises:
        CheckpointError: if `source` is damaged, hostile, or no StyleGAN-T generator that draws from text.
        WeightsError: if open_clip has no such text encoder.
        UsageError: if `out` exists or has another suffix, or the text encoder does not fit.
        T2IGanError: if `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    check_target(out, may_overwrite=may_overwrite)
    found = read_generator(source, which=which)
    config = found.generator.config
    header = Header(
        "generator",
        config=json.loads(to_json(config)),
        conditioner=json.loads(to_json(_conditioner(conditioner, source, c_dim=config.c_dim))),
        progress={"source": source.name, "weights": which, "licence": licence},
    )
    write(out, found.generator.state_dict(), header)
    return Converted(header, found.num_text_tensors)


def read_generator(path: str | Path, *, which: Which = "ema") -> Source:
    """Read the generator of a foreign file.

    Raises:
        CheckpointError: if the file is damaged, hostile, or holds no such generator.
    """
    readers, metadata = open_foreign(Path(path))
    meta = _meta(metadata.get("meta", "{}"))
    chosen = choose(readers, which, PREFIX, source=str(path))
    wanted = {name: tensor for name, tensor in chosen.items() if not name.startswith(TEXT_TOWER)}
    try:
        check_generator({name: tensor.bare() for name, tensor in wanted.items()}, meta)
        generator = load_generator({name: tensor.read() for name, tensor in wanted.items()}, meta)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Source(generator, len(chosen) - len(wanted))


def _meta(text: str) -> dict[str, Any]:
    """The numbers that `load_generator` takes beside tensors; other metadata is the file's own affair."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    numbers = found if isinstance(found, dict) else {}
    kinds = {"conv_clamp": (int, float, type(None)), "channel_base": int, "channel_max": int}
    return {
        key: numbers[key] for key, kind in kinds.items() if key in numbers and isinstance(numbers[key], kind)
    }


def _conditioner(name: str, source: Path, *, c_dim: int) -> ClipTextConfig:
    """The text encoder's section, checked against the generator without its weights."""
    if c_dim == 0:
        raise CheckpointError(
            f"{source}: an unconditional generator, but t2igan samples from prompts only. In Python it loads with "
            f"t2igan.convert.stylegan_t_file.read_generator."
        )
    model, _, tag = name.partition(":")
    if not (model and tag):
        raise UsageError(f"--conditioner {name!r}: give open_clip's MODEL:TAG, as in {OFFICIAL_CLIP}.")
    dim = weights.open_clip_dim(model, tag)
    if dim != c_dim:
        raise UsageError(
            f"--conditioner {name} gives {dim} numbers, but {source} takes {c_dim}. Name the one it was trained on."
        )
    return ClipTextConfig(model=model, pretrained=tag)
