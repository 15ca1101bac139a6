"""One picture file of any kind in, upright RGB with transparency and notes out; and the way back."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from tiny_upsamplers import picture

from t2igan.data.photo import Photo, enlarged, picture_size, read_photo
from t2igan.data.photo_files import find_pictures, name_outputs
from t2igan.data.photo_limit import pixels_allowed
from t2igan.errors import DataError

LIMIT = 10**6
RGB = Image.fromarray(picture(6, 9).permute(1, 2, 0).numpy())
TURNED = 6  # EXIF: the camera was held upright, turn clockwise by 90 degrees


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def read(path: Path) -> Photo:
    return read_photo(path, max_pixels=LIMIT)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_the_pixels_of_any_format_are_read_as_they_are(tmp_path: Path, name: str):
    photo = read(saved(RGB, tmp_path / name, **({"lossless": True} if name == "a.webp" else {})))
    assert torch.equal(photo.image, picture(6, 9))
    assert (photo.alpha, photo.profile, photo.notes) == (None, None, ())


@pytest.mark.parametrize(
    ("mode", "name", "note"),
    [
        ("L", "a.png", "grey made RGB"),
        ("1", "a.png", "black and white made RGB"),
        ("P", "a.gif", "palette made RGB"),
        ("CMYK", "a.jpg", "CMYK made RGB"),
    ],
)
def test_other_modes_become_rgb_and_that_is_said(tmp_path: Path, mode: str, name: str, note: str):
    photo = read(saved(RGB.convert(mode), tmp_path / name))
    assert (tuple(photo.image.shape), photo.notes) == ((3, 6, 9), (note,))


def test_exif_turns_a_picture_upright(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = TURNED
    photo = read(saved(RGB, tmp_path / "a.png", exif=exif))
    assert torch.equal(photo.image, picture(6, 9).rot90(-1, (1, 2)))
    assert photo.notes == ("turned upright by EXIF",)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept_apart_and_comes_back_enlarged(tmp_path: Path, mode: str):
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 9).astype(np.uint8), (6, 1)))
    source = RGB.copy()
    source.putalpha(alpha)
    if mode == "P":
        source, alpha = RGB.quantize(4), RGB.quantize(4).point([0, 255, 255, 255] * 64).convert("L")
        path = saved(source, tmp_path / "a.png", transparency=0)
    else:
        path = saved(source.convert(mode), tmp_path / "a.png")
    photo = read(path)
    assert photo.alpha is not None
    if mode != "P":
        assert (np.asarray(photo.alpha) == np.asarray(alpha)).all()
        assert torch.equal(
            photo.image, torch.from_numpy(np.array(source.convert(mode).convert("RGB"))).permute(2, 0, 1)
        )
    larger = enlarged(photo, photo.image.repeat_interleave(4, 1).repeat_interleave(4, 2))
    assert (larger.mode, larger.size) == ("RGBA", (36, 24))
    smooth = photo.alpha.resize((36, 24), Image.Resampling.LANCZOS)
    assert (np.asarray(larger.getchannel("A")) == np.asarray(smooth)).all()


def test_16_bits_are_reduced_and_that_is_said(tmp_path: Path):
    grey = np.arange(54, dtype=np.uint16).reshape(6, 9) * 1200
    photo = read(saved(Image.fromarray(grey), tmp_path / "a.png"))
    assert photo.notes == ("16 bits reduced to 8", "grey made RGB")
    assert np.abs(photo.image[0].numpy() - grey / 257).max() <= 0.5
    photo = read(saved(Image.fromarray(grey), tmp_path / "a.tif"))
    assert photo.notes[0] == "16 bits reduced to 8"
    assert np.abs(photo.image[0].numpy() - grey / 257).max() <= 0.5


def png_of_16_bits(path: Path, colour_type: int, row: bytes, *, transparent: bytes = b"") -> Path:
    """Two pixels by two, both rows alike."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, colour_type, 0, 0, 0))
    hidden = chunk(b"tRNS", transparent) if transparent else b""
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row + b"\0" + row))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + hidden + pixels + chunk(b"IEND", b""))
    return path


def test_a_png_with_16_bits_a_colour_is_noticed_though_pillow_keeps_silent(tmp_path: Path):
    photo = read(png_of_16_bits(tmp_path / "a.png", 2, bytes([200, 7, 100, 7, 50, 7]) * 2))
    assert photo.notes == ("16 bits reduced to 8",)
    assert photo.image[:, 0, 0].tolist() == [200, 100, 50]


def test_a_transparent_grey_of_16_bits_is_transparency(tmp_path: Path):
    row = struct.pack(">HH", 40_000, 40_001)  # the same grey of 8 bits
    photo = read(png_of_16_bits(tmp_path / "a.png", 0, row, transparent=struct.pack(">H", 40_001)))
    assert photo.alpha is not None
    assert np.asarray(photo.alpha).tolist() == [[255, 0], [255, 0]]
    assert photo.image.unique().tolist() == [156]


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path):
    second = Image.new("RGB", RGB.size, "red")
    photo = read(saved(RGB, tmp_path / "a.png", save_all=True, append_images=[second]))
    assert photo.notes == ("first of 2 frames",)
    assert torch.equal(photo.image, picture(6, 9))


