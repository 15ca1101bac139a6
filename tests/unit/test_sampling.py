"""Prompts and seeds to files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_snapshot

from t2igan.errors import T2IGanError, UsageError
from t2igan.images import read_metadata
from t2igan.pipeline import TextToImage
from t2igan.sampling import SampleRequest, file_names, parse_seeds, sample, slug


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_snapshot(tmp_path_factory.mktemp("run")))


def draw(snapshot: str, out: Path, **options: Any) -> list[Path]:
    defaults: dict[str, Any] = {"prompts": ("a red circle",), "seeds": "0-1", "model": snapshot, "out": out}
    return list(sample(SampleRequest(**defaults | options)))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]),
        ("0-3", [0, 1, 2, 3]),
        ("3,8,12", [3, 8, 12]),
        (" 5 , 1-2", [5, 1, 2]),
        ("7-7", [7]),
        ("4,4", [4, 4]),
        ("999999999999999999", [10**18 - 1]),
    ],
)
def test_seeds_are_read_in_order(text: str, seeds: list[int]):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "1,,2", "-1", "1.5", "0-100000", "0-999999999999999999", "0x3", "1 2"]
)
def test_what_is_no_list_of_seeds_is_a_usage_error(text: str):
    with pytest.raises(UsageError, match="give whole numbers, as in 0-7 or 3,8,12"):
        parse_seeds(text)


def test_the_longest_list_of_seeds_has_a_hundred_thousand():
    assert len(parse_seeds("0-99999")) == 100_000


def test_a_slug_is_short_and_plain():
    assert slug("A small RED circle!") == "a-small-red-circle"
    assert slug("../../etc/passwd\0") == "etc-passwd"
    assert slug("赤い丸") == "prompt"
    assert len(slug("word " * 50)) <= 48


def test_prompts_of_one_slug_get_names_of_their_own():
    jobs = [("a", 0), ("a!", 0), ("a 2", 0), ("a?", 0), ("a", 1), ("丸", 1), ("円", 1)]
    assert file_names(jobs) == [
        "0000_a.png",
        "0000_a-2.png",
        "0000_a-2-2.png",
        "0000_a-3.png",
        "0001_a.png",
        "0001_prompt.png",
        "0001_prompt-2.png",
    ]


def test_a_file_a_prompt_and_seed_and_a_grid(snapshot: str, tmp_path: Path):
    written = draw(snapshot, tmp_path, prompts=("a red circle", "a blue square"), grid=True)
    names = ["0000_a-red-circle", "0001_a-red-circle", "0000_a-blue-square", "0001_a-blue-square", "grid"]
    assert [path.name for path in written] == [f"{name}.png" for name in names]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert pixels(written[0]).shape == (16, 16, 3)
    assert pixels(written[-1]).shape[0] > 2 * 96  # two rows of enlarged tiles with captions


def test_the_picture_is_the_models(snapshot: str, tmp_path: Path):
    written = draw(snapshot, tmp_path, psi=0.5)
    expected = TextToImage.from_checkpoint(snapshot).generate(["a red circle"] * 2, [0, 1], psi=0.5)
    for path, image in zip(written, expected, strict=True):
        assert (pixels(path) == image.permute(1, 2, 0).numpy()).all()


def test_a_picture_is_the_same_in_any_batch(snapshot: str, tmp_path: Path):
    drawn = [
        [pixels(path) for path in draw(snapshot, tmp_path / str(batch), seeds="0-7", batch=batch)]
        for batch in (1, 8)
    ]
    assert max(abs(a - b).max() for a, b in zip(*drawn, strict=True)) <= 1


def test_a_picture_tells_how_to_draw_it_again(snapshot: str, tmp_path: Path):
    (path,) = draw(snapshot, tmp_path / "first", seeds="5", psi=0.7, prompts=("Ein roter Kreis, 赤",))
    story = read_metadata(path)
    model = TextToImage.from_checkpoint(snapshot)
    assert story["prompt"] == "Ein roter Kreis, 赤"
    assert (story["seed"], story["psi"], story["noise_mode"], story["space"]) == (5, 0.7, "const", "z")
    assert story["model"] == {"name": snapshot, "fingerprint": model.fingerprint}
    assert story["conditioner"] == model.conditioner.fingerprint
    assert story["size"] == [16, 16]
    (again,) = draw(
        story["model"]["name"],
        tmp_path / "again",
        seeds=str(story["seed"]),
        psi=story["psi"],
        prompts=(story["prompt"],),
    )
    assert (pixels(again) == pixels(path)).all()


def test_without_metadata_a_picture_tells_nothing(snapshot: str, tmp_path: Path):
    for path in draw(snapshot, tmp_path, metadata=False, grid=True):
        assert Image.open(path).info == {}


def test_scale_repeats_pixels(snapshot: str, tmp_path: Path):
    (small,) = draw(snapshot, tmp_path / "1", seeds="0")
    (large,) = draw(snapshot, tmp_path / "3", seeds="0", scale=3)
    assert (pixels(large) == pixels(small).repeat(3, 0).repeat(3, 1)).all()


def test_existing_pictures_are_refused_before_any_work_and_replaced_if_asked(snapshot: str, tmp_path: Path):
    second = tmp_path / "0001_a-red-circle.png"
    second.write_text("precious")
    with pytest.raises(UsageError, match=r"0001_a-red-circle\.png: exists already"):
        draw("/nowhere/model.safetensors", tmp_path)  # the model is not even looked for
    assert [path.name for path in tmp_path.iterdir()] == [second.name]
    assert second.read_text() == "precious"
    assert second in draw(snapshot, tmp_path, overwrite=True)
    assert read_metadata(second)["seed"] == 1


def test_an_existing_grid_counts_only_where_one_is_asked_for(snapshot: str, tmp_path: Path):
    (tmp_path / "grid.png").write_text("precious")
    with pytest.raises(UsageError, match="grid"):
        draw(snapshot, tmp_path, grid=True)
    assert len(draw(snapshot, tmp_path)) == 2


def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(T2IGanError, match="cannot be written"):
        draw("/nowhere/model.safetensors", tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompts": ("a", "  ")}, "an empty prompt says nothing to draw"),
        ({"psi": 2.5}, r"psi 2\.5 is outside"),
        ({"seeds": "x"}, "give whole numbers"),
        ({"device": "abacus"}, "no such device"),
    ],
)
def test_what_cannot_be_drawn_leaves_nothing_behind(
    snapshot: str, tmp_path: Path, options: dict, message: str
):
    with pytest.raises(UsageError, match=message):
        draw(snapshot, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_the_end_of_a_prompt_that_is_too_long_is_named(
    snapshot: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        draw(snapshot, tmp_path, prompts=(" ".join(f"w{i}" for i in range(66)),), seeds="0")
    assert "which is cut: 'w64 w65'" in caplog.text
