"""Functions that two gloo processes run together, and how a test starts them. As a script it is one of the two."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from full_loss import double_precision
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from t2igan import dist, sharding
from t2igan.data.loader import build_loader
from t2igan.decode import decode_yaml
from t2igan.recipe.schema import GanRecipe
from t2igan.train.loop import train
from t2igan.train.machine import setup_machine
from t2igan.train.run import run
from t2igan.train.setup import setup_gan
from t2igan.train.state import TrainState

TIMEOUT_S = 240
CPU = torch.device("cpu")


def on_two_ranks(*calls: tuple[str, ...]) -> list[list[Any]]:
    """Call functions of this file in two processes, one after the other; of each, what both ranks returned.

    Args:
        calls: name and words of each.
    """
    command = [sys.executable, __file__, json.dumps([[free_port(), *call] for call in calls])]
    places = [{"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"} for rank in ("0", "1")]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **place, "MASTER_ADDR": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    printed = [process.communicate(timeout=TIMEOUT_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], [err[-3000:] for _, err in printed]
    answers = [json.loads(out.splitlines()[-1]) for out, _ in printed]
    return [list(of_both) for of_both in zip(*answers, strict=True)]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def call_all(calls: list[list[str]]) -> list[Any]:
    answers = []
    for port, name, *words in calls:
        os.environ["MASTER_PORT"] = port
        answers.append(globals()[name](*words))
        dist.close()
    return answers


def train_run(recipe: str, folder: str) -> None:
    """Train a recipe in float64, or go on with it."""
    with double_precision():
        run(read(recipe), Path(folder))


def read(recipe: str) -> GanRecipe:
    return decode_yaml(Path(recipe).read_text(), GanRecipe, source=recipe)


def count_exchanges(recipe: str) -> dict[str, Any]:
    """Train for three steps; how often each phase's gradients were exchanged."""
    config = read(recipe)
    state = setup_gan(config, 0, setup_machine(config.train))
    counts: dict[str, int] = {}

    def counted(name, bucket):  # DDP reads annotations, and wants its own or none
        counts[name] = counts.get(name, 0) + 1
        return allreduce_hook(None, bucket)

    for phase, module in state.phases:
        assert isinstance(module, nn.parallel.DistributedDataParallel)
        module.register_comm_hook(phase.name, counted)
    train_steps(config, state, 3)
    return counts


def train_steps(config: GanRecipe, state: TrainState, steps: int) -> None:
    state.stop_nimg = steps * config.train.batch
    batches = build_loader(
        config.data,
        resolution=state.resolution,
        batch=config.train.batch // dist.world(),
        seed=0,
        rank=dist.rank(),
        world=dist.world(),
    )
    train(state, batches, lambda _: None)


def split_networks(recipe: str) -> dict[str, Any]:
    """Train a recipe's last stage for a step; the share of each network, average and moment that this rank holds."""
    config = read(recipe)
    state = setup_gan(config, len(config.stages) - 1, setup_machine(config.train))
    train_steps(config, state, 1)
    held = {name: share(list(net.parameters())) for name, net in state.networks.items()}
    held |= {f"{name}_ema": share(list(ema.network.parameters())) for name, ema in state.ema.items()}
    for name, optimizer in state.optimizers.items():
        moments = [optimizer.state[p]["exp_avg_sq"] for p in state.params[name].values()]
        held[f"optim.{name}"] = share(moments)
    return held


def share(tensors: Sequence[torch.Tensor]) -> float:
    """How much of the numbers of some tensors lies in this process."""
    return sum(sharding.local(t).numel() for t in tensors) / sum(t.numel() for t in tensors)


def split_one() -> dict[str, Any]:
    """Split a network of odd sizes, fill it, give each rank a sample of its own, and gather weights and gradients."""
    dist.init(CPU)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1))
    network.register_parameter("gain", nn.Parameter(torch.tensor(1.0)))
    wanted = {name: torch.randn_like(p) for name, p in network.named_parameters()}
    sharding.split(network, [[network[0]]], CPU)
    for name, tensor in network.state_dict().items():
        sharding.fill(tensor, wanted[name])
    filled = sharding.gathered(network.state_dict())
    output = network(torch.eye(2, 3)[dist.rank()])
    (output * network.gain).sum().backward()
    sharding.average_whole(network.parameters())
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    found = {name: grad.tolist() for name, grad in sharding.gathered(grads).items()}
    return {
        "filled": [name for name, tensor in filled.items() if torch.equal(tensor, wanted[name])],
        "rows": [len(sharding.local(p)) for p in network.parameters() if p.ndim],
        "grads": found,
        "gain": float(network.gain),
        "output": float(output),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    answer = call_all(json.loads(sys.argv[1]))
    print(json.dumps(answer))
