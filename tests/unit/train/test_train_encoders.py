"""The small CLIP and the judge train through the same loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import ENCODERS, newest_state, tiny_clip, tiny_encoder, tiny_recipe

from t2igan import checkpoint
from t2igan.features.conv_tower import load_tower
from t2igan.features.judge import load_judge
from t2igan.models.encoders import KINDS
from t2igan.train.run import run
from t2igan.train.token_ids import TokenIds


@pytest.mark.parametrize("name", ENCODERS)
def test_four_steps_are_two_and_a_resume_and_two(name: str, tmp_path: Path):
    recipe = tiny_encoder(name, 4)
    snapshot = run(recipe, tmp_path / "whole")
    run(tiny_encoder(name, 2), tmp_path / "parts")
    again = run(recipe, tmp_path / "parts")
    for mine, theirs in (
        (load_file(again), load_file(snapshot)),
        (load_file(newest_state(tmp_path / "parts")), load_file(newest_state(tmp_path / "whole"))),
    ):
        assert mine.keys() == theirs.keys()
        assert [key for key in mine if not torch.equal(mine[key], theirs[key])] == []
    assert checkpoint.read_header(snapshot).kind == KINDS[recipe.encoder.arch]


def test_a_trained_judge_reads_pictures(tmp_path: Path):
    judge = load_judge(str(run(tiny_encoder("shapes_judge", 2), tmp_path)))
    features, logits = judge(torch.zeros(3, 3, 16, 16, dtype=torch.uint8))
    assert features.shape == (3, judge.dim)
    assert {name: tuple(scores.shape) for name, scores in logits.items()} == {
        name: (3, count) for name, count in judge.config.classes.items()
    }


def test_a_small_clip_conditions_guides_and_watches_a_gan(tmp_path: Path):
    clip = tiny_clip(tmp_path / "clip")
    name = str(clip)
    recipe = tiny_recipe(
        f"conditioner={{kind: small_clip, checkpoint: {name}}}",
        f"discriminator.backbone={{kind: small_clip, checkpoint: {name}, taps: [1, 4], pool: 4}}",
        f"loss.guide={{kind: small_clip, checkpoint: {name}}}",
        "loss.clip_weight=1.0",
        stages=((16, 2),),
    )
    snapshot = run(recipe, tmp_path / "gan")
    assert "G/guidance" in (tmp_path / "gan" / "stats.jsonl").read_text()
    tensors = load_file(snapshot)
    text = checkpoint.part(load_file(clip), "E.text")
    carried = checkpoint.part(tensors, "conditioner")
    assert carried.keys() == text.keys()  # the snapshot is complete: whoever gets it needs no second file
    assert all(torch.equal(carried[key], text[key]) for key in text)
    state = load_file(newest_state(tmp_path / "gan"))
    tower = checkpoint.part(load_file(clip), "E.image")
    assert not [key for key in state if key.startswith("D.backbone")]  # its name is in the recipe
    loaded = load_tower(name).state_dict()
    assert all(torch.equal(loaded[key], tower[key]) for key in tower)


def test_captions_become_token_ids_for_a_text_tower_and_nothing_for_a_judge():
    device = torch.device("cpu")
    ids = TokenIds(lambda captions: torch.tensor([[len(c)] for c in captions]), device)(["ab", "c"]).ids
    assert ids is not None
    assert ids.tolist() == [[2], [1]]
    assert len(TokenIds(None, device)(["ab", "c"])) == 0
