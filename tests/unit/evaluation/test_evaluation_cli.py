"""`eval folder`, `eval model` and `eval stats` as they are typed: tables, JSON, files, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from t2igan.cli.app import main
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.evaluation.model import own_eyes
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.sources.shards import ShardsSource
from t2igan.metrics.config import ClipFeaturesConfig, JudgeFeaturesConfig, SmallClipFeaturesConfig
from t2igan.pipeline import TextToImage

Run = Callable[..., tuple[int, str, str]]
JUDGE = ("--features", "judge")
SCORER = ("--clip", "embedded:shapes_scorer")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "set"
    write_shapes(out, n=40, resolution=32, seed=3, config=ShapesConfig(), per_shard=40)
    return out


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("T2IGAN_WEIGHTS", "T2IGAN_ALLOW_NETWORK"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: object) -> tuple[int, str, str]:
        code = main(["eval", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return typed


def test_a_model_is_compared_with_pictures_and_captions_and_with_chance(run: Run, shards: Path):
    code, out, err = run(
        "model", "embedded:shapes", "--data", shards, "--n", 30, *JUDGE, *SCORER, "--out", "m.json"
    )
    assert code == 0, err
    for text in (
        "fd_judge",
        "kid_judge",
        "prdc_judge recall",
        "k = 3",
        "k = 5",
        "shuffled captions",
        "30 / 40",
        "mostly bias",
    ):
        assert text in out
    found = json.loads(Path("m.json").read_text())
    assert found["pictures"]["prepared"] == "drawn at 32 px, psi 1, noise const, seed 0"
    assert found["reference"]["prepared"] == "centre crop, Lanczos 32 px"
    score = found["metrics"]["clip_score_small_clip"]
    assert score["low"] < score["value"] < score["high"]
    assert score["shuffled"] < 0.3 < score["value"]


def test_pictures_are_compared_with_pictures_or_their_statistics(run: Run, shards: Path):
    Path("pictures").mkdir()
    for number, picture in enumerate(ShardsSource(str(shards), Preparation()).read(0, 20)):
        Image.fromarray(picture.image.permute(1, 2, 0).numpy()).save(f"pictures/{number}.png")
    code, out, err = run("stats", shards, *JUDGE, "--out", "ref.safetensors")
    assert (code, "40 pictures, judge-" in out) == (0, True), err
    values = []
    for real in (shards, "ref.safetensors"):
        code, out, err = run("folder", "pictures", real, *JUDGE, "--metrics", "fd", "--json")
        assert code == 0, err
        values.append(json.loads(out)["metrics"]["fd_judge"]["value"])
    assert values[0] == values[1] > 1


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["folder", "{shards}", "{shards}"], 1, "judge, small_clip, random_conv"),
        (["folder", "{shards}", "{shards}", "--metrics", "fid", *JUDGE], 2, "ask for fd"),
        (["folder", "{shards}", *JUDGE], 2, "compares with real pictures"),
        (["folder", "nowhere", "{shards}", *JUDGE], 4, "nowhere"),
        (["folder", "{shards}", "no.safetensors", *JUDGE, "--metrics", "fd"], 4, "no.safetensors"),
        (["stats", "{shards}", *JUDGE, "--out", "ref.npz"], 2, "ends with .safetensors"),
        (["model", "nowhere.safetensors", "--data", "{shards}", *JUDGE, *SCORER], 1, "nowhere.safetensors"),
        (["model", "embedded:shapes", "--data", "{shards}", *JUDGE, *SCORER, "--psi", "7"], 2, "psi 7"),
    ],
)
def test_what_cannot_work_is_one_line_and_a_code(
    run: Run, shards: Path, words: list[str], code: int, text: str
):
    found, out, err = run(*(word.format(shards=shards) for word in words))
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1


def test_a_clip_that_trained_the_model_is_told_of():
    model: Any = TextToImage.from_checkpoint()
    judged = [SmallClipFeaturesConfig(), ClipFeaturesConfig(), JudgeFeaturesConfig()]
    assert own_eyes(model, judged) == []
    (text,) = own_eyes(model, [*judged, SmallClipFeaturesConfig(checkpoint="embedded:shapes_clip")])
    assert "embedded:shapes_clip" in text
