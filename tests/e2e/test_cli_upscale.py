"""`t2igan upscale` as a shell sees it, with a tiny random AuraSR: files, options, and everything that can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_upsamplers import picture, tiny_aura_sr

from t2igan.checkpoint import Header, fingerprint, part, read, save
from t2igan.cli.app import main
from t2igan.images import read_metadata
from t2igan.upscaler.model import Upscaler

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_aura_sr(tmp_path_factory.mktemp("models") / "tiny.safetensors"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a photo."""
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "photo.jpg")
    return tmp_path


def store(path: Path, height: int = 20, width: int = 30, mode: str = "RGB") -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture(height, width).permute(1, 2, 0).numpy()).convert(mode).save(path)
    return path


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_a_photo_becomes_four_times_as_large_and_tells_how(here: Path, model: str, capsys: Capture):
    assert main(["upscale", "photo.jpg", "--model", model, "--seed", "7"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "out/photo_x4.png  120 x 80\n"
    assert printed.err == ""
    story = read_metadata("out/photo_x4.png")
    assert (story["source"], story["scale"], story["seed"], story["prompt"]) == ("photo.jpg", 4, 7, None)
    assert (story["tile"], story["overlap"], story["blend"], story["noise"]) == (8, 2, "feather", True)
    own = part(read(model, kind="upsampler")[1], "G_ema")
    assert story["model"] == {"name": model, "fingerprint": fingerprint(own)}
    assert (story["source_size"], story["size"]) == ([20, 30], [80, 120])
    low = torch.from_numpy(pixels("photo.jpg").astype(np.uint8)).permute(2, 0, 1)
    expected = Upscaler.from_checkpoint(model).upscale(low, seed=7)
    assert (pixels("out/photo_x4.png") == expected.permute(1, 2, 0).numpy()).all()


def test_the_same_seed_gives_the_same_picture_and_another_another(here: Path, model: str):
    for out, options in (("a", []), ("b", ["--batch", "1"]), ("c", ["--seed", "1"]), ("d", ["--per-tile-z"])):
        assert main(["upscale", "photo.jpg", "-m", model, "--tile", "8", "--out", out, *options]) == 0
    found = {out: pixels(f"{out}/photo_x4.png") for out in "abcd"}
    assert np.abs(found["a"] - found["b"]).max() <= 1
    assert np.abs(found["a"] - found["c"]).max() > 1
    assert np.abs(found["a"] - found["d"]).max() > 1


def test_sixteen_times_is_four_times_twice(here: Path, model: str):
    store(here / "small.png", 3, 2)
    assert main(["upscale", "small.png", "--model", model, "--scale", "16", "--no-metadata"]) == 0
    picture = Image.open("out/small_x16.png")
    assert (picture.size, picture.info) == ((32, 48), {})


def test_any_mode_and_size_is_enlarged_and_what_was_changed_is_said(here: Path, model: str, capsys: Capture):
    store(here / "in" / "grey.png", 9, 8, "L")
    store(here / "in" / "clear.png", 7, 5, "RGBA")
    store(here / "in" / "dot.png", 1, 1)
    Image.fromarray(np.full((4, 6), 40_000, dtype=np.uint16)).save("in/deep.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.open("photo.jpg").save("in/turned.jpg", exif=exif)
    assert main(["upscale", "in", "--model", model, "--out", "big"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "big/clear_x4.png  20 x 28",
        "big/deep_x4.png  24 x 16  (16 bits reduced to 8; grey made RGB)",
        "big/dot_x4.png  4 x 4",
        "big/grey_x4.png  32 x 36  (grey made RGB)",
        "big/turned_x4.png  80 x 120  (turned upright by EXIF)",
    ]
    assert Image.open("big/clear_x4.png").mode == "RGBA"
    assert (pixels("big/clear_x4.png")[..., 3] == 255).all()
    assert read_metadata("big/deep_x4.png")["notes"] == ["16 bits reduced to 8", "grey made RGB"]


def test_one_that_fails_stops_no_other_and_leaves_nothing(here: Path, model: str, capsys: Capture):
    store(here / "in" / "b.png")
    (here / "in" / "a.png").write_text("no picture")
    store(here / "in" / "huge.png", 40, 40)
    words = ["upscale", "gone.png", "in/*.png", "--model", model, "--max-megapixels", "0.02"]
    assert main(words) == 4
    printed = capsys.readouterr()
    assert printed.out == "out/b_x4.png  120 x 80\n"
    assert [path.name for path in (here / "out").iterdir()] == ["b_x4.png"]
    lines = printed.err.splitlines()
    assert lines[0] == "error: gone.png: no such file."
    assert lines[1].startswith("error: in/a.png: not a picture that can be read")
    assert lines[2].startswith("error: in/huge.png: 40 x 40 pixels are more than the 1,250 that may be read.")
    assert lines[3] == "3 of 4 pictures failed"


def test_a_name_that_would_become_too_long_stops_no_other(here: Path, model: str, capsys: Capture):
    long = "n" * 246 + ".png"
    store(here / "in" / long)
    store(here / "in" / "a.png")
    (here / "in" / "sub").mkdir()
    store(here / "in" / "sub" / "b.png")
    (here / "out").mkdir()
    (here / "out" / "sub").touch()
    assert main(["upscale", "in", "--model", model]) == 1
    printed = capsys.readouterr()
    assert printed.out == "out/a_x4.png  120 x 80\n"
    lines = printed.err.splitlines()
    assert "cannot be written (File name too long). Give the picture a shorter name." in lines[0]
    assert lines[1:] == [
        "error: out/sub/b_x4.png: cannot be written (Not a directory). Choose another --out.",
        "2 of 3 pictures failed",
    ]


def test_an_existing_file_is_kept_unless_told_otherwise(here: Path, model: str, capsys: Capture):
    (here / "out").mkdir()
    (here / "out" / "photo_x4.png").write_text("precious")
    store(here / "other.png")
    assert main(["upscale", "photo.jpg", "other.png", "--model", model]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(
        "error: out/photo_x4.png: exists already. Choose another --out, or add --overwrite."
    )
    assert printed.out == "out/other_x4.png  120 x 80\n"
    assert (here / "out" / "photo_x4.png").read_text() == "precious"
    assert main(["upscale", "photo.jpg", "--model", model, "--overwrite"]) == 0
    assert Image.open("out/photo_x4.png").size == (120, 80)


def test_numbers_that_are_not_finite_are_an_error_and_no_picture(here: Path, model: str, capsys: Capture):
    header, tensors = read(model, kind="upsampler")
    tensors["G_ema.to_rgb.bias"][0] = float("nan")
    save("broken.safetensors", tensors, header)
    assert main(["upscale", "photo.jpg", "--model", "broken.safetensors"]) == 1
    assert "photo.jpg: the network's output is not finite" in capsys.readouterr().err
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--scale", "8"], 2, "--scale 8: this model enlarges 4 times, so it can do 4, 16, 64, ..."),
        (["--prompt", "a cat"], 2, "--prompt: this model reads no text"),
        (["--tile", "7"], 2, "a tile of 7 px: this model needs a multiple of 2"),
        (["--tile", "big"], 2, "--tile big: give a whole number of pixels, or auto"),
        (["--tile", "9" * 5000], 2, "--tile: give at most 65,536 pixels, or auto"),
        (["--tile", "65538", "--blend", "paste"], 2, "--tile: give at most 65,536 pixels, or auto"),
        (["--tile", "8", "--overlap", "7"], 2, "an overlap of 7 px"),
        (["--overlap", "9" * 31], 2, "px can overlap by 0 to"),
        (["--device", "abacus"], 2, "no such device"),
        (["--out", "photo.jpg/x"], 1, "photo.jpg/x: cannot be written"),
        (["--max-megapixels", "inf"], 2, "--max-megapixels inf: give a finite number"),
        (["--max-megapixels", "1e308"], 2, "--max-megapixels 1e+308: give a finite number"),
        (["n" * 300], 4, "cannot be looked up (File name too long)"),
        (["nothing/*.png"], 4, "nothing/*.png: no picture in it"),
        (["--model", "fal/AuraSR-v2"], 1, "t2igan model convert aura-sr fal/AuraSR-v2 --out"),
        (["--model", "gone.safetensors"], 1, "gone.safetensors: no such checkpoint file"),
        (["--model", ""], 1, "'': neither a file nor an upsampler inside the package"),
        (["--model", "n" * 300 + ".safetensors"], 1, "no such checkpoint file"),
        (
            ["--model", "embedded:shapes"],
            1,
            'an upsampler is needed; it draws from prompts: t2igan sample "..."',
        ),
        (["--model", "shapes_judge"], 1, "of kind 'judge', but an upsampler is needed; it measures"),
        (["--model", "foreign.safetensors"], 1, "not made by t2igan"),
        (["--model", "photo.jpg"], 1, "not a safetensors file"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(
    here: Path, model: str, capsys: Capture, options: list[str], code: int, message: str
):
    save_file({"w": torch.zeros(1)}, "foreign.safetensors")
    before = sorted(here.iterdir())
    assert (
        main(["upscale", "photo.jpg", *(["--model", model] if "--model" not in options else []), *options])
        == code
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert sorted(here.iterdir()) == before


def test_a_batch_of_more_tiles_than_can_be_counted_is_refused(here: Path, model: str, capsys: Capture):
    assert main(["upscale", "photo.jpg", "--model", model, "--batch", "9" * 31]) == 2
    assert "--batch" in capsys.readouterr().err.splitlines()[0]


def test_a_prompt_reaches_no_pixel_of_a_generator_that_is_an_upsampler(
    here: Path, model: str, capsys: Capture
):
    assert main(["sample", "a red circle", "--model", model]) == 1
    assert f"t2igan upscale IMG --model {model}" in capsys.readouterr().err
    save("run.safetensors", {}, Header("state"))
    assert main(["upscale", "photo.jpg", "--model", "run.safetensors"]) == 1
    assert "t2igan model export" in capsys.readouterr().err
