"""Recipe + stage -> TrainState: builds networks, optimisers, loss and conditioner. Trains nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from t2igan import dist, rng
from t2igan.errors import UsageError
from t2igan.losses import LOSSES
from t2igan.losses.base import Phase, PhaseModule
from t2igan.models import build_discriminator, build_generator
from t2igan.models.encoders import build_encoder
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, TrainConfig
from t2igan.text import build_conditioner
from t2igan.train.ema import Ema
from t2igan.train.guide import build_guide
from t2igan.train.memory import keep_freed_memory
from t2igan.train.optim import build_adam
from t2igan.train.state import TrainState
from t2igan.types import Condition, Conditioner


def setup_machine(train: TrainConfig) -> torch.device:
    """Choose the device, join the process group, set CPU threads."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    dist.init(device)
    if device.type == "cpu":
        keep_freed_memory()
    if train.threads is not None and device.type == "cpu":
        torch.set_num_threads(train.threads)
    if train.batch % dist.world():
        raise UsageError(f"train.batch {train.batch} cannot be shared evenly by {dist.world()} processes.")
    return device


def autocast_dtype(train: TrainConfig, device: torch.device) -> torch.dtype:
    """The precision that `train.precision` names; `auto` = bf16 where it is native, else fp32."""
    if train.precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[train.precision]
    return torch.bfloat16 if has_native_bf16(device) else torch.float32


def has_native_bf16(device: torch.device) -> bool:
    """Whether the machine multiplies bf16 in hardware: CUDA since Ampere, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def setup_gan(recipe: GanRecipe, stage: int, device: torch.device) -> TrainState:
    """Everything for one stage of a GAN, with fresh weights."""
    resolution = recipe.stages[stage].resolution
    torch.manual_seed(rng.generator(recipe.train.seed, "weights").initial_seed())
    conditioner = build_conditioner(recipe.conditioner, device=device)
    networks = {
        "G": build_generator(recipe.generator.model_copy(update={"resolution": resolution})),
        "D": build_discriminator(recipe.discriminator),
    }
    for network in networks.values():
        network.to(device, memory_format=torch.channels_last).train()
    loss = LOSSES[recipe.loss.kind](recipe.loss, networks, guide=build_guide(recipe.loss, device))
    adams = {"G": recipe.optim.G, "D": recipe.optim.D}
    return _state(recipe.train, networks, loss, adams, conditioner, device, resolution=resolution)


class TokenIds:
    """Captions -> token ids, for training a text tower: the `Conditioner` of an encoder's run."""

    dim = 0
    config: Any = None
    fingerprint = "token_ids"

    def __init__(
        self, tokenizer: Callable[[Sequence[str]], torch.Tensor] | None, device: torch.device
    ) -> None:
        self._tokenizer = tokenizer
        self._device = device

    def __call__(self, captions: Sequence[str]) -> Condition:
        """Condition(tokens [N, L] int64), or an empty one where the network reads no text."""
        if self._tokenizer is None:
            return Condition()
        return Condition(tokens=self._tokenizer(captions).to(self._device))

    def cut(self, caption: str) -> str:
        """Nothing is reported: training captions are cut silently."""
        del caption
        return ""

    def weights(self) -> dict[str, torch.Tensor]:
        """Nothing."""
        return {}


def setup_encoder(recipe: EncoderRecipe, device: torch.device) -> TrainState:
    """Everything for a supervised network, with fresh weights."""
    torch.manual_seed(rng.generator(recipe.train.seed, "weights").initial_seed())
    network = build_encoder(recipe.encoder).to(device).train()
    loss = LOSSES[recipe.loss.kind](recipe.loss, {"E": network})
    conditioner = TokenIds(getattr(network, "tokenizer", None), device)
    size = recipe.encoder.image_size
    return _state(
        recipe.train, {"E": network}, loss, {"E": recipe.optim}, conditioner, device, resolution=size
    )


def _state(
    train: TrainConfig,
    networks: dict[str, nn.Module],
    loss: Any,
    adams: dict[str, Any],
    conditioner: Conditioner,
    device: torch.device,
    *,
    resolution: int,
) -> TrainState:
    params = {k: {n: p for n, p in net.named_parameters() if p.requires_grad} for k, net in networks.items()}
    return TrainState(
        config=train,
        networks=networks,
        params=params,
        loss=loss,
        phases=[(phase, _module(phase, networks[phase.trains], device)) for phase in loss.phases],
        optimizers={key: build_adam(params[key], adam) for key, adam in adams.items()},
        rates=adams,
        conditioner=conditioner,
        ema=Ema(networks["G"]) if "G" in networks else None,
        device=device,
        dtype=autocast_dtype(train, device),
        z_dim=getattr(networks.get("G"), "z_dim", 0),
        resolution=resolution,
    )


def _module(phase: Phase, network: nn.Module, device: torch.device) -> nn.Module:
    return dist.wrap_phase(PhaseModule(phase, network), device)
