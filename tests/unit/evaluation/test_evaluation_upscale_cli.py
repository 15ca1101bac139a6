"""`eval upscale` as it is typed: table, JSON, errors, and the same numbers from two processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import survival
import torch
from PIL import Image
from tiny_upsamplers import tiny_aura_sr

from t2igan.cli.app import main
from t2igan.evaluation.upscale import run as upscale_run
from t2igan.evaluation.upscale.show import PAPER_HEADER, paper_rows, published

Run = Callable[..., tuple[int, str, str]]
WORDS = ("upscale", "--model", "tiny.safetensors", "--device", "cpu")
SMALL = ("--resolution", "32", "--features", "judge", "--perceptual", "small_clip", "--seed", "5")
CHUNK = 4


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("T2IGAN_WEIGHTS", "T2IGAN_ALLOW_NETWORK"):
        monkeypatch.delenv(name, raising=False)
    tiny_aura_sr(tmp_path / "tiny.safetensors")

    def typed(*words: object) -> tuple[int, str, str]:
        code = main(["eval", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return typed


def test_a_table_says_how_it_was_measured_and_keeps_papers_apart(run: Run):
    code, out, err = run(*WORDS, "--data", "shapes", "--count", 3, "--out", "r.json")
    assert code == 0, err
    for text in (
        "made small: 8 px by means of whole squares of pixels (area)",
        "border of 4 px left out",
        "patches: 4 of 16 x 16 px a picture",
        "bicubic",
        "lanczos",
        "PSNR, Y (dB)",
        "perceptual_shapes_scorer",
        "patch_fd_small_clip",
        "images/s, 8 at once",
        "none of these compares with the numbers above",
        "other protocol",
        "warning: no LPIPS",
        "warning: no patch-FID",
        "warning: 12 patches",
    ):
        assert text in out, text
    found = json.loads(Path("r.json").read_text())
    assert set(found["methods"]) == {"model", "bicubic", "lanczos"}
    assert found["methods"]["model"]["ssim_y"]["n"] == 3
    assert found["methods"]["bicubic"]["speed"]["ms_per_image"] > 0
    assert found["model"]["tile"] == 8
    assert "fid" not in {name for values in found["methods"].values() for name in values}


def test_a_picture_of_one_colour_makes_filters_infinite_in_valid_json(run: Run):
    Path("flat").mkdir()
    for number in range(2):
        Image.new("RGB", (40, 36), (10 * number, 90, 200)).save(f"flat/{number}.png")
    code, out, err = run(*WORDS, "--data", "flat", *SMALL, "--json")
    assert code == 0, err
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    numbers = found["methods"]["bicubic"]
    assert (numbers["psnr_rgb"]["value"], numbers["psnr_rgb"]["identical"]) == (None, 2)
    assert numbers["ssim_y"]["value"] == pytest.approx(1)
    assert found["methods"]["model"]["psnr_rgb"]["value"] > 0
    assert any("bicubic: 2 pictures are met bit for bit" in text for text in found["warnings"])


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--data", "small", "--resolution", "32"], 4, "0.png: smaller than 32 px (40 x 24)"),
        (["--data", "shapes", "--scale", "3"], 2, "this model enlarges 4 times"),
        (["--data", "shapes", "--model", "embedded:shapes"], 1, "an upsampler is needed; it draws from prompts"),
        (["--data", "shapes", "--count", "1", "--patches", "1"], 2, "too few patches"),
        (["--data", "shapes", "--resolution", "30"], 2, "multiple of 4"),
        (["--data", "nowhere"], 4, "nowhere"),
        (["--data", "shapes", "--perceptual", "lpips_alex"], 1, "--perceptual small_clip"),
        (["--data", "shapes", "--features", "inception"], 1, "judge, small_clip, random_conv"),
        (["--data", "shapes", "--tile", "big"], 2, "--tile big"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line_and_a_code(run: Run, words: list[str], code: int, text: str):
    Path("small").mkdir()
    Image.new("RGB", (40, 24)).save("small/0.png")
    found, out, err = run(*WORDS, *words)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1


def test_published_numbers_stand_in_a_column_of_other_protocols_only():
    assert "FID, other protocol" in PAPER_HEADER
    gigagan = next(row for row in published() if row.model == "GigaGAN upsampler")
    assert (gigagan.fid, gigagan.seconds) == (1.54, 0.13)
    for row in paper_rows():
        assert len(row) == len(PAPER_HEADER)
        assert "GigaGAN's paper, table" in row[-1]
        assert "px" in row[-2]


def run_command(folder: str, place: str, group: dict[str, str]) -> None:
    """The command as one of a group of processes; an empty group is none."""
    torch.set_num_threads(1)
    upscale_run.CHUNK = CHUNK
    os.chdir(folder)
    os.environ.update(group)
    words = [*WORDS, "--data", "shapes", "--count", "10", *SMALL]
    assert main(["eval", *words, "--cache", f"{place}/cache", "--out", f"{place}/r.json", "--json"]) == 0


def measured(file: Path) -> dict[str, Any]:
    told = json.loads(file.read_text())
    for values in told["methods"].values():
        del values["speed"]
    return {key: value for key, value in told.items() if key != "seconds"}


def test_two_processes_give_the_numbers_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_aura_sr(tmp_path / "tiny.safetensors")
    ranks = [
        survival.SERVER.Process(target=run_command, args=(str(tmp_path), "both", place), daemon=True)
        for place in survival.places(2)
    ]
    for rank in ranks:
        rank.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(upscale_run, "CHUNK", CHUNK)
    run_command(str(tmp_path), "alone", {})
    assert [survival.code_of(rank) for rank in ranks] == [0, 0]
    assert measured(tmp_path / "both/r.json") == measured(tmp_path / "alone/r.json")
    assert len(list((tmp_path / "both/cache").rglob("*.safetensors"))) == 3
