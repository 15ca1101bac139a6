"""From a checkpoint and prompts to images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import tiny_encoder, tiny_snapshot
from tiny_gigagan import GIGAGAN

from t2igan import checkpoint
from t2igan.errors import CheckpointError, RecipeError, UsageError
from t2igan.pipeline import TextToImage, load
from t2igan.train.run import run

PROMPTS = ["a red circle", "a blue square", "a green ring", "a red circle"] * 2
SEEDS = [0, 1, 2, 3, 4, 5, 6, 0]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_snapshot(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def model(snapshot: Path) -> TextToImage:
    """With styles strong enough that images differ visibly; two steps of training have not made them so."""
    model = load(snapshot)
    with torch.no_grad():
        for block in model.G.synthesis.blocks():
            block.torgb.weight.mul_(3)
    return model


def test_images_are_uint8_at_the_models_resolution(model: TextToImage):
    found = model.generate(PROMPTS, SEEDS)
    assert (found.dtype, tuple(found.shape)) == (torch.uint8, (8, 3, 16, 16))
    assert model.resolution == 16


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
@pytest.mark.parametrize("psi", [1.0, 0.5])
def test_an_image_is_the_same_in_any_batch(model: TextToImage, batch_size: int, psi: float):
    whole = model.generate(PROMPTS, SEEDS, psi=psi, batch_size=8)
    split = model.generate(PROMPTS, SEEDS, psi=psi, batch_size=batch_size)
    assert int((whole.int() - split.int()).abs().max()) <= 1


def test_prompt_and_seed_both_matter_and_equal_ones_give_equal_images(model: TextToImage):
    images = model.generate(["a red circle", "a red circle", "a blue square", "a red circle"], [0, 1, 0, 0])
    assert torch.equal(images[0], images[3])
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_psi_zero_is_one_image_a_prompt_and_psi_one_changes_nothing(model: TextToImage):
    zero = model.generate(["a red circle"] * 3, [0, 1, 2], psi=0)
    assert int((zero[0].int() - zero.int()).abs().max()) <= 1
    c = model.conditioner(["a red circle"])
    z = torch.randn(1, model.G.z_dim)
    assert torch.equal(model.G(z, c), model.G(z, c, psi=1.0))


def test_streaming_gives_the_same_images_a_batch_at_a_time(model: TextToImage):
    pieces = list(model.stream(PROMPTS, SEEDS, batch_size=3))
    assert [len(piece) for piece in pieces] == [3, 3, 2]
    assert torch.equal(torch.cat(pieces), model.generate(PROMPTS, SEEDS, batch_size=3))


@pytest.mark.parametrize(
    ("prompts", "seeds", "psi", "message"),
    [
        ([], [], 1.0, "no prompt to draw"),
        (["a"], [1, 2], 1.0, "1 prompts but 2 seeds"),
        (["a", " \t"], [1, 2], 1.0, "an empty prompt"),
        (["a"], [0], 2.01, r"psi 2\.01 is outside \[-2, 2\]"),
        (["a"], [0], -3.0, "psi -3 is outside"),
        (["a"], [0], float("nan"), "psi nan is outside"),
        (["a"], [-1], 1.0, "a seed is a whole number"),
        (["a"], [2**63], 1.0, "a seed is a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_a_usage_error(model: TextToImage, prompts, seeds, psi: float, message: str):
    with pytest.raises(UsageError, match=message):
        model.generate(prompts, seeds, psi=psi)


def test_the_largest_seed_and_both_ends_of_psi_are_drawn(model: TextToImage):
    assert model.generate(["a"], [2**63 - 1], psi=2.0).shape[0] == 1
    assert model.generate(["a"], [0], psi=-2.0).shape[0] == 1


def test_the_cut_is_the_text_encoders(model: TextToImage):
    assert model.cut("a red circle") == ""
    assert model.cut(" ".join(f"w{i}" for i in range(66))) == "w64 w65"


def test_a_checkpoint_of_another_kind_or_with_tensors_missing_is_refused(snapshot: Path, tmp_path: Path):
    judge = run(tiny_encoder("shapes_judge", 1), tmp_path / "judge")
    with pytest.raises(CheckpointError, match="of kind 'judge', but 'generator' is needed"):
        load(judge)
    header, tensors = checkpoint.read(snapshot, kind="generator")
    tensors.pop("G_ema.mapping.x_avg")
    checkpoint.save(tmp_path / "short.safetensors", tensors, header)
    with pytest.raises(CheckpointError, match=r"1 missing \(mapping\.x_avg\)"):
        load(tmp_path / "short.safetensors")


def test_a_header_that_describes_no_generator_is_refused(snapshot: Path, tmp_path: Path):
    header, tensors = checkpoint.read(snapshot, kind="generator")
    header.config["resolution"] = 48
    checkpoint.save(tmp_path / "odd.safetensors", tensors, header)
    with pytest.raises((CheckpointError, RecipeError), match="48"):
        load(tmp_path / "odd.safetensors")


def test_a_second_psi_reaches_generators_that_have_a_mean_of_all_prompts(tmp_path: Path):
    path = tiny_snapshot(tmp_path, *GIGAGAN)
    model = TextToImage.from_checkpoint(path)
    model.G.map_network.x_avg.normal_()
    both, one = ({"psi": 0.5, "psi_global": 0.5}, {"psi": 0.5, "psi_global": 1.0})
    pictures = [model.generate(["a red circle"], [3], **how) for how in ({"psi": 0.5}, both, one)]
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def test_a_second_psi_is_refused_where_it_means_nothing():
    with pytest.raises(UsageError, match="psi-global means nothing to this model"):
        TextToImage.from_checkpoint().generate(["a red circle"], [3], psi_global=0.5)
