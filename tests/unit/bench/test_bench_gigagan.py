"""Ours beside the community's port: what is measured, and how the mean step is made. Seconds are machines' business."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from t2igan.bench.gigagan import PARTS, bench_gigagan
from t2igan.cli.bench_gigagan_tables import show_gigagan
from t2igan.errors import UsageError

TINY = (
    "generator.channel_max=16",
    "generator.resolution=16",
    "generator.attention={}",
    "discriminator.channel_max=16",
    "discriminator.resolution=16",
    "discriminator.attention={}",
    "stages=[{resolution: 16, kimg: 1}]",
)


class Counting:
    """Takes the port's place, and counts what it is asked for."""

    def __init__(self) -> None:
        self.networks = {"G": nn.Linear(2, 3), "D": nn.Linear(2, 1)}
        self.drawn: list[int] = []
        self.steps: list[bool] = []

    def draw(self, z: Tensor) -> Tensor:
        self.drawn.append(len(z))
        return z

    def step(self, images: Tensor, *, has_penalty: bool) -> None:
        assert images.min() >= 0
        assert images.max() <= 1
        self.steps.append(has_penalty)


@pytest.fixture(scope="module")
def together() -> tuple[dict[str, Any], Counting]:
    port = Counting()
    found = bench_gigagan(PARTS, port, batches=(1, 2), rounds=1, sets=TINY)  # pyright: ignore[reportArgumentType]
    return found, port


def test_both_sides_do_everything_once_a_round_and_once_to_warm_up(together: tuple[dict[str, Any], Counting]):
    found, port = together
    assert port.drawn == [1, 2] * 2
    assert port.steps == [False, True] * 2
    assert found["parameters"]["port"] == {"G": 9, "D": 3}
    assert [row["what"] for row in found["rows"]] == [
        "forward, batch 1",
        "forward, batch 2",
        "training step",
        "training step with penalty",
        "training, mean step",
    ]
    assert torch.get_num_threads() == 1


def test_the_mean_step_has_a_penalty_every_sixteenth_step_here_and_every_fourth_there(
    together: tuple[dict[str, Any], Counting],
):
    plain, penalty, mean = together[0]["rows"][2:]
    assert mean["ours_s"] == pytest.approx((15 * plain["ours_s"] + penalty["ours_s"]) / 16)
    assert mean["port_s"] == pytest.approx((3 * plain["port_s"] + penalty["port_s"]) / 4)
    assert mean["ratio"] == pytest.approx(mean["ours_s"] / mean["port_s"])


def test_without_the_port_ours_stands_alone_and_its_installation_is_told(capsys: pytest.CaptureFixture[str]):
    found = bench_gigagan(["forward"], None, batches=(1,), rounds=1, sets=TINY)
    (row,) = found["rows"]
    assert row["ours_s"] > 0
    assert row["port_s"] is row["ratio"] is found["port"] is None
    show_gigagan(found, install="pip install it")
    assert "To measure it too: pip install it" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"parts": ["sideways"]}, {"parts": []}, {"rounds": 0}, {"batches": (0,)}])
def test_what_cannot_be_measured_is_refused(change: dict[str, Any]):
    with pytest.raises(UsageError, match="forward, training"):
        bench_gigagan(**{"parts": PARTS, "port": None, **change})