@pytest.mark.parametrize(("name", "share"), [("a.gif", 0.65), ("a.tif", 0.55)])
def test_of_a_file_that_is_cut_off_behind_its_first_frame_that_frame_is_read(
    tmp_path: Path, name: str, share: float
):
    second = RGB.transpose(Image.Transpose.ROTATE_180)
    whole = saved(RGB, tmp_path / name, save_all=True, append_images=[second])
    before, data = read(whole), whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * share)])
    after = read(whole)
    assert (before.notes[0], after.notes[0]) == ("first of 2 frames", "first frame, as others are damaged")
    assert torch.equal(after.image, before.image)


@pytest.mark.parametrize("name", ["a.gif", "a.tif"])
def test_a_file_that_is_cut_off_anywhere_is_read_or_is_a_data_error(tmp_path: Path, name: str):
    path = saved(RGB, tmp_path / name, save_all=True, append_images=[RGB, RGB])
    data = path.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        with contextlib.suppress(DataError):
            assert read(path).image.shape == (3, 6, 9)


def test_an_rgb_profile_is_kept_and_another_is_not(tmp_path: Path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read(saved(RGB, tmp_path / "a.png", icc_profile=profile))
    assert photo.profile == profile
    buffer = io.BytesIO()
    enlarged(photo, photo.image).save(buffer, "PNG")
    assert Image.open(buffer).info["icc_profile"] == profile
    grey = profile[:16] + b"GRAY" + profile[20:]
    assert read(saved(RGB.convert("L"), tmp_path / "b.png", icc_profile=grey)).profile is None


def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path):
    path = saved(RGB, tmp_path / "a.png")
    assert picture_size(path, max_pixels=54) == (9, 6)
    for function in (picture_size, read_photo):
        with pytest.raises(DataError, match=r"9 x 6 pixels are more than the 53 .* --max-megapixels"):
            function(path, max_pixels=53)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.tif"])
def test_the_limit_that_was_asked_for_holds_in_place_of_pillows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    path = saved(RGB, tmp_path / name)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    assert read_photo(path, max_pixels=54).image.shape == (3, 6, 9)
    with pytest.raises(DataError, match=r"9 x 6 pixels are more than the 53 .* --max-megapixels"):
        read_photo(path, max_pixels=53)
    with pytest.raises(DataError, match=r"far more pixels than the 20 that may be read.* --max-megapixels"):
        picture_size(path, max_pixels=20)
    assert Image.MAX_IMAGE_PIXELS == 20


def test_pillows_limit_comes_back_with_the_last_of_several_readers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    first, second, third = pixels_allowed(30), pixels_allowed(50), pixels_allowed(10)
    seen = []
    for step in (first.__enter__, second.__enter__, third.__enter__):
        step()
        seen.append(Image.MAX_IMAGE_PIXELS)
    for reader in (second, first, third):
        reader.__exit__(None, None, None)
        seen.append(Image.MAX_IMAGE_PIXELS)
    assert seen == [30, 50, 50, 30, 20, 20]


def test_files_that_are_no_pictures_are_named(tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    whole = saved(RGB, tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    nan = np.full((4, 4), np.nan, dtype=np.float32)
    saved(Image.fromarray(nan), tmp_path / "float.tif")
    for name, reason in (
        ("text.png", "not a picture that can be read"),
        ("cut.png", "does not decode"),
        ("float.tif", "holds float pixels"),
        ("none.png", "no such file"),
    ):
        with pytest.raises(DataError, match=rf"{name}: {reason}"):
            read(tmp_path / name)


def test_folders_and_patterns_are_listed_without_earlier_results(tmp_path: Path):
    for name in ("b.png", "sub/a.JPG", "sub/notes.txt", "._b.png", "out/b_x4.png", "c.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    out = tmp_path / "out"
    found = find_pictures([str(tmp_path)], out)
    assert found == [(tmp_path / "b.png", Path("b.png")), (tmp_path / "sub/a.JPG", Path("sub/a.JPG"))]
    found = find_pictures([f"{tmp_path}/**/*.*", f"{tmp_path}/b.png", f"{tmp_path}/gone.png"], out)
    assert found == [
        (tmp_path / "b.png", Path("b.png")),
        (tmp_path / "sub/a.JPG", Path("a.JPG")),
        (tmp_path / "gone.png", Path("gone.png")),
    ]
    for place in (f"{tmp_path}/*.gif", f"{tmp_path}/sub/*.txt"):
        with pytest.raises(DataError, match=r"no picture in it\. Known"):
            find_pictures([place], out)
    with pytest.raises(DataError, match="no picture in it beside those in --out"):
        find_pictures([str(out)], out)


def test_outputs_keep_the_folders_below_a_place_and_get_names_of_their_own():
    sources = [(Path(name), Path(name)) for name in ("a.png", "sub/a.png", "a.jpg", "a.tar.gif")]
    jobs = name_outputs(sources, Path("out"), 4)
    assert [str(job.path) for job in jobs] == [
        "out/a_x4.png",
        "out/sub/a_x4.png",
        "out/a_x4-2.png",
        "out/a.tar_x4.png",
    ]
