"""A stage's TrainState on fake tensors, which have shapes and dtypes but no memory. Not a state that can learn.

Networks are built on the meta device. As autocast knows no meta device, they then become fake tensors that say they
lie on the CPU; the loop, the loss and the optimisers run on them unchanged, however large they are.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from t2igan.dry_run.weightless import AnyRecipe
from t2igan.models.encoders import build_encoder
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.setup import GanParts, assemble_encoder, assemble_gan, gan_parts
from t2igan.train.state import TrainState
from t2igan.types import Condition, Conditioner, TrainableConditioner

META, CPU = torch.device("meta"), torch.device("cpu")


def fake_state(recipe: AnyRecipe, stage: int, mode: FakeTensorMode) -> TrainState:
    """Everything for a stage, with fresh weights that are not there.

    Args:
        recipe: as from `without_weights`.
        stage: from 0; an encoder has one.
        mode: what the tensors belong to.

    Raises:
        CheckpointError: if a small CLIP's file is damaged or of another kind.
    """
    if isinstance(recipe, EncoderRecipe):
        return _encoder(recipe, mode)
    return _gan(recipe, stage, mode)


def _encoder(recipe: EncoderRecipe, mode: FakeTensorMode) -> TrainState:
    with META:
        network = build_encoder(recipe.encoder).train()
    _Fakes(mode).replace(network)
    with _quiet(), mode:
        return assemble_encoder(recipe, network, CPU)


def _gan(recipe: GanRecipe, stage: int, mode: FakeTensorMode) -> TrainState:
    with _quiet(), META:
        parts = gan_parts(recipe, stage, META)
    fakes = _Fakes(mode)
    for module in (*parts.networks.values(), *parts.frozen.values(), parts.guide):
        if isinstance(module, nn.Module):
            fakes.replace(module)
    conditioner = FakeConditioner(parts.conditioner, mode)
    with _quiet(), mode:
        return assemble_gan(
            recipe, stage, GanParts(parts.networks, conditioner, parts.guide, parts.frozen), CPU
        )


class _Fakes:
    """Puts a fake tensor in the place of each of a module's; one for all places that share a tensor."""

    def __init__(self, mode: FakeTensorMode) -> None:
        self._mode = mode
        self._made: dict[
            int, tuple[Tensor, Tensor]
        ] = {}  # id -> the tensor, which keeps the id taken, and its fake

    def replace(self, module: nn.Module) -> None:
        """Change a module in place; its parameters keep strides and requires_grad."""
        for part in module.modules():
            for place in (part._parameters, part._buffers):
                tensors = cast("dict[str, Tensor | None]", place)
                for name, tensor in tensors.items():
                    if tensor is not None:
                        tensors[name] = self._fake(tensor)

    def _fake(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self._made:
            with self._mode:
                fake = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype)
            if isinstance(tensor, nn.Parameter):
                fake = nn.Parameter(fake, requires_grad=tensor.requires_grad)
            self._made[id(tensor)] = (tensor, fake)
        return self._made[id(tensor)][1]


class FakeConditioner:
    """A conditioner whose network lies on the meta device, giving fake embeddings of the right shape."""

    def __init__(self, conditioner: Conditioner, mode: FakeTensorMode) -> None:
        self.inner = conditioner
        self.config = self.carrying = conditioner.config
        self.dim = conditioner.dim
        self.fingerprint = conditioner.fingerprint
        self._mode = mode

    def __call__(self, captions: Sequence[str]) -> Condition:
        """N captions -> a Condition of N rows."""
        return self.inner(captions).map(self._fake)

    def token_ids(self, captions: Sequence[str]) -> Tensor:
        """[N, L] int64."""
        assert isinstance(self.inner, TrainableConditioner)
        return self._fake(self.inner.token_ids(captions))

    def tower(self) -> nn.Module:
        """The text tower, on the meta device."""
        assert isinstance(self.inner, TrainableConditioner)
        return self.inner.tower()

    def cut(self, caption: str) -> str:
        """Nothing is reported."""
        del caption
        return ""

    def weights(self) -> dict[str, Tensor]:
        """As the conditioner's, without values."""
        return self.inner.weights()

    def _fake(self, tensor: Tensor) -> Tensor:
        with self._mode:
            return torch.empty(tensor.shape, dtype=tensor.dtype)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what open_clip says about random weights, and torch about values that find no place on meta."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
            warnings.filterwarnings(
                "ignore", message="Accessing the data pointer of FakeTensor.*"
            )  # by deepcopy
            yield
    finally:
        logging.disable(before)
