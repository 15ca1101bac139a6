"""Pairs of captions differ in one thing; accuracies have known answers; controls are a ceiling and chance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from t2igan.cli.app import main
from t2igan.data.grammar import attributes
from t2igan.errors import DataError, UsageError
from t2igan.evaluation.prompts.accuracy import accuracy, categories, draws_of, shuffled
from t2igan.evaluation.prompts.pairs import Pair, both_ways, read_pairs
from t2igan.evaluation.prompts.run import evaluate_prompts, prompts_of_model
from t2igan.evaluation.prompts.scorers import JudgePairScorer, differing_labels
from t2igan.evaluation.prompts.shapes import SWAPS, shapes_pairs
from t2igan.features.judge import load_judge
from t2igan.metrics.config import SmallClipFeaturesConfig
from t2igan.pipeline import TextToImage
from t2igan.shapes_protocol import renderings

PAIRS = [Pair("count", f"two {x}", f"three {x}") for x in ("cats", "dogs", "cups")] + [
    Pair("relation", f"a {x} on a bed", f"a {x} under a bed") for x in ("cat", "dog")
]


class ByLength:
    """Prefers the longer caption, whatever the picture shows."""

    name = "length"

    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        true = torch.tensor([float(len(pair.caption)) for pair in pairs])
        return true, torch.tensor([float(len(pair.swapped)) for pair in pairs])


class ByPixel:
    """A picture's first pixel is the score of its caption; swapped ones score 100."""

    name = "pixel"

    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        return images[:, 0, 0, 0].float(), torch.full((len(images),), 100.0)


def test_accuracy_counts_pictures_whose_own_caption_scores_higher_and_a_tie_is_wrong():
    values = torch.tensor([101, 99, 100, 200, 0], dtype=torch.uint8)
    images = values[:, None, None, None].expand(5, 3, 4, 4)
    found = accuracy(images.split(2), PAIRS, [ByPixel()])["pixel"]
    assert (found["count"]["value"], found["count"]["n"]) == (1 / 3, 3)
    assert (found["relation"]["value"], found["relation"]["n"]) == (0.5, 2)
    assert found["all"]["value"] == 0.4
    assert found["relation"]["low"] == pytest.approx(0.0945, abs=1e-4)  # Wilson's, 1 of 2
    assert found["relation"]["high"] == pytest.approx(0.9055, abs=1e-4)


def test_who_ignores_pictures_is_right_half_the_time_and_so_when_pairs_are_shuffled():
    asked = both_ways(PAIRS)
    images = [torch.zeros(len(asked), 3, 4, 4, dtype=torch.uint8)]
    found = accuracy(images, asked, [ByLength()])["length"]
    assert [found[name]["value"] for name in ("count", "relation", "all")] == [0.5, 0.5, 0.5]
    other = shuffled(asked)
    assert [pair.category for pair in other] == [pair.category for pair in asked]
    assert all(
        {p.caption, p.swapped}.isdisjoint({q.caption, q.swapped}) for p, q in zip(asked, other, strict=True)
    )
    assert other[0] == other[1] == PAIRS[1]
    assert other[2] == other[3] == PAIRS[2].reversed()


@pytest.mark.parametrize("category", SWAPS)
def test_scenes_of_a_pair_differ_in_exactly_one_thing(category: str):
    for pair in shapes_pairs(20, seed=3):
        if pair.category != category:
            continue
        assert pair.scene is not None
        assert pair.swapped_scene is not None
        assert pair.caption != pair.swapped
        a, b = attributes(pair.scene), attributes(pair.swapped_scene)
        changed = {name for name in a.keys() & b.keys() if a[name] != b[name]}
        things = [
            Counter((t.colour, t.shape, t.size) for t in s.things) for s in (pair.scene, pair.swapped_scene)
        ]
        if category == "colour binding":
            assert changed == {"colour_a", "colour_b"}
            assert (a["colour_a"], a["colour_b"]) == (b["colour_b"], b["colour_a"])
            assert things[0] != things[1]
            assert a["shape_a"] != a["shape_b"]  # else it were a change of places
        elif category == "relation":
            assert things[0] == things[1]  # the same objects, elsewhere
            assert not changed & {"layout", "background"}
        elif category == "count":
            assert things[1] < things[0]
            assert changed == {"layout"}
        else:
            column = {"position": "layout", "background": "background"}.get(category, f"{category}_a")
            assert changed == {column}


def test_a_picture_of_a_swapped_scene_shows_what_the_swapped_caption_says():
    pairs = [pair.reversed() for pair in shapes_pairs(6, seed=1)]
    scenes = [pair.scene for pair in pairs if pair.scene is not None]
    found = accuracy(renderings({"": scenes}, 32), pairs, [JudgePairScorer(load_judge())])
    assert next(iter(found.values()))["all"]["value"] == 1


