"""Recipe + stage -> TrainState: builds networks, optimisers, loss and conditioner. Trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from t2igan import dist, rng, sharding
from t2igan.losses import LOSSES
from t2igan.losses.base import Loss, Phase, PhaseModule
from t2igan.losses.projected_gan import Guide
from t2igan.models import build_discriminator, build_generator
from t2igan.models.encoders import build_encoder
from t2igan.recipe.schema import AdamConfig, EncoderRecipe, GanRecipe, TrainConfig
from t2igan.recipe.stages import at_stage, has_text_encoder
from t2igan.text import build_conditioner
from t2igan.train.ema import Ema
from t2igan.train.guide import build_frozen, build_guide
from t2igan.train.machine import autocast_dtype
from t2igan.train.optim import Params, build_adam
from t2igan.train.state import TrainState
from t2igan.train.token_ids import TokenIds
from t2igan.types import Conditioner, TrainableConditioner

AVERAGED = ("G", "T")  # networks that have an average: what is sampled and shared


@dataclass(frozen=True)
class GanParts:
    """What a stage of a GAN is put together from."""

    networks: dict[str, nn.Module]  # G, D and, from the first stage on that trains the text encoder, T
    conditioner: Conditioner
    guide: Guide | None
    frozen: dict[str, nn.Module] = field(default_factory=dict)  # what else the loss reads, by its name there


def setup_gan(recipe: GanRecipe, stage: int, device: torch.device) -> TrainState:
    """Everything for stage number `stage` of a GAN, with fresh weights."""
    return assemble_gan(recipe, stage, gan_parts(recipe, stage, device), device)


def gan_parts(recipe: GanRecipe, stage: int, device: torch.device) -> GanParts:
    """The networks of a stage, with fresh weights where they train.

    Raises:
        WeightsError: if a frozen network's weights are not on this machine.
    """
    here = at_stage(recipe, stage)
    _seed_weights(recipe.train)
    conditioner = build_conditioner(recipe.conditioner, device=device)
    networks = {"G": build_generator(here.generator), "D": build_discriminator(here.discriminator)}
    if has_text_encoder(recipe, stage):
        assert isinstance(conditioner, TrainableConditioner)
        networks["T"] = conditioner.tower()
    for network in networks.values():
        network.to(device, memory_format=torch.channels_last).train()
    frozen = build_frozen(here.loss, device)
    return GanParts(networks, conditioner, build_guide(here.loss, device), frozen)


def assemble_gan(recipe: GanRecipe, stage: int, parts: GanParts, device: torch.device) -> TrainState:
    """Loss, optimisers and averages around the networks of a stage."""
    here, config = at_stage(recipe, stage), recipe.stages[stage]
    G: Any = parts.networks["G"]
    trains = "T" if config.trains == "text_encoder" else "G"
    read = parts.networks | parts.frozen
    loss = LOSSES[here.loss.kind](here.loss, read, guide=parts.guide, trains=trains)
    adams = {trains: getattr(recipe.optim, trains), "D": recipe.optim.D}
    names = {"G": set(G.trainable_names(config.freeze_up_to))} if trains == "G" else {}
    return _state(
        here.train,
        parts.networks,
        loss,
        adams,
        parts.conditioner,
        device,
        names=names,
        size=config.resolution,
    )


def setup_encoder(recipe: EncoderRecipe, device: torch.device) -> TrainState:
    """Everything for a supervised network, with fresh weights."""
    _seed_weights(recipe.train)
    return assemble_encoder(recipe, build_encoder(recipe.encoder).to(device).train(), device)


def assemble_encoder(recipe: EncoderRecipe, network: nn.Module, device: torch.device) -> TrainState:
    """Loss and optimiser around a supervised network."""
    loss = LOSSES[recipe.loss.kind](recipe.loss, {"E": network})
    conditioner = TokenIds(getattr(network, "tokenizer", None), device)
    size = recipe.encoder.image_size
    return _state(
        recipe.train, {"E": network}, loss, {"E": recipe.optim}, conditioner, device, names={}, size=size
    )


def _seed_weights(train: TrainConfig) -> None:
    torch.manual_seed(rng.generator(train.seed, "weights").initial_seed())


def _state(
    train: TrainConfig,
    networks: dict[str, nn.Module],
    loss: Loss,
    adams: dict[str, AdamConfig],
    conditioner: Conditioner,
    device: torch.device,
    *,
    names: dict[str, set[str]],
    size: int,
) -> TrainState:
    """`adams` names the networks that train, `names` the parameters of those that train in part."""
    if train.compile:
        torch.compiler.reset()  # what the stage before compiled: it counts towards a limit, and holds its networks
    ema = {key: Ema(networks[key]) for key in AVERAGED if key in networks}
    if train.shard_generator:
        _split([networks[key] for key in ema] + [average.network for average in ema.values()], device)
    params = {key: _trainable(networks[key], names.get(key)) for key in adams}
    frozen = {
        key: {name for name, p in net.named_parameters() if not p.requires_grad}
        for key, net in networks.items()
    }
    return TrainState(
        config=train,
        networks=networks,
        params=params,
        frozen=frozen,
        loss=loss,
        phases=[(phase, _module(phase, networks, params, train, device)) for phase in loss.phases],
        optimizers={key: build_adam(params[key], adam) for key, adam in adams.items()},
        rates=adams,
        conditioner=conditioner,
        ema=ema,
        device=device,
        dtype=autocast_dtype(train, device),
        z_dim=getattr(networks.get("G"), "z_dim", 0),
        resolution=size,
    )


def _split(networks: Sequence[Any], device: torch.device) -> None:
    """Split networks over the ranks; before anything takes hold of their parameters, as they are replaced."""
    for network in networks:
        sharding.split(network, network.shard_units(), device)


def _trainable(network: nn.Module, names: set[str] | None) -> Params:
    """The parameters that train; `names` of None = all but a frozen backbone's."""
    own = {name: p for name, p in network.named_parameters() if p.requires_grad}
    return {name: p for name, p in own.items() if names is None or name in names}


def _module(
    phase: Phase,
    networks: dict[str, nn.Module],
    params: dict[str, Params],
    train: TrainConfig,
    device: torch.device,
) -> nn.Module:
    """The phase as a module in which only what it trains requires grad, compiled and wrapped for many ranks."""
    for key, network in networks.items():
        wanted = params[key].values() if key == phase.trains else ()
        network.requires_grad_(False)
        for param in wanted:
            param.requires_grad_(True)
    network = networks[phase.trains]
    module = PhaseModule(phase, network)
    if train.compile and phase.compiles:
        module.compile()
    if (
        sharding.is_split(network) or not phase.steps
    ):  # gradients that wait are averaged with those they wait for
        return module
    return dist.wrap_phase(module, device)
