"""metrics/judging.py: streams, shuffling, confidence, extremes."""

import pytest
import torch

from t2igan.errors import T2IGanError
from t2igan.metrics.judging import Extremes, Prompts, judge_images

COLUMNS = ("shape", "colour")


def prompts(n: int = 6) -> Prompts:
    labels = torch.tensor([[i % 2, i % 3] for i in range(n)])
    groups = tuple("single/seen" if i < n // 2 else "single/held_out" for i in range(n))
    return Prompts(tuple(f"caption {i}" for i in range(n)), labels, COLUMNS, groups)


def pictures(n: int = 6) -> torch.Tensor:
    """[n, 3, 2, 2] uint8; all values of image i are i."""
    return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 3, 2, 2).contiguous()


def judge(images: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Reads the shape i % 2 surely and says nothing of the colour; the feature is the picture's value."""
    value = images[:, 0, 0, 0].long()
    shape = torch.nn.functional.one_hot(value % 2, 2).float() * 100
    return value[:, None].float(), {"shape": shape, "colour": torch.zeros(len(images), 3)}


def test_shuffling_moves_every_prompt_and_stays_within_its_group():
    shuffled = prompts().shuffled()
    assert shuffled.captions == tuple(f"caption {i}" for i in (1, 2, 0, 4, 5, 3))
    assert shuffled.groups == prompts().groups
    assert shuffled.labels.tolist() == prompts().labels[[1, 2, 0, 4, 5, 3]].tolist()


@pytest.mark.parametrize("batch", [1, 4, 6])
def test_a_stream_gives_the_same_in_any_batch_size(batch: int):
    judged = judge_images(pictures().split(batch), prompts(), judge=judge, scorer=None, extremes=Extremes(2))
    assert judged.features[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert judged.predicted[:, 0].tolist() == [0, 1, 0, 1, 0, 1]
    assert judged.cosines is None


def test_confidence_is_the_probability_of_everything_asked():
    labels = torch.tensor([[0, 1], [0, -1], [1, 2]])
    asked = Prompts(("a", "b", "c"), labels, COLUMNS, ("x/y",) * 3)
    images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)  # shape 0, colours equally likely
    judged = judge_images([images], asked, judge=judge, scorer=None, extremes=Extremes(1))
    assert judged.confidence.tolist() == pytest.approx([1 / 3, 1, 0], abs=1e-12)


def test_the_scorer_sees_every_image_with_its_own_and_with_the_next_caption():
    def scorer(images, captions):
        return torch.tensor(
            [10.0 * int(i[0, 0, 0]) + int(c[-1]) for i, c in zip(images, captions, strict=True)]
        )

    judged = judge_images(pictures().split(4), prompts(), judge=judge, scorer=scorer, extremes=Extremes(1))
    assert judged.cosines is not None
    assert judged.shuffled_cosines is not None
    assert judged.cosines.tolist() == [0, 11, 22, 33, 44, 55]
    assert judged.shuffled_cosines.tolist() == [1, 12, 20, 34, 45, 53]


@pytest.mark.parametrize("n", [0, 5, 7])
def test_another_number_of_images_than_of_prompts_is_refused(n: int):
    with pytest.raises(T2IGanError, match="6 prompts"):
        judge_images(pictures(n).split(4), prompts(), judge=judge, scorer=None, extremes=Extremes(1))


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_extremes_of_a_stream_are_those_of_the_whole(batch: int):
    confidence = torch.tensor([0.5, 0.1, 0.9, 0.1, 0.7, 0.3, 0.9, 0.2, 0.6, 0.4], dtype=torch.float64)
    extremes = Extremes(3)
    for start in range(0, 10, batch):
        part = slice(start, start + batch)
        extremes.add(start, pictures(10)[part], confidence[part])
    assert [case.index for case in extremes.worst] == [1, 3, 7]
    assert [case.index for case in extremes.best] == [2, 6, 4]
    assert [int(case.image[0, 0, 0]) for case in extremes.best] == [2, 6, 4]
