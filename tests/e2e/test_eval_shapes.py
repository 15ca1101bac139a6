"""`t2igan eval shapes` from checkpoints to files: a tiny untrained generator before a tiny untrained judge."""

import json
from pathlib import Path

import pytest
import torch

from t2igan import checkpoint
from t2igan.cli.app import main
from t2igan.data.grammar import ATTRIBUTES
from t2igan.features.config import ConvTowerConfig
from t2igan.features.judge import JudgeNet
from t2igan.models import build_generator
from t2igan.models.config import JudgeConfig, SmallClipConfig, StyleGANTConfig
from t2igan.models.small_clip import SmallClip
from t2igan.text.config import HashingConfig, SmallClipTextConfig, TextTowerConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds judge, scorer, model, and listener: a model whose text encoder is the scorer's."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    save_scorer(folder)
    tiny = StyleGANTConfig(
        z_dim=8, c_dim=16, resolution=16, channel_base=512, channel_max=32, num_res_blocks=0
    )
    weights = checkpoint.with_prefix("G_ema", build_generator(tiny).state_dict())
    own_text = SmallClipTextConfig(checkpoint=str(folder / "scorer.safetensors"))
    for name, text in (("model", HashingConfig(dim=16)), ("listener", own_text)):
        header = checkpoint.Header("generator", tiny.model_dump(), text.model_dump(), {})
        checkpoint.save(folder / f"{name}.safetensors", weights, header)
    config = JudgeConfig(
        trunk=ConvTowerConfig(image_size=16, channels=(8, 8, 8), embed_dim=16), classes=ATTRIBUTES
    )
    checkpoint.save(
        folder / "judge.safetensors",
        checkpoint.with_prefix("E", JudgeNet(config).state_dict()),
        checkpoint.Header("judge", config.model_dump(), {}, {}),
    )
    return folder


def save_scorer(folder: Path) -> None:
    config = SmallClipConfig(
        image=ConvTowerConfig(image_size=16, channels=(8, 8, 8), embed_dim=16),
        text=TextTowerConfig(num_merges=100, width=16, heads=2, layers=1, embed_dim=16),
    )
    checkpoint.save(
        folder / "scorer.safetensors",
        checkpoint.with_prefix("E", SmallClip(config).state_dict()),
        checkpoint.Header("clip", config.model_dump(), {}, {}),
    )


def evaluate(folder: Path, out: Path, *more: str) -> int:
    model, judge, scorer = (str(folder / f"{name}.safetensors") for name in ("model", "judge", "scorer"))
    args = ["eval", "shapes", "--model", model, "--judge", judge, "--scorer", scorer, "--n", "10"]
    return main([*args, "--device", "cpu", "--out", str(out), *more])


def test_json_goes_to_stdout_and_equals_the_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(folder, tmp_path / "new", "--json", "--psi", "0.7", "--seed", "2") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "new" / "eval.json").read_text())
    assert printed["protocol"] == "shapes-v1"
    assert printed["n"] == printed["reference_n"] == 40
    assert set(printed["accuracy"]) == {"single", "pair"}
    assert printed["accuracy"]["pair"]["held_out"]["relation"]["n"] == 10
    assert (printed["run"]["psi"], printed["run"]["seed"], printed["run"]["resolution"]) == (0.7, 2, 16)
    assert len(printed["run"]["model_fingerprint"]) >= 8
    assert printed["run"]["scorer"].startswith("small_clip-")
    assert (
        -1
        <= printed["clip_score"]["low"]
        <= printed["clip_score"]["value"]
        <= printed["clip_score"]["high"]
        <= 1
    )
    assert "Worst images" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")


def test_without_json_a_table_is_printed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert evaluate(folder, tmp_path, "--scenes", "single") == 0
    text = capsys.readouterr().out
    for word in ("One object", "colour", "background", "all together", "Frechet distance", "KID"):
        assert word in text
    assert "Two objects" not in text


def test_the_clip_score_can_be_left_out(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert evaluate(folder, tmp_path, "--scenes", "single", "--scorer", "none", "--json") == 0
    assert json.loads(capsys.readouterr().out)["clip_score"] is None


def test_a_model_is_not_scored_by_its_own_text_encoder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(folder, tmp_path / "new", "--model", str(folder / "listener.safetensors")) == 2
    assert "own text encoder" in capsys.readouterr().err


def test_the_same_command_gives_the_same_numbers(folder: Path, tmp_path: Path):
    for name in ("a", "b"):
        assert evaluate(folder, tmp_path / name, "--scenes", "pair") == 0
    first, second = (json.loads((tmp_path / name / "eval.json").read_text()) for name in ("a", "b"))
    first["run"].pop("seconds"), second["run"].pop("seconds")
    assert first == second


@pytest.mark.parametrize(("option", "code", "message"), [
    (("--psi", "7"), 2, "psi 7"),
    (("--n", "3"), 2, "at least 10"),
    (("--judge", "nowhere.safetensors"), 1, "nowhere.safetensors"),
    (("--device", "abacus"), 2, "abacus"),
])  # fmt: skip
def test_a_wrong_argument_is_one_line_and_writes_nothing(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: tuple[str, ...],
    code: int,
    message: str,
):
    assert evaluate(folder, tmp_path / "new", *option) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_output_folder_that_cannot_be_written_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    assert evaluate(folder, tmp_path / "file", "--scenes", "single") == 1
    assert "cannot be written" in capsys.readouterr().err
