"""One micro-batch of a stage on fake tensors, through the real training loop: FLOPs by part, and memory by phase."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from t2igan.bench.machine import count_flops
from t2igan.bench.train import MeteredState, run_steps, watch
from t2igan.dry_run.live_memory import LiveMemory
from t2igan.dry_run.split import one_piece
from t2igan.dry_run.stand_in import fake_state
from t2igan.dry_run.weightless import AnyRecipe
from t2igan.train.state import TrainState
from t2igan.types import Batch

CAPTION = "a photograph"  # every caption costs the same: they are cut and padded to one length


@dataclass
class PhaseBytes:
    """Memory of one phase of one micro-batch, beyond what was there before it."""

    trains: str
    gradients: int  # of the network that trains
    working: int  # activations and temporaries at the peak, and gradients as far as they exist by then


@dataclass
class ProbedState(MeteredState):
    """A MeteredState on fake tensors that notes the memory of each phase and takes no optimiser steps."""

    frozen_networks: dict[str, nn.Module] = field(default_factory=dict)  # beside those in `networks`
    memory: LiveMemory = field(default_factory=LiveMemory)
    accumulates: bool = False  # whether gradients of earlier micro-batches are there already
    phase_bytes: list[PhaseBytes] = field(default_factory=list)
    batch_bytes: int = 0  # images and embeddings of the micro-batch
    kept_bytes: int = 0  # what the first phase leaves for the second

    @property
    def shares_images(self) -> bool:
        """Whether phases see the same latents, so that the second one takes over what the first one made."""
        return len({phase.draw for phase, _ in self.phases}) < len(self.phases)

    @contextmanager
    def training(self, name: str) -> Iterator[None]:
        """As ever, with an eye on memory."""
        gradients = sum(p.nbytes for p in self.params[name].values())
        if self.accumulates:
            self.memory.ignore(self._with_gradients(name))
        before = self.memory.live
        if not self.phase_bytes:
            self.batch_bytes = before
        self.memory.restart()
        with super().training(name):
            yield
        if not self.phase_bytes and self.shares_images:
            new_gradients = 0 if self.accumulates else gradients
            self.kept_bytes = self.memory.live - before - new_gradients
        self.phase_bytes.append(PhaseBytes(name, gradients, self.memory.peak - before))

    def _with_gradients(self, name: str) -> Iterator[Tensor]:
        for param in self.params[name].values():
            param.grad = torch.empty_like(param)
            yield param.grad

    def apply_gradients(self, name: str) -> None:
        """Forget the gradients: whether they are finite is a question of values."""
        self.optimizers[name].zero_grad(set_to_none=True)
        self.meter.turn("other")


@dataclass(frozen=True)
class Probe:
    """What one micro-batch showed."""

    state: ProbedState
    flops: dict[str, float]  # part of a step -> FLOPs of one image

    @property
    def step_flops(self) -> float:
        """FLOPs of training on one image."""
        return sum(self.flops.values())

    @property
    def generator_flops(self) -> float:
        """FLOPs of one generated image, text encoder not included; 0 for an encoder."""
        return self.flops.get("G forward", 0.0) / (1 if self.state.shares_images else 2)


def probe(
    recipe: AnyRecipe, stage: int, piece: int, *, accumulates: bool, dtype: torch.dtype, nimg: int = 0
) -> Probe:
    """Send one micro-batch of fake images through a step.

    Args:
        recipe: as from `without_weights`.
        stage: from 0.
        piece: images of the micro-batch.
        accumulates: whether a step has several.
        dtype: of autocast.
        nimg: images seen before: the blur at the start costs something.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    state = ProbedState(**vars(fake_state(_plain(recipe, piece), stage, mode)))
    state.frozen_networks = _frozen_networks(state)  # before `watch` hides them behind functions
    state.accumulates, state.dtype, state.nimg = accumulates, dtype, nimg
    make_moments(state)
    state.memory = LiveMemory(standing_tensors(state))
    batches = watch(state, itertools.repeat(_batch(recipe, state, piece, mode)))
    flops: dict[str, float] = {}

    def run(read: Callable[[], float]) -> None:
        state.meter.start(read)
        run_steps(state, batches, 1)
        flops.update({name: value / piece for name, value in state.meter.stop().items() if value})

    with state.memory:
        count_flops(run)
    return Probe(state, flops)


def _frozen_networks(state: TrainState) -> dict[str, nn.Module]:
    """The text encoder and what the loss reads, where they are networks."""
    conditioner = vars(getattr(state.conditioner, "inner", state.conditioner))
    towers = [value for value in conditioner.values() if isinstance(value, nn.Module)]
    found = dict(zip(["text encoder"], towers, strict=False))
    read = {"CLIP guide": "guide", "perceptual distance": "perceptual"}
    modules = {name: getattr(state.loss, attribute, None) for name, attribute in read.items()}
    return found | {name: module for name, module in modules.items() if isinstance(module, nn.Module)}


def standing_tensors(state: ProbedState) -> list[Tensor]:
    """What lies in memory all the time: networks, averages, moments, frozen networks."""
    averages = [ema.network for ema in state.ema.values()]
    modules = [*state.networks.values(), *averages, *state.frozen_networks.values()]
    tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return [*tensors, *(moment for name in state.optimizers for moment in moments_of(state, name))]


def moments_of(state: TrainState, name: str) -> list[Tensor]:
    """Adam's state of a network."""
    return [value for values in state.optimizers[name].state.values() for value in values.values()]


def _plain(recipe: AnyRecipe, piece: int) -> AnyRecipe:
    """One piece a step, and nothing that needs real tensors."""
    recipe = one_piece(recipe, piece)
    train = recipe.train.model_copy(update={"compile": False, "shard_generator": False, "precision": "fp32"})
    return recipe.model_copy(update={"train": train})


def make_moments(state: TrainState) -> None:
    """Give Adam the state that it makes in its first step."""
    for name, optimizer in state.optimizers.items():
        for param in state.params[name].values():
            param.grad = torch.empty_like(param)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _batch(recipe: AnyRecipe, state: TrainState, piece: int, mode: FakeTensorMode) -> Batch:
    classes = getattr(getattr(recipe, "encoder", None), "classes", None)
    with mode:
        images = torch.empty(piece, 3, state.resolution, state.resolution, dtype=torch.uint8)
        labels = torch.empty(piece, len(classes), dtype=torch.int64) if classes else None
    return Batch(images, (CAPTION,) * piece, labels)
