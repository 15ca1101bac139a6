"""images.py and files.py: bytes round trips, grid geometry, metadata in PNG files, nothing half-written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from t2igan import images
from t2igan.errors import DataError, T2IGanError, UsageError
from t2igan.files import check_folder, write_atomic


def colours(n: int, size: int = 8) -> torch.Tensor:
    """[n, 3, size, size] uint8, each image of one flat colour."""
    flat = torch.randint(0, 200, (n, 3, 1, 1), generator=torch.Generator().manual_seed(n))
    return flat.expand(n, 3, size, size).to(torch.uint8)


def test_every_byte_survives_the_trip_through_floats():
    every_byte = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(images.to_uint8(images.to_float(every_byte)), every_byte)


def test_to_float_spans_minus_one_to_one():
    assert images.to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_to_uint8_clamps_and_truncates_with_the_official_offset():
    img = torch.tensor([-5.0, -1.0, 0.0, 1.0, 5.0])
    assert images.to_uint8(img).tolist() == [0, 0, 128, 255, 255]  # -1 -> 0.5 -> 0; 1 -> 255.5 -> 255


def test_a_grid_without_captions_shows_each_pixel_scale_times():
    sheet = np.asarray(images.grid(colours(3), 2, scale=2))
    assert sheet.shape == (2 * 16 + 3 * images.MARGIN, 2 * 16 + 3 * images.MARGIN, 3)
    first = sheet[images.MARGIN : images.MARGIN + 16, images.MARGIN : images.MARGIN + 16]
    assert (first == colours(3)[0, :, 0, 0].numpy()).all()
    assert (sheet[-16:, -16:] == 255).all()  # the fourth place is empty


def test_a_grid_of_fewer_images_than_columns_is_only_as_wide_as_the_images():
    assert images.grid(colours(2), 8).width == 2 * 8 + 3 * images.MARGIN


def test_captions_add_white_space_with_dark_letters_under_their_tile():
    plain = images.grid(colours(1), 1)
    captioned = images.grid(colours(1), 1, captions=["a small green triangle above a large blue circle"])
    assert captioned.height > plain.height + 2 * images.FONT_SIZE  # wrapped to several lines
    assert np.asarray(captioned)[plain.height :].min() < 80


def test_a_caption_of_any_length_stays_inside_eight_lines():
    short = images.grid(colours(1), 1, captions=["\n".join(["word" * 20] * 4)])
    long = images.grid(colours(1), 1, captions=["unbreakable" * 200])
    assert long.size == short.size


def test_a_grid_refuses_no_images_and_a_wrong_number_of_captions():
    with pytest.raises(UsageError, match="at least one image"):
        images.grid(colours(1)[:0], 1)
    with pytest.raises(UsageError, match="2 images but 1 captions"):
        images.grid(colours(2), 1, captions=["one"])


def test_metadata_and_pixels_come_back_from_a_saved_png(tmp_path: Path):
    entry = {"prompt": "a “red” circle ▲", "seed": 7, "psi": 0.8, "model": {"name": "shapes", "sha256": "ab"}}
    images.save_png(tmp_path / "new" / "x.png", colours(1)[0], entry)
    assert images.read_metadata(tmp_path / "new" / "x.png") == {"v": 1, **entry, "size": [8, 8]}
    with Image.open(tmp_path / "new" / "x.png") as picture:
        assert np.array_equal(np.asarray(picture), colours(1)[0].permute(1, 2, 0).numpy())


def test_a_png_without_metadata_says_so(tmp_path: Path):
    images.save_png(tmp_path / "x.png", colours(1)[0])
    with pytest.raises(DataError, match="no t2igan entry"):
        images.read_metadata(tmp_path / "x.png")


def test_metadata_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "METADATA_VERSION", 2)
    images.save_png(tmp_path / "x.png", colours(1)[0], {})
    monkeypatch.undo()
    with pytest.raises(DataError, match="version 2"):
        images.read_metadata(tmp_path / "x.png")


@pytest.mark.parametrize("content", [b"", b"not a picture", images.png_bytes(colours(1)[0])[:20]])
def test_a_broken_file_has_no_metadata_and_one_clear_error(tmp_path: Path, content: bytes):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a PNG"):
        images.read_metadata(tmp_path / "x.png")


def test_equal_images_give_equal_bytes():
    assert images.png_bytes(colours(1)[0], {"seed": 1}) == images.png_bytes(colours(1)[0], {"seed": 1})


def test_metadata_is_plain_json_in_an_international_text_chunk():
    data = images.png_bytes(colours(1)[0], {"prompt": "ß"})
    chunk = data[data.index(b"iTXt") + 4 :]
    text = chunk[len(b"t2igan") + 5 :].split(b"}")[0] + b"}"
    assert json.loads(text)["prompt"] == "ß"


def test_broken_bytes_in_a_prompt_neither_stop_the_grid_nor_the_file(tmp_path: Path):
    images.save_png(
        tmp_path / "x.png", images.grid(colours(1), 1, captions=["a \udcff"]), {"prompt": "a \udcff"}
    )
    assert images.read_metadata(tmp_path / "x.png")["prompt"] == "a ?"


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(T2IGanError, match="cannot be written"):
        write_atomic(tmp_path / "folder", b"a folder of that name is in the way")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_path_below_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(T2IGanError, match="cannot be written"):
        write_atomic(tmp_path / "file" / "x.png", b"")


def test_a_folder_below_a_file_is_refused_before_work_and_a_new_one_is_not_made(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(T2IGanError, match="no folder"):
        check_folder(tmp_path / "file" / "new")
    check_folder(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
