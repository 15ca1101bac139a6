"""What a run writes of its networks: states to resume from, generators and encoders to share. Reading them back, too."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2igan import checkpoint, dist, sharding
from t2igan.checkpoint import Header, part, with_prefix
from t2igan.encode import to_json
from t2igan.errors import CheckpointError, TrainingError
from t2igan.models import checkpoint_kind
from t2igan.models.encoders import KINDS
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.recipe.stages import at_stage
from t2igan.train.optim import load_optimizer, optimizer_tensors
from t2igan.train.state import TrainState
from t2igan.types import TrainableConditioner

NUMBERED = re.compile(r"\d+(\.\d+)?")  # stem of a file that a run has written: thousands of images
COUNTERS = ("stage", "start_nimg", "nimg", "step", "bad_steps", "bad_total", "rollbacks")


def numbered(folder: Path, nimg: int) -> Path:
    """Where a run puts what it saves after `nimg` images."""
    return folder / f"{nimg / 1000:08.1f}.safetensors"


def numbered_files(folder: Path) -> list[Path]:
    """What a run has saved in a folder, oldest first; files of other names are somebody else's."""
    found = [path for path in folder.glob("*.safetensors") if NUMBERED.fullmatch(path.stem)]
    return sorted(found, key=lambda path: float(path.stem))


def save_state(state: TrainState, recipe: GanRecipe | EncoderRecipe, path: Path) -> None:
    """Write everything that a resumed run needs, on rank 0; on all ranks, it may raise.

    Raises:
        TrainingError: if a weight is not finite; so whatever is on the disk is worth going back to.
        OSError: if the file cannot be written.
    """
    progress = {key: getattr(state, key) for key in COUNTERS}
    header = Header("state", recipe=json.loads(to_json(recipe)), progress=progress)
    if "T" in state.networks:  # whoever samples from a state finds in it how the trained tower is built
        header = replace(header, conditioner=_carrying(state))
    _write(path, state_tensors(state), header)


def _write(path: Path, tensors: dict[str, Tensor], header: Header) -> None:
    tensors = sharding.gathered(tensors)
    broken = next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)
    if broken is not None:
        raise TrainingError(f"{path}: not written, as {broken} is not finite; lower the learning rates")
    if dist.rank() == 0:
        checkpoint.save(path, tensors, header)


def state_tensors(state: TrainState) -> dict[str, Tensor]:
    """The tensors of a state's file; a frozen backbone is left out, as its name is in the recipe."""
    tensors: dict[str, Tensor] = {}
    for name, network in state.networks.items():
        tensors |= with_prefix(name, own_tensors(state, name, network.state_dict()))
    for name, optimizer in state.optimizers.items():
        tensors |= with_prefix(f"optim.{name}", optimizer_tensors(optimizer, state.params[name]))
    for name, ema in state.ema.items():
        tensors |= with_prefix(f"{name}_ema", ema.network.state_dict())
    return tensors


def load_state(state: TrainState, path: Path) -> None:
    """Put a saved state back into freshly built networks of the same recipe and stage.

    Raises:
        CheckpointError: if the file does not fit.
    """
    header = load_weights(state, path)
    for key in COUNTERS:
        setattr(state, key, int(header.progress.get(key, 0)))


def load_weights(state: TrainState, path: Path) -> Header:
    """Put a saved state's networks, averages and moments back, but not its counters.

    Raises:
        CheckpointError: if the file does not fit; then networks and averages are as they were.
    """
    header, tensors = checkpoint.read(path, kind="state")
    _check_fit(state, tensors, path)
    for name, optimizer in state.optimizers.items():
        optimizer.state.clear()  # what has no moments in the file had no gradient by then
        saved = part(tensors, f"optim.{name}")
        load_optimizer(optimizer, state.params[name], saved, source=str(path))
    for name, network in state.networks.items():
        _fill(network, part(tensors, name))  # a backbone is not in the file
    for name, ema in state.ema.items():
        _fill(ema.network, part(tensors, f"{name}_ema"))
    return header


def _fill(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load tensors that are known to fit; as load_state_dict, but into networks that are split over ranks as well."""
    mine = network.state_dict()
    for name, tensor in tensors.items():
        sharding.fill(mine[name], tensor)


def _check_fit(state: TrainState, tensors: dict[str, Tensor], path: Path) -> None:
    for name, network in state.networks.items():
        mine, expected = part(tensors, name), own_tensors(state, name, network.state_dict())
        unfit = sorted(expected.keys() ^ mine.keys())
        unfit = unfit or [key for key in mine if mine[key].shape != expected[key].shape]
        if unfit:
            raise CheckpointError(
                f"{path}: network {name} differs in {', '.join(unfit[:3])}. Resume with the recipe of that run."
            )
    for name, ema in state.ema.items():
        checkpoint.check_fit(ema.network, part(tensors, f"{name}_ema"), source=str(path))


def own_tensors(state: TrainState, name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors without those of a frozen part (D's backbone)."""
    frozen = state.frozen.get(name, set())
    frozen_modules = {key.rsplit(".", 1)[0] for key in frozen}
    return {k: v for k, v in tensors.items() if k not in frozen and k.rsplit(".", 1)[0] not in frozen_modules}


def save_generator(
    state: TrainState, recipe: GanRecipe, path: Path, *, best: dict[str, Any] | None = None
) -> None:
    """Write the averaged generator or upsampler, with its text tower where nobody else could fetch that.

    Args:
        state: the run.
        recipe: goes into the header.
        path: where to.
        best: why it is kept as the best, for the header.
    """
    has_tower = "T" in state.ema
    section = _carrying(state) if has_tower else json.loads(to_json(state.conditioner.config))
    header = Header(
        checkpoint_kind(recipe.generator.arch),
        config=json.loads(to_json(at_stage(recipe, state.stage).generator)),
        conditioner=section,
        recipe=json.loads(to_json(recipe)),
        progress={"nimg": state.nimg, "step": state.step, "psi": recipe.samples.psi}
        | ({"best": best} if best else {}),
    )
    _write(path, snapshot_tensors(state), header)


def snapshot_tensors(state: TrainState) -> dict[str, Tensor]:
    """The tensors of a snapshot's file: of an encoder, or of the averaged generator and what it needs to read text."""
    if "E" in state.networks:
        return with_prefix("E", state.networks["E"].state_dict())
    tower = state.ema["T"].network.state_dict() if "T" in state.ema else state.conditioner.weights()
    return with_prefix("G_ema", state.ema["G"].network.state_dict()) | with_prefix("conditioner", tower)


def _carrying(state: TrainState) -> dict[str, Any]:
    """The conditioner's section for a file that carries its tower."""
    assert isinstance(state.conditioner, TrainableConditioner)
    return json.loads(to_json(state.conditioner.carrying))


def save_encoder(state: TrainState, recipe: EncoderRecipe, path: Path) -> None:
    """Write a small CLIP or a judge."""
    header = Header(
        KINDS[recipe.encoder.arch],
        config=json.loads(to_json(recipe.encoder)),
        recipe=json.loads(to_json(recipe)),
        progress={"nimg": state.nimg, "step": state.step},
    )
    _write(path, snapshot_tensors(state), header)
