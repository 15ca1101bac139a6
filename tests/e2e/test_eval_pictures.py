"""`eval pictures`: real pictures agree with their captions, shuffled ones do not, and the model's own eyes may not judge."""

import json

import pytest
import torch

from t2igan import images
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.errors import DataError, UsageError
from t2igan.pictures_eval import evaluate_pictures
from t2igan.pipeline import TextToImage


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "shards"
    write_shapes(folder, n=60, resolution=32, config=ShapesConfig(captions="full"))
    return str(folder)


@pytest.fixture(scope="module")
def numbers(shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    found = evaluate_pictures(None, shards, "embedded:shapes_scorer", n=60, out=out)
    assert json.loads((out / "eval.json").read_text()) == found
    assert (out / "pictures.png").is_file()
    return found


def test_real_pictures_agree_with_their_captions_and_shuffled_ones_do_not(numbers):
    assert numbers["real"]["clip_score"]["value"] > 0.9
    assert numbers["real"]["retrieval"]["value"] == 1.0
    assert numbers["shuffled"]["clip_score"]["value"] < 0.3
    assert numbers["shuffled"]["retrieval"]["low"] < 1 / 16 < numbers["shuffled"]["retrieval"]["high"] + 0.1


def test_the_embedded_model_draws_what_its_captions_say(numbers):
    assert numbers["generated"]["clip_score"]["value"] > 0.5
    assert numbers["generated"]["retrieval"]["value"] > 0.7


def test_a_model_may_not_be_judged_by_its_own_text_encoder(shards, tmp_path):
    with pytest.raises(UsageError, match="own text encoder"):
        evaluate_pictures(None, shards, "embedded:shapes_clip", out=tmp_path)


def test_too_few_pictures_are_refused(tmp_path):
    write_shapes(tmp_path / "few", n=5, resolution=32, config=ShapesConfig())
    with pytest.raises(DataError, match="too few"):
        evaluate_pictures(None, str(tmp_path / "few"), "embedded:shapes_scorer", out=tmp_path / "out")


def test_the_same_seed_and_prompt_give_the_same_picture_in_any_company():
    model = TextToImage.from_checkpoint()
    prompts = ["a large red circle in the center on a white background", "a small blue ring", "a cyan cross"]
    together = model.generate(prompts, seeds=[3, 4, 5])
    alone = torch.cat([model.generate([p], seeds=[s]) for p, s in zip(prompts, [3, 4, 5], strict=True)])
    assert (together.int() - alone.int()).abs().max() <= 1
    assert images.to_float(together).shape == (3, 3, 32, 32)
