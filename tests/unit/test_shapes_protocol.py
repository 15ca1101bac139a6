"""shapes_protocol.py, metrics/shapes.py and shapes_report.py with a judge that knows every picture by heart."""

import json

import pytest
import torch
from torch import Tensor

from t2igan.data.grammar import ATTRIBUTES, CLASS_NAMES, HELD_OUT
from t2igan.errors import UsageError
from t2igan.metrics.shapes import QUESTIONS, ShapesResult
from t2igan.report import Report
from t2igan.shapes_protocol import (
    PROMPT_STREAM,
    REFERENCE_STREAM,
    draw_scenes,
    judge_generator,
    prompts_of,
    renderings,
)
from t2igan.shapes_report import accuracy_rows, add_shapes_sections, distance_rows, mistakes

N, SIZE = 30, 16
DRAWN = draw_scenes(N, "both", stream=PROMPT_STREAM)
PROMPTS = prompts_of(DRAWN)
PICTURES = torch.cat(list(renderings(DRAWN, SIZE)))
OTHERS = draw_scenes(N, "both", stream=REFERENCE_STREAM)
BY_HEART = dict(zip((p.numpy().tobytes() for p in PICTURES), PROMPTS.labels, strict=True))


def judge(images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Class 0 for pictures that are not known; features are the means of 2 x 2 x 3 blocks, less the background."""
    unknown = torch.zeros(len(ATTRIBUTES), dtype=torch.int64)
    labels = torch.stack([BY_HEART.get(image.numpy().tobytes(), unknown) for image in images]).clamp(min=0)
    logits = {
        name: 20 * torch.nn.functional.one_hot(labels[:, i], count).float()
        for i, (name, count) in enumerate(ATTRIBUTES.items())
    }
    blocks = torch.nn.functional.adaptive_avg_pool2d(images.float(), 2)
    return (blocks - images[:, :, :1, :1].float()).flatten(1), logits


def perfect(captions, seeds) -> Tensor:
    """Seed i asks for prompt i, of evaluation seed 0."""
    return PICTURES[list(seeds)]


def gray(captions, seeds) -> Tensor:
    return torch.full((len(captions), 3, SIZE, SIZE), 128, dtype=torch.uint8)


def run(generate, **options) -> ShapesResult:
    return judge_generator(generate, SIZE, judge=judge, n=N, **options)


@pytest.fixture(scope="module")
def of_perfect() -> ShapesResult:
    return run(perfect)


def test_the_groups_are_held_out_and_seen_scenes_of_one_and_two_objects():
    assert list(DRAWN) == ["single/held_out", "single/seen", "pair/held_out", "pair/seen"]
    for group, scenes in DRAWN.items():
        kind, split = group.split("/")
        for scene in scenes:
            assert len(scene.things) == (1 if kind == "single" else 2)
            held_out = [(thing.colour, thing.shape) in HELD_OUT for thing in scene.things]
            assert any(held_out) == (split == "held_out")


def test_prompts_and_reference_are_different_scenes():
    assert DRAWN["single/seen"] != OTHERS["single/seen"]
    assert set(prompts_of(OTHERS).columns) == set(ATTRIBUTES)


def test_every_question_asks_for_columns_of_the_legend_and_all_columns_are_asked():
    for kind, count in (("single", 5), ("pair", 8)):
        asked = [column for needed in QUESTIONS[kind].values() for column in needed]
        assert sorted(asked) == sorted(set(asked) & set(ATTRIBUTES))
        assert len(asked) == count


def test_a_perfect_generator_is_right_everywhere_and_no_farther_than_real_renderings(
    of_perfect: ShapesResult,
):
    numbers = of_perfect.numbers
    for kind in ("single", "pair"):
        for split in ("held_out", "seen"):
            answers = numbers["accuracy"][kind][split]
            assert {answer["value"] for answer in answers.values()} == {1.0}
            assert {answer["n"] for answer in answers.values()} == {N}
    for name in ("frechet", "kid", "accuracy"):
        assert numbers[name] == numbers["controls"]["real"][name]


def test_shuffled_prompts_score_chance(of_perfect: ShapesResult):
    shuffled = of_perfect.numbers["controls"]["shuffled"]["accuracy"]["single"]["seen"]
    assert shuffled["all"]["value"] == 0
    for question, classes in (("colour", 8), ("shape", 6), ("size", 2), ("position", 5), ("background", 4)):
        assert shuffled[question]["low"] < 1 / classes < shuffled[question]["high"]


def test_a_gray_generator_is_far_away_and_almost_never_right(of_perfect: ShapesResult):
    numbers = run(gray).numbers
    assert numbers["frechet"]["low"] > 2 * numbers["controls"]["real"]["frechet"]["high"]
    assert numbers["kid"]["low"] > numbers["controls"]["real"]["kid"]["high"]
    assert numbers["accuracy"]["single"]["seen"]["all"]["value"] < 0.1
    assert numbers["controls"]["real"] == of_perfect.numbers["controls"]["real"]


def test_one_wrong_attribute_is_found_as_that_attribute():
    def recoloured(captions, seeds):
        images = perfect(captions, seeds).clone()
        images[:, 0, 0, 0] ^= 1  # a new picture, which the judge learns with another colour
        for image, seed in zip(images, seeds, strict=True):
            labels = PROMPTS.labels[seed].clone()
            labels[list(ATTRIBUTES).index("colour_a")] = (labels[2] + 1) % 8
            BY_HEART[image.numpy().tobytes()] = labels
        return images

    result = run(recoloured, scenes="single")
    answers = result.numbers["accuracy"]["single"]["held_out"]
    assert answers["colour"]["value"] == answers["all"]["value"] == 0
    assert {answers[q]["value"] for q in ("shape", "size", "position", "background")} == {1.0}
    (wrong,) = mistakes(result, 0, CLASS_NAMES)
    assert wrong.startswith("colour a ")


def test_the_batch_size_changes_nothing(of_perfect: ShapesResult):
    assert run(perfect, batch_size=7).numbers == of_perfect.numbers


def test_every_image_has_its_own_seed_and_evaluation_seeds_do_not_overlap():
    asked: list[int] = []

    def remember(captions, seeds):
        asked.extend(seeds)
        return gray(captions, seeds)

    run(remember, scenes="single", seed=3)
    assert asked == list(range(3_000_000, 3_000_000 + 2 * N))


def test_progress_is_told_up_to_the_end():
    told: list[tuple[int, int]] = []
    run(gray, scenes="single", batch_size=50, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(50, 60), (60, 60)]


@pytest.mark.parametrize(("n", "seed"), [(9, 0), (0, 0), (20, -1)])
def test_too_few_images_or_a_negative_seed_are_refused(n: int, seed: int):
    with pytest.raises(UsageError, match="at least 10"):
        judge_generator(gray, SIZE, judge=judge, n=n, seed=seed)


def test_the_clip_score_of_an_independent_scorer_has_both_controls():
    truth = {(p.numpy().tobytes(), c) for p, c in zip(PICTURES, PROMPTS.captions, strict=True)}

    def scorer(images, captions):
        return torch.tensor(
            [float((i.numpy().tobytes(), c) in truth) for i, c in zip(images, captions, strict=True)]
        )

    numbers = run(perfect, scenes="single", scorer=scorer).numbers
    assert numbers["clip_score"]["value"] == numbers["controls"]["real"]["clip_score"]["value"] == 1
    assert numbers["controls"]["shuffled"]["clip_score"]["value"] == 0
    assert [row[0] for row in distance_rows(numbers)] == ["Frechet distance", "KID", "CLIP score"]


def test_the_numbers_are_json_and_the_report_shows_them(of_perfect: ShapesResult):
    assert json.loads(json.dumps(of_perfect.numbers)) == of_perfect.numbers
    report = Report("shapes")
    add_shapes_sections(report, of_perfect, class_names=CLASS_NAMES)
    html = report.html()
    assert html.count("data:image/png") == 2
    assert "100.0 % [88.6, 100.0]" in html
    assert accuracy_rows(of_perfect.numbers, "pair")[0][0] == "colours"
