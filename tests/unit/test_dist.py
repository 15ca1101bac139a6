"""Meeting the other processes, and failing to."""

from __future__ import annotations

import socket

import pytest
import torch

from t2igan import dist
from t2igan.errors import T2IGanError, UsageError
from t2igan.recipe.schema import TrainConfig
from t2igan.train.machine import own_device, setup_machine

CPU = torch.device("cpu")


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def stand_at(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_whose_peers_do_not_come_says_so_in_one_line(rank: str, monkeypatch: pytest.MonkeyPatch):
    port = free_port()
    stand_at(monkeypatch, RANK=rank, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    with pytest.raises(T2IGanError) as caught:
        dist.init(CPU, patience_s=0.2)
    assert f"process {rank} of 2 did not meet the others at 127.0.0.1:{port}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert dist.world() == 1


def test_a_meeting_point_that_is_not_given_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    stand_at(monkeypatch, RANK="0", WORLD_SIZE="2", MASTER_PORT="1")
    with pytest.raises(T2IGanError, match=r"at \?:1 .*MASTER_ADDR"):
        dist.init(CPU, patience_s=0.2)


def test_a_port_that_somebody_else_uses_is_said_to_be_in_use(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        stand_at(monkeypatch, RANK="0", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        with pytest.raises(T2IGanError, match="address already in use"):
            dist.init(CPU, patience_s=0.2)


def test_a_batch_that_the_processes_cannot_share_is_refused_before_anyone_waits(
    monkeypatch: pytest.MonkeyPatch,
):
    stand_at(monkeypatch, RANK="1", WORLD_SIZE="3", MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port())
    with pytest.raises(UsageError, match=r"train\.batch 8 cannot be shared evenly by 3 processes"):
        setup_machine(TrainConfig(batch=8))


def test_every_process_has_a_gpu_of_its_own_or_none_has():
    assert own_device(3, num_gpus=0) == CPU
    assert own_device(3, num_gpus=4) == torch.device("cuda", 3)
    with pytest.raises(UsageError, match=r"LOCAL_RANK 4, but this machine shows 4 GPUs"):
        own_device(4, num_gpus=4)
