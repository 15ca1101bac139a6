"""Prompt accuracy: how often a judge reads from an image what its prompt asked for. It knows no data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from t2igan.metrics.intervals import Interval, wilson

ALL = "all"  # the question whether everything asked for is right


def prompt_accuracy(
    predicted: Tensor, labels: Tensor, *, columns: Sequence[str], questions: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """Share of images that answer each question right, with Wilson's 95 % interval.

    Args:
        predicted: [N, A] int, the judge's classes.
        labels: [N, A] int, what the prompt asked for; -1 = not asked.
        columns: names of the A columns.
        questions: question -> columns that must all be right; an image that is asked none of them is not counted.

    Returns:
        One interval a question that some image is asked, and `all`: every asked column right.
    """
    assert predicted.shape == labels.shape, "one label row an image"
    asked = labels >= 0
    right = (predicted == labels) | ~asked
    places = {name: [columns.index(column) for column in needed] for name, needed in questions.items()}
    places[ALL] = list(range(len(columns)))
    answers = {}
    for name, needed in places.items():
        counted = asked[:, needed].any(dim=1)
        if counted.any():
            answers[name] = wilson(int(right[counted][:, needed].all(dim=1).sum()), int(counted.sum()))
    return answers
