"""VQAScore: a stand-in package of the same calling convention, as no true one can be installed here; errors without it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from huggingface_hub import constants
from PIL import Image

from t2igan.cli.app import main
from t2igan.errors import UsageError, WeightsError
from t2igan.evaluation.prompts.accuracy import accuracy
from t2igan.evaluation.prompts.pairs import Pair
from t2igan.evaluation.prompts.vqa import DEFAULT, VqaPairScorer, vqa_model_of

PAIRS = [Pair("colour", "a red box", "a blue box"), Pair("colour", "a blue box", "a red box")]


class RedOrBlue:
    """Called as VQAScore is: paths of pictures and texts -> [pictures, texts]."""

    def __init__(self, model: str, device: str) -> None:
        assert (model, device) == (DEFAULT, "cpu")
        self.was_offline = constants.HF_HUB_OFFLINE

    def __call__(self, images: list[str], texts: list[str]) -> torch.Tensor:
        rows = [Image.open(path).convert("RGB").getpixel((1, 1)) for path in images]
        return torch.tensor([[(row[0] if "red" in text else row[2]) / 255 for text in texts] for row in rows])  # pyright: ignore


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("t2v_metrics")
    made.VQAScore = RedOrBlue  # pyright: ignore[reportAttributeAccessIssue]
    made.list_all_vqascore_models = lambda: [DEFAULT, "clip-flant5-xl"]  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "t2v_metrics", made)
    monkeypatch.delenv("T2IGAN_ALLOW_NETWORK", raising=False)
    return made


def test_pictures_reach_the_package_as_files_with_both_captions(package: ModuleType):
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    images[0, 0], images[0, 2], images[1, 0] = 200, 40, 255
    scorer = VqaPairScorer()
    true, swapped = scorer(images, PAIRS)
    assert (true * 255).round().tolist() == [200, 0]
    assert (swapped * 255).round().tolist() == [40, 255]
    found = accuracy([images], PAIRS, [scorer])[f"vqascore-{DEFAULT}"]
    assert (found["all"]["value"], found["all"]["n"]) == (0.5, 2)


def test_weights_are_fetched_only_where_that_is_allowed(package: ModuleType, monkeypatch: pytest.MonkeyPatch):
    before = constants.HF_HUB_OFFLINE
    assert VqaPairScorer()._score.was_offline
    monkeypatch.setenv("T2IGAN_ALLOW_NETWORK", "1")
    assert VqaPairScorer()._score.was_offline == before == constants.HF_HUB_OFFLINE

    def absent(model: str, device: str) -> None:
        raise OSError("no file in the cache\nand more")

    package.VQAScore = absent  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(WeightsError, match=r"weights \(no file in the cache\). Set T2IGAN_ALLOW_NETWORK=1"):
        VqaPairScorer()
    assert before == constants.HF_HUB_OFFLINE
    with pytest.raises(UsageError, match=r"has no such model\. It has clip-flant5-xxl, clip-flant5-xl"):
        VqaPairScorer("x")


def test_a_scorer_is_named_with_or_without_its_model():
    assert vqa_model_of("vqascore") == DEFAULT
    assert vqa_model_of("vqascore:clip-flant5-xl") == "clip-flant5-xl"
    assert vqa_model_of("ViT-L-14/openai") is None


def test_without_the_package_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setitem(sys.modules, "t2v_metrics", None)  # as if it were not installed
    assert main(["eval", "prompts", "--scorer", "vqascore", "--device", "cpu", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: --scorer vqascore: cannot import t2v_metrics")
    assert "pip install t2v-metrics" in error
    assert error.count("\n") == 1
