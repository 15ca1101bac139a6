"""The losses of the small CLIP and of the judge."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from t2igan.losses.attributes import AttributesLoss, corrupt
from t2igan.losses.base import StepInputs
from t2igan.losses.config import AttributesConfig, ClipContrastiveConfig
from t2igan.losses.contrastive import ClipContrastiveLoss, shared_targets, soft_cross_entropy
from t2igan.types import Condition

NEUTRAL = (0.0, 0.2, 0.5, 0.5)  # no noise, no blur, no shift


def inputs(real: Tensor, **changes: Any) -> StepInputs:
    n = len(real)
    defaults: dict[str, Any] = {
        "c": Condition(),
        "c_wrong": Condition(),
        "z": torch.zeros(n, 0),
        "u": torch.tensor([NEUTRAL] * n),
        "coin": torch.tensor(0.5),
    }
    return StepInputs(real=real, **defaults | changes)


def test_equal_captions_share_their_targets():
    ids = torch.tensor([[1, 2], [1, 3], [1, 2], [1, 2]])
    third = 1 / 3
    expected = torch.tensor(
        [[third, 0, third, third], [0, 1, 0, 0], [third, 0, third, third], [third, 0, third, third]]
    )
    torch.testing.assert_close(shared_targets(ids), expected)


def test_soft_cross_entropy_of_one_hot_targets_is_torchs_cross_entropy():
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 7), torch.randint(7, (5,))
    mine = soft_cross_entropy(logits, nn.functional.one_hot(labels, 7).float())
    torch.testing.assert_close(mine, nn.functional.cross_entropy(logits, labels, reduction="none"))


class TwoTowers(nn.Module):
    """Embeds a picture by its mean colour and a caption by its first id's row of a table."""

    def __init__(self, table: Tensor, scale: float) -> None:
        super().__init__()
        self.table = table
        self.logit_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def image(self, images: Tensor) -> Tensor:
        return images.mean([2, 3])

    def text(self, ids: Tensor) -> Tensor:
        return self.table[ids[:, 0]]


def contrast(colours: Tensor, ids: list[int], scale: float, *, largest: float = 100) -> Tensor:
    loss = ClipContrastiveLoss(
        ClipContrastiveConfig(max_logit_scale=largest), {"E": TwoTowers(torch.eye(3), scale)}
    )
    real = (colours * 2 - 1)[:, :, None, None].expand(-1, -1, 4, 4)
    return loss.contrast(inputs(real, c=Condition(ids=torch.tensor(ids)[:, None]))).loss


def test_matching_pairs_cost_nothing_and_swapped_pairs_their_scale():
    colours = torch.eye(3)
    assert contrast(colours, [0, 1, 2], 50).max().item() < 1e-6
    assert contrast(colours[:2], [1, 0], 50).tolist() == pytest.approx([50, 50], rel=1e-5)


def test_pictures_of_one_caption_are_no_rivals():
    colours = torch.eye(3)[[0, 0, 1]]
    # Two rows share their target: the best that can be done is to give each half, at the cost of log 2.
    assert contrast(colours, [0, 0, 1], 50).tolist() == pytest.approx([math.log(2), math.log(2), 0], abs=1e-5)


def test_the_temperature_is_bounded():
    assert contrast(torch.eye(2, 3), [1, 0], 1000, largest=10).tolist() == pytest.approx([10, 10], rel=1e-3)


class FixedJudge(nn.Module):
    """Says the same of every picture."""

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        n = len(images)
        return images, {
            "colour": torch.zeros(n, 4),
            "shape": torch.tensor([[0.0, math.log(3)]]).expand(n, -1),
        }


def test_attribute_losses_add_up_and_a_label_of_minus_one_costs_nothing():
    loss = AttributesLoss(AttributesConfig(), {"E": FixedJudge()})
    labels = torch.tensor([[2, 1], [0, 0], [-1, 1], [3, -1], [-1, -1]])
    found = loss.judge(inputs(torch.zeros(5, 3, 8, 8), labels=labels))
    quarter, likely, unlikely = math.log(4), math.log(4 / 3), math.log(4)
    assert found.loss.tolist() == pytest.approx([quarter + likely, quarter + unlikely, likely, quarter, 0])
    # Of labels that apply: one of three colours is the first class, two of three shapes the likely one.
    assert float(found.scores["judge/colour"]) == pytest.approx(1 / 3)
    assert float(found.scores["judge/shape"]) == pytest.approx(2 / 3)


def test_corruption_with_neutral_numbers_changes_nothing():
    torch.manual_seed(0)
    img = torch.randn(2, 3, 8, 8)
    assert torch.equal(corrupt(img, torch.tensor([NEUTRAL] * 2), noise=0.5), img)


@pytest.mark.parametrize(("u", "shift"), [(0.0, -1), (0.5, 0), (0.99, 1)])
def test_corruption_shifts_by_one_pixel_at_most_and_repeats_the_border(u: float, shift: int):
    img = torch.arange(8.0).expand(1, 3, 8, 8)
    columns = corrupt(img, torch.tensor([[0, 0, 0.5, u]]), noise=0.0)[0, 0, 0]
    assert columns.tolist() == [min(max(x + shift, 0), 7) for x in range(8)]
    rows = corrupt(img.mT, torch.tensor([[0, 0, u, 0.5]]), noise=0.0)[0, 0, :, 0]
    assert rows.tolist() == columns.tolist()


def test_corruption_blurs_at_most_to_the_mean_of_nine_neighbours():
    img = torch.zeros(1, 3, 8, 8)
    img[..., 4, 4] = 9.0
    u = torch.tensor([[0.0, 1.0, 0.5, 0.5]])
    torch.testing.assert_close(corrupt(img, u, noise=0.0)[0, 0, 3:6, 3:6], torch.ones(3, 3))


def test_corruption_adds_noise_of_the_drawn_strength():
    torch.manual_seed(0)
    u = torch.tensor([[0.5, 0, 0.5, 0.5], [0.0, 0, 0.5, 0.5]])
    noisy = corrupt(torch.zeros(2, 3, 64, 64), u, noise=0.2)
    assert float(noisy[0].std()) == pytest.approx(0.1, rel=0.03)  # 12,288 numbers: 0.6 % standard error
    assert float(noisy[1].abs().max()) == 0
