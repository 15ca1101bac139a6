"""Sections that contradict each other are refused, with the keys to change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2igan.decode import decode_yaml
from t2igan.errors import RecipeError
from t2igan.recipe.check import check
from t2igan.recipe.check_text import text_width
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import Recipe
from t2igan.text.config import ClipTextConfig, HashingConfig, SmallClipTextConfig

ENCODER = """
task: encoder
name: clip
data: {kind: shapes}
encoder: {arch: small_clip}
loss: {kind: clip_contrastive}
kimg: 1
"""


def refusal(*sets: str) -> str:
    """What is wrong with the smoke recipe after these changes."""
    with pytest.raises(RecipeError) as caught:
        load_recipe("smoke", sets)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (["generator.c_dim=32"], "generator.c_dim: 32, but the conditioner 'hashing' gives 64 numbers"),
        (["discriminator.c_dim=32"], "discriminator.c_dim: 32, but the conditioner 'hashing' gives 64"),
        (["conditioner={kind: clip_text}"], "'clip_text' gives 768 numbers; set generator.c_dim to 768"),
        (["train.batch_gpu=3"], "train.batch: 16 is no multiple of train.batch_gpu 3"),
        (["loss.clip_weight=1"], "loss.clip_weight: 1.0 needs a network"),
        (["loss.guide={kind: small_clip}"], "loss.guide: unused while loss.clip_weight is 0"),
        (["stages.0.resolution=48"], "stages.0.resolution: 48 is not a power of two"),
        (
            ["stages=[{resolution: 32, kimg: 1}, {resolution: 16, kimg: 1}]"],
            "must not fall from stage to stage",
        ),
        (["stages.0.batch_gpu=5"], "train.batch: 16 is no multiple of train.batch_gpu 5"),
        (["stages.0.clip_weight=1"], "loss.clip_weight: 1.0 needs a network"),
        (["stages.0.trains=text_encoder"], "stages.0.trains: the conditioner 'hashing' has nothing to train"),
        (["stages.0.freeze_up_to=32"], "stages.0.freeze_up_to: 32 leaves no block of 32 px to train"),
        (["loss.noise_mode=none", "generator.noise=true"], "set generator.noise to false"),
        (["stages.0.resolution=64"], "generator at 64 px: 16 channels at 64 px are no multiple of 32"),
        (["name=a/b"], "name: 'a/b' names the run's folder"),
        (["name=.."], "name: '..' names the run's folder"),
        (["discriminator.backbone={kind: dino, image_size: 100}"], "100 is no multiple of"),
        (
            ["discriminator.backbone.image_size=8", "discriminator.backbone.channels=[8, 8, 8, 8]"],
            "4 halvings",
        ),
        (["discriminator.backbone={kind: small_clip, taps: [1, 5]}"], "the tower's layers are 0 to 4"),
    ],
)
def test_a_contradiction_is_one_line_that_names_the_keys(changes: list[str], why: str):
    (line,) = [line for line in refusal(*changes).splitlines() if why in line]
    assert "smoke.yaml: " in line


def test_all_contradictions_come_at_once():
    assert len(refusal("generator.c_dim=32", "train.batch_gpu=3", "loss.clip_weight=1").splitlines()) == 3


def test_unconditional_networks_fit_every_conditioner():
    load_recipe("smoke", ["generator.c_dim=0", "discriminator.c_dim=0"])


def test_networks_must_agree_when_the_conditioner_is_unknown():
    clip = "conditioner={kind: clip_text, model: a-model-of-tomorrow}"
    load_recipe("smoke", [clip, "generator.c_dim=96", "discriminator.c_dim=96"])
    assert "generator.c_dim 96 and discriminator.c_dim 64 differ" in refusal(clip, "generator.c_dim=96")


def test_a_batch_must_be_shared_equally_by_all_processes():
    recipe = load_recipe("smoke", ["train.batch=12", "train.batch_gpu=3"])
    check(recipe, world=4)
    with pytest.raises(RecipeError, match="12 cannot be shared by 5 processes"):
        check(recipe, world=5)
    with pytest.raises(RecipeError, match=r"12 / 6 processes = 2 is no multiple of train\.batch_gpu 3"):
        check(recipe, world=6)


def test_text_widths_are_known_without_building_the_encoder(tmp_path: Path):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"embed_dim": 40}))
    assert text_width(HashingConfig(dim=24)) == 24
    assert text_width(ClipTextConfig()) == 768
    assert text_width(ClipTextConfig(model="ViT-H/14")) == 1024
    assert text_width(ClipTextConfig(model=str(own))) == 40
    assert text_width(ClipTextConfig(model="a-model-of-tomorrow")) is None
    assert text_width(SmallClipTextConfig(checkpoint=str(tmp_path / "none.safetensors"))) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (["loss.kind=attributes"], "'attributes' trains a judge, but encoder.arch is 'small_clip'"),
        (["train.batch=1"], "needs at least 2"),
        (["train.batch_gpu=8"], "leave train.batch_gpu out"),
        (["encoder.text.embed_dim=64"], "must equal"),
    ],
)
def test_an_encoder_and_its_loss_must_fit(changes: list[str], why: str):
    with pytest.raises(RecipeError, match=why):
        check(decode_yaml(ENCODER, Recipe, source="a.yaml", overrides=changes))


def test_an_encoder_recipe_that_fits_is_accepted():
    check(decode_yaml(ENCODER, Recipe, source="a.yaml"))