def test_what_differs_is_told_by_class_numbers():
    pair = next(pair for pair in shapes_pairs(1) if pair.category == "size")
    assert differing_labels(pair) in ({"size_a": (0, 1)}, {"size_a": (1, 0)})
    assert differing_labels(pair.reversed())["size_a"] == differing_labels(pair)["size_a"][::-1]


def test_our_general_pairs_say_one_thing_otherwise():
    pairs = read_pairs()
    assert Counter(pair.category for pair in pairs) == {"colour binding": 24, "relation": 24, "count": 24}
    assert len({text for pair in pairs for text in (pair.caption, pair.swapped)}) == 144
    for pair in pairs:
        a, b = (
            Counter(word for word in t.split() if word not in ("a", "an"))
            for t in (pair.caption, pair.swapped)
        )
        if pair.category == "colour binding":
            assert a == b  # the same words in another order
        elif pair.category == "count":
            assert sum((a - b).values()) == sum((b - a).values()) == 1
        else:
            assert a - b  # the two nouns stay
            assert {pair.caption.split()[-1], pair.caption.split()[1]} <= set(b)
        assert "not" not in a + b


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no JSON object"),
        ('{"category": "c", "caption": "a"}', "no JSON object with category, caption, swapped"),
        ('{"category": "c", "caption": "a", "swapped": 3}', "texts that are not empty"),
        ('{"category": "c", "caption": "a  b", "swapped": "a b"}', "the same"),
        ("[]", "no JSON object"),
    ],
)
def test_a_line_that_is_no_pair_is_named(line: str, why: str, tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"category": "c", "caption": "a", "swapped": "b"}) + f"\n\n{line}\n")
    with pytest.raises(DataError, match=rf"pairs\.jsonl:3: .*{why}"):
        read_pairs(path)


def test_every_caption_is_drawn_with_every_latent_in_any_batch():
    asked: list[tuple[str, int]] = []

    def draw(captions: Sequence[str], seeds: Sequence[int]) -> Tensor:
        asked.extend(zip(captions, seeds, strict=True))
        return torch.zeros(len(captions), 3, 2, 2, dtype=torch.uint8)

    for batch in (2, 64):
        asked.clear()
        assert sum(len(x) for x in draws_of(draw, PAIRS, seeds=2, seed=7, batch=batch)) == 10
        assert asked == [(pair.caption, 7 + i) for i, pair in enumerate(PAIRS * 2)]


def test_the_embedded_model_draws_single_attributes_and_shuffled_pairs_are_chance():
    found = prompts_of_model(per_category=6, device="cpu")
    judge = next(name for name in found["accuracy"] if name.startswith("judge"))
    for name in ("colour", "shape", "background"):
        assert found["accuracy"][judge][name]["value"] >= 10 / 12
    assert found["controls"]["real"][judge]["all"]["value"] == 1
    chance = found["controls"]["shuffled"][judge]["all"]
    assert chance["low"] < 0.5 < chance["high"]
    assert found["pictures"] == 2 * 6 * len(SWAPS)
    assert list(found["accuracy"][judge]) == [*SWAPS, "all"]


def test_a_general_set_has_no_renderings_and_a_category_of_one_pair_no_control():
    model = TextToImage.from_checkpoint()
    found = evaluate_prompts(model, PAIRS, [ByLength()], seeds=2)
    assert found["controls"]["real"] is None
    assert found["accuracy"]["length"]["all"]["value"] == 0.5
    assert found["pictures"] == 20
    with pytest.raises(DataError, match="'relation': one pair"):
        evaluate_prompts(model, PAIRS[:4], [ByLength()])
    with pytest.raises(UsageError, match="text encoder"):
        prompts_of_model(clip=SmallClipFeaturesConfig(checkpoint="embedded:shapes_clip"), device="cpu")
    assert categories(PAIRS) == ["count", "relation"]


def test_the_command_asks_pairs_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "pairs.jsonl"
    lines = ({"category": p.category, "caption": p.caption, "swapped": p.swapped} for p in PAIRS)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = [
        "eval",
        "prompts",
        "--prompts",
        str(path),
        "--scorer",
        "embedded:shapes_scorer",
        "--device",
        "cpu",
        "--n",
        "2",
    ]
    assert main([*words, "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "prompts.json").read_text())
    assert (told["prompts"], told["pictures"], told["controls"]["real"]) == (str(path), 20, None)
    assert main(words) == 0
    assert "relation" in capsys.readouterr().out
