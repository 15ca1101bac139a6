"""Checkpoints to share, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from t2igan import checkpoint
from t2igan.checkpoint import Header, part
from t2igan.errors import CheckpointError, UsageError
from t2igan.export import export, to_half
from t2igan.features.judge import load_judge
from t2igan.model_info import model_info
from t2igan.pipeline import TextToImage
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.saving import save_encoder, save_generator, save_state
from t2igan.train.setup import setup_encoder, setup_gan

CPU = torch.device("cpu")
TINY = ["train.threads=1", "generator.channel_max=32"]
SMALL_CLIP = ["encoder.text.width=16", "encoder.text.heads=2", "encoder.text.layers=1", "encoder.text.num_merges=10",
              "encoder.text.embed_dim=64", "encoder.image.embed_dim=64", "encoder.image.channels=[4, 4, 4]"]  # fmt: skip


def gan(*overrides: str) -> GanRecipe:
    recipe = load_recipe("smoke", [*TINY, *overrides])
    assert isinstance(recipe, GanRecipe)
    return recipe


def encoder(name: str, *overrides: str) -> EncoderRecipe:
    recipe = load_recipe(name, overrides)
    assert isinstance(recipe, EncoderRecipe)
    return recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with state.safetensors and generator.safetensors of one untrained run."""
    folder, recipe = tmp_path_factory.mktemp("run"), gan()
    state = setup_gan(recipe, 0, CPU)
    save_state(state, recipe, folder / "state.safetensors")
    save_generator(state, recipe, folder / "generator.safetensors")
    return folder


def test_a_state_exports_as_the_file_that_the_run_itself_shares(run: Path, tmp_path: Path):
    export(run / "state.safetensors", tmp_path / "mine.safetensors")
    header, tensors = checkpoint.read(tmp_path / "mine.safetensors", kind="generator")
    theirs, expected = checkpoint.read(run / "generator.safetensors", kind="generator")
    assert header == theirs
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)


def test_what_is_shareable_already_is_copied(run: Path, tmp_path: Path):
    export(run / "generator.safetensors", tmp_path / "copy.safetensors")
    copy, original = (checkpoint.read(p, kind="generator") for p in
                      (tmp_path / "copy.safetensors", run / "generator.safetensors"))  # fmt: skip
    assert copy[0] == original[0]
    assert checkpoint.fingerprint(copy[1]) == checkpoint.fingerprint(original[1])


def test_a_halved_generator_loads_as_float32_and_draws_nearly_the_same(run: Path, tmp_path: Path):
    export(run / "state.safetensors", tmp_path / "half.safetensors", is_half=True)
    whole = TextToImage.from_checkpoint(run / "generator.safetensors")
    half = TextToImage.from_checkpoint(tmp_path / "half.safetensors")
    assert {p.dtype for p in half.G.parameters()} == {torch.float32}
    for mine, theirs in zip(half.G.parameters(), whole.G.parameters(), strict=True):
        # half a unit in the last of float16's 11 bits, or half its smallest step
        torch.testing.assert_close(mine, theirs, rtol=2.0**-11, atol=2.0**-25)
    pair = [m.generate(["a red circle"] * 4, range(4)).float() for m in (half, whole)]
    assert (pair[0] - pair[1]).abs().mean() < 0.5  # grey levels of 255


def test_a_halved_file_is_half_as_large(run: Path, tmp_path: Path):
    export(run / "generator.safetensors", tmp_path / "half.safetensors", is_half=True)
    counts = [
        model_info(p)["tensors"]["G_ema"]
        for p in (run / "generator.safetensors", tmp_path / "half.safetensors")
    ]
    assert counts[0]["bytes"] == 2 * counts[1]["bytes"]
    assert (counts[0]["dtypes"], counts[1]["dtypes"]) == (["F32"], ["F16"])


