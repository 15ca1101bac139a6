"""Adam, its schedule, and its state as plain named tensors. Not the choice of what to train."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from t2igan import sharding
from t2igan.errors import CheckpointError
from t2igan.recipe.schema import AdamConfig

STATE_KEYS = ("exp_avg", "exp_avg_sq", "step")
Params = dict[str, nn.Parameter]  # name in its network -> parameter, of those that train


def build_adam(params: Params, config: AdamConfig) -> torch.optim.Optimizer:
    """Fused Adam; AdamW with decay on matrices and filters only where weight_decay is set."""
    if not (config.weight_decay or config.attention_weight_decay):
        return torch.optim.Adam(
            list(params.values()), lr=config.learning_rate, betas=config.betas, eps=config.eps, fused=True
        )
    attention = config.attention_weight_decay
    decays = {
        "attention": config.weight_decay if attention is None else attention,
        "other": config.weight_decay,
    }
    groups = [
        {
            "params": [p for name, p in params.items() if p.ndim > 1 and _kind(name) == kind],
            "weight_decay": decay,
        }
        for kind, decay in decays.items()
    ]
    groups.append({"params": [p for p in params.values() if p.ndim <= 1], "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.eps, fused=True)


def _kind(name: str) -> str:
    return "attention" if "attention" in name else "other"


def rate(config: AdamConfig, *, nimg: int, start: int, stop: int) -> float:
    """Learning rate at image `nimg` of a stage that runs from image `start` to image `stop`."""
    warmup = min(1.0, (nimg - start + 1) / (config.warmup_kimg * 1000)) if config.warmup_kimg else 1.0
    if config.schedule == "constant":
        return config.learning_rate * warmup
    done = min(1.0, (nimg - start) / max(stop - start, 1))
    return config.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * done))


def optimizer_tensors(optimizer: torch.optim.Optimizer, params: Params) -> dict[str, Tensor]:
    """Adam's state as {param.exp_avg, param.exp_avg_sq, param.step}."""
    tensors = {}
    for name, param in params.items():
        for key, value in optimizer.state.get(param, {}).items():
            tensors[f"{name}.{key}"] = value
    return tensors


def load_optimizer(
    optimizer: torch.optim.Optimizer, params: Params, tensors: dict[str, Tensor], *, source: str
) -> None:
    """Put Adam's saved state back; a parameter without any has never had a gradient.

    Raises:
        CheckpointError: if a parameter's state is incomplete or misshapen.
    """
    for name, param in params.items():
        found = {key: tensors[f"{name}.{key}"] for key in STATE_KEYS if f"{name}.{key}" in tensors}
        if not found:
            continue
        if len(found) < len(STATE_KEYS) or found["exp_avg"].shape != param.shape:
            raise CheckpointError(
                f"{source}: no optimiser state that fits {name!r}. Resume from an older checkpoint."
            )
        # Fused Adam walks through memory, not through indices: its moments must lie as the parameter does.
        moments = {key: torch.empty_like(param) for key in ("exp_avg", "exp_avg_sq")}
        for key, moment in moments.items():
            sharding.fill(moment, found[key])
        optimizer.state[param] = {**moments, "step": found["step"].to(param.device, torch.float32, copy=True)}