def test_halving_leaves_what_float16_cannot_hold():
    tensors = {
        "weight": torch.tensor([1 / 3]),
        "huge": torch.tensor([1.0, 70_000.0]),
        "count": torch.tensor([2**20]),
    }
    halved = to_half(tensors)
    assert {key: value.dtype for key, value in halved.items()} == {
        "weight": torch.float16, "huge": torch.float32, "count": torch.int64}  # fmt: skip
    assert halved["weight"].item() == 0.333251953125  # 1365 / 4096
    assert torch.equal(halved["huge"], tensors["huge"])


def test_a_judges_state_exports_as_a_judge(tmp_path: Path):
    recipe = encoder("shapes_judge", "encoder.trunk.channels=[4, 4, 4]")
    state = setup_encoder(recipe, CPU)
    save_state(state, recipe, tmp_path / "state.safetensors")
    assert export(tmp_path / "state.safetensors", tmp_path / "judge.safetensors").kind == "judge"
    net = load_judge(str(tmp_path / "judge.safetensors")).net
    assert torch.equal(net.trunk.head.weight, state.networks["E"].trunk.head.weight)  # pyright: ignore


def test_a_private_text_encoder_travels_with_the_generator(tmp_path: Path):
    clip = encoder("shapes_clip", *SMALL_CLIP)
    path = tmp_path / "clip.safetensors"
    save_encoder(setup_encoder(clip, CPU), clip, path)
    recipe = gan(f"conditioner={{kind: small_clip, checkpoint: {path}}}")
    state = setup_gan(recipe, 0, CPU)
    save_state(state, recipe, tmp_path / "state.safetensors")
    export(tmp_path / "state.safetensors", tmp_path / "model.safetensors")
    path.unlink()
    model = TextToImage.from_checkpoint(tmp_path / "model.safetensors")
    assert torch.equal(model.conditioner(["a red circle"]).embed, state.conditioner(["a red circle"]).embed)  # pyright: ignore


@pytest.mark.parametrize(
    ("name", "reason"), [("there.safetensors", "exists already"), ("model.pt", "must end in")]
)
def test_an_output_name_that_cannot_be_used_is_refused(run: Path, tmp_path: Path, name: str, reason: str):
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    with pytest.raises(UsageError, match=reason):
        export(run / "state.safetensors", tmp_path / name)
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"


def test_overwriting_is_a_choice(run: Path, tmp_path: Path):
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    export(run / "state.safetensors", tmp_path / "there.safetensors", may_overwrite=True)
    assert checkpoint.read_header(tmp_path / "there.safetensors").kind == "generator"


def test_a_state_without_its_recipe_is_a_clear_error(tmp_path: Path):
    checkpoint.save(
        tmp_path / "s.safetensors", {"G_ema.w": torch.zeros(1)}, Header("state", progress={"stage": 0})
    )
    with pytest.raises(CheckpointError, match="header lacks 'stages'"):
        export(tmp_path / "s.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_info_counts_tensors_numbers_and_bytes_by_network(tmp_path: Path):
    tensors = {
        "G.a": torch.zeros(2, 3),
        "G.b": torch.zeros(4).half(),
        "D.c": torch.zeros((), dtype=torch.int64),
    }
    checkpoint.save(
        tmp_path / "s.safetensors", tensors, Header("state", recipe={"name": "mine"}, progress={"nimg": 5})
    )
    found = model_info(tmp_path / "s.safetensors", has_fingerprint=True)
    assert found["tensors"] == {
        "D": {"tensors": 1, "numbers": 1, "bytes": 8, "dtypes": ["I64"]},
        "G": {"tensors": 2, "numbers": 10, "bytes": 32, "dtypes": ["F16", "F32"]},
    }
    assert (found["kind"], found["recipe"], found["progress"], found["fingerprint"]) == (
        "state",
        "mine",
        {"nimg": 5},
        None,
    )


def test_infos_fingerprint_is_the_one_in_the_pictures(run: Path):
    path = run / "generator.safetensors"
    _, tensors = checkpoint.read(path, kind="generator")
    found = model_info(path, has_fingerprint=True)["fingerprint"]
    assert (
        found
        == TextToImage.from_checkpoint(path).fingerprint
        == checkpoint.fingerprint(part(tensors, "G_ema"))
    )
