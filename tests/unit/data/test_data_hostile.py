"""Broken and hostile shards and images: each is skipped and counted, or one clear error; nothing runs or crashes."""

import gzip
import io
import json
import os
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tar_files import write_tar

from t2igan.data.config import ShardsConfig
from t2igan.data.pixels import BadSampleError, center_crop, open_picture, to_rgb
from t2igan.data.samples import Tally, decode
from t2igan.data.shard_stream import ShardsStream
from t2igan.data.tars import index_tar
from t2igan.errors import DataError

PIXELS = np.arange(32 * 24 * 3, dtype=np.uint8).reshape(32, 24, 3)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(color: tuple[int, ...] = (10, 20, 30), size: int = 32, mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, (size, size), color))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be huge."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(99))),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def stream(path: Path, **options) -> ShardsStream:
    return ShardsStream(ShardsConfig(shards=str(path), **options), resolution=16, seed=0)


def good(count: int) -> list[tuple[str, bytes]]:
    return [item for i in range(count) for item in ((f"good{i}.png", png()), (f"good{i}.txt", b"good"))]


def test_good_images_decode_to_their_pixels():
    image = decode(
        {"png": encoded(Image.fromarray(PIXELS)), "txt": b" a  cat\n"}, resolution=24, max_pixels=10**6
    )
    np.testing.assert_array_equal(image.image, PIXELS[4:28])
    assert image.captions == ("a cat",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(20_000, 20_000), "too many pixels"),
        (bomb(14_000, 14_000), "too many pixels"),  # below Pillow's own limit for an error
        (b"", "not a JPEG, PNG or WebP image"),
        (b"this is text", "not a JPEG, PNG or WebP image"),
        (b"GIF89a" + bytes(100), "not a JPEG, PNG or WebP image"),
        (encoded(Image.fromarray(PIXELS), "GIF"), "not a JPEG, PNG or WebP image"),
        (encoded(Image.fromarray(PIXELS), "EPS"), "not a JPEG, PNG or WebP image"),  # would start Ghostscript
        (encoded(Image.fromarray(PIXELS), "JPEG")[:-200], "does not decode"),
        (encoded(Image.fromarray(PIXELS))[:-100], "does not decode"),
        (bomb(100, 100), "does not decode"),
    ],
    ids=[
        "400 MPixel",
        "196 MPixel",
        "empty",
        "text",
        "gif header",
        "gif",
        "eps",
        "cut jpeg",
        "cut png",
        "short png",
    ],
)
def test_a_bad_image_is_refused_with_its_reason(data, reason):
    with pytest.raises(BadSampleError) as caught:
        open_picture(data, max_pixels=178_956_970)
    assert caught.value.reason == reason


def test_max_pixels_is_judged_before_decoding():
    assert open_picture(png(size=10), max_pixels=100).size == (10, 10)
    with pytest.raises(BadSampleError, match="too many pixels"):
        open_picture(png(size=10), max_pixels=99)


def test_sixteen_bit_gray_keeps_its_brightness():
    gray = Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16))
    pixels = np.asarray(to_rgb(open_picture(encoded(gray), max_pixels=99)))
    np.testing.assert_array_equal(pixels[..., 0], [[0, 100], [200, 255]])


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (9, 9, 9, 0)), ("LA", (9, 0))])
def test_transparent_pixels_turn_white(mode, color):
    picture = open_picture(encoded(Image.new(mode, (4, 4), color)), max_pixels=99)
    assert (np.asarray(to_rgb(picture)) == 255).all()


def test_half_transparent_pixels_are_blended_with_the_matte():
    picture = open_picture(png((200, 0, 0, 51), mode="RGBA"), max_pixels=9999)  # alpha 0.2
    assert to_rgb(picture, matte=(0, 100, 0)).getpixel((0, 0)) == (40, 80, 0)


def test_a_transparent_palette_entry_turns_white():
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([0, 0, 0] * 4)
    assert (np.asarray(to_rgb(open_picture(encoded(palette, transparency=3), max_pixels=99))) == 255).all()


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees
    picture = open_picture(encoded(Image.fromarray(PIXELS), exif=exif.tobytes()), max_pixels=9999)
    np.testing.assert_array_equal(np.asarray(to_rgb(picture)), np.rot90(PIXELS, -1))


def test_cmyk_becomes_rgb():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = np.asarray(to_rgb(open_picture(data, max_pixels=9999))).mean((0, 1))
    assert red > 240
    assert max(green, blue) < 15


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert to_rgb(open_picture(data, max_pixels=99)).getpixel((0, 0)) == (255, 0, 0)


def test_nothing_is_enlarged():
    with pytest.raises(BadSampleError, match="smaller than 64 px"):
        center_crop(Image.new("RGB", (63, 200)), 64)


def test_what_lies_beyond_the_square_does_not_reach_its_edge():
    noise = np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    black = noise.copy()
    black[:, :32] = black[:, -32:] = 0
    squares = [center_crop(Image.fromarray(pixels), 32) for pixels in (noise, black, noise[:, 32:-32])]
    assert all(np.array_equal(squares[0], other) for other in squares[1:])


def test_a_crop_of_a_flat_picture_is_flat_and_square():
    pixels = center_crop(Image.new("RGB", (100, 70), (1, 2, 3)), 32)
    assert pixels.shape == (32, 32, 3)
    assert (pixels == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"txt": b"a"}, "no image member"),
        ({"png": png()}, "no caption"),
        ({"png": png(), "txt": b" \n"}, "no caption"),
        ({"png": png(), "txt": b"\xff\xfe\xff"}, "caption is not UTF-8"),
        ({"png": png(), "txt": b"a", "json": b"{"}, "unreadable .json"),
        ({"png": png(), "txt": b"a", "json": b"[" * 100_000}, "unreadable .json"),
        ({"png": png(size=8), "txt": b"a"}, "smaller than 16 px"),
    ],
    ids=["no image", "no txt", "blank txt", "latin txt", "cut json", "nested json", "small image"],
)
def test_a_bad_sample_is_refused_with_its_reason(members, reason):
    with pytest.raises(BadSampleError) as caught:
        decode(members, resolution=16, max_pixels=10**6)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"captions": ["a", " b "]}, ("a", "b")),
        ({"captions": "abc", "caption": "x"}, ("from txt",)),
        ({"captions": [1, None]}, ("from txt",)),
        ([1, 2], ("from txt",)),
    ],
)
def test_captions_come_from_the_list_or_the_txt(fields, expected):
    members = {"png": png(), "txt": b"from txt", "json": json.dumps(fields).encode()}
    assert decode(members, resolution=16, max_pixels=10**6).captions == expected


def test_labels_that_are_no_integers_are_left_out():
    for labels in ("abc", [1.5], [2**40], {"a": 1}):
        members = {"png": png(), "txt": b"a", "json": json.dumps({"labels": labels}).encode()}
        assert decode(members, resolution=16, max_pixels=10**6).labels == ()


def test_bad_samples_are_replaced_counted_and_logged_once(tmp_path, caplog):
    bad = [item for i in range(3) for item in ((f"bad{i}.png", b"text"), (f"bad{i}.txt", b"bad"))]
    reader = stream(write_tar(tmp_path / "a.tar", good(20) + bad))
    captions = [reader.sample(i).caption for i in range(46)]
    assert set(captions) == {"good"}
    assert dict(reader.tally.bad) == {"not a JPEG, PNG or WebP image": 6}
    assert caplog.text.count("skipped") == 1


def test_the_replacement_of_a_bad_sample_is_the_same_after_a_resume(tmp_path):
    items = [
        (f"{i}.{s}", d)
        for i in range(20)
        for s, d in (("png", png((i, 0, 0)) if i % 7 else b"bad"), ("txt", b"%d" % i))
    ]
    path = write_tar(tmp_path / "a.tar", items)
    through = stream(path)
    captions = [through.sample(i).caption for i in range(60)]
    assert [stream(path).sample(i).caption for i in range(60)] == captions


def test_too_many_bad_samples_stop_training(tmp_path):
    bad = [item for i in range(10) for item in ((f"bad{i}.png", b"text"), (f"bad{i}.txt", b"bad"))]
    reader = stream(write_tar(tmp_path / "a.tar", good(10) + bad))
    with pytest.raises(DataError, match=r"10 of 20 samples cannot be used: 10 x not a JPEG"):
        [reader.sample(i) for i in range(20)]


def test_only_bad_samples_stop_training_at_the_first(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("a.jpg", b"x"), ("a.txt", b"a")])
    with pytest.raises(DataError, match="64 random samples in a row"):
        stream(path).sample(0)


def test_members_are_grouped_even_when_they_are_apart(tmp_path):
    entries = index_tar(
        write_tar(tmp_path / "a.tar", [("a.png", b"1"), ("b.png", b"2"), ("b.txt", b"3"), ("a.txt", b"4")])
    )
    assert [(entry.key, sorted(entry.members)) for entry in entries] == [
        ("a", ["png", "txt"]),
        ("b", ["png", "txt"]),
    ]


def test_a_repeated_suffix_opens_another_sample(tmp_path):
    entries = index_tar(
        write_tar(tmp_path / "a.tar", [("a.png", b"1"), ("a.txt", b"2"), ("a.png", b"3"), ("a.txt", b"4")])
    )
    assert [sorted(entry.members) for entry in entries] == [["png", "txt"]] * 2


def test_names_are_never_used_as_paths(tmp_path):
    escape = tmp_path / "escaped"
    items = [
        (name, data)
        for stem in (f"..{escape}", "../../x", str(escape))
        for name, data in ((f"{stem}.png", png()), (f"{stem}.txt", b"a"))
    ]
    reader = stream(write_tar(tmp_path / "a.tar", items))
    assert {reader.sample(i).caption for i in range(3)} == {"a"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar"]


def test_links_and_devices_are_ignored(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (
            ("x.png", tarfile.SYMTYPE),
            ("y.png", tarfile.LNKTYPE),
            ("z.png", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert index_tar(tmp_path / "a.tar") == []


def test_a_pickle_in_a_sample_does_not_run(tmp_path):
    mark = tmp_path / "ran"
    payload = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    for suffix in ("pyd", "pickle", "cls", "npy", "pth"):
        items = [("a.png", png()), ("a.txt", b"a"), (f"a.{suffix}", payload)]
        assert stream(write_tar(tmp_path / f"{suffix}.tar", items)).sample(0).caption == "a"
    assert not mark.exists()


def test_an_oversized_member_is_not_read(tmp_path):
    items = [*good(9), ("big.png", png()), ("big.txt", b"x" * (2**16 + 1))]
    reader = stream(write_tar(tmp_path / "a.tar", items))
    assert {reader.sample(i).caption for i in range(10)} == {"good"}
    assert dict(reader.tally.bad) == {".txt too large": 1}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: data[: len(data) // 2 // 512 * 512 + 100], "is truncated or no tar"),
        (lambda data: data[:1024], "is truncated or no tar"),
        (lambda data: b"not a tar, but long" * 100, "is truncated or no tar"),
        (lambda data: b"no" * 512 + bytes(512), "not a readable tar"),
        (lambda data: data[:3072] + b"\x01" * 512 + data[3584:], "damaged at byte|not a readable tar"),
        (lambda data: bytes(10240), "no samples in 1 shard"),
    ],
    ids=["empty", "cut in a member", "cut at a header", "text", "text and zeros", "bad header", "no members"],
)
def test_a_broken_tar_is_named(tmp_path, damage, message):
    path = write_tar(tmp_path / "a.tar", good(4))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        stream(path)
    assert "a.tar" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_compressed_tar_is_refused(tmp_path):
    write_tar(tmp_path / "a.tar", good(1))
    data = gzip.compress((tmp_path / "a.tar").read_bytes())
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tar"):
        stream(tmp_path / "a.tar")


def test_a_member_that_claims_more_bytes_than_the_file_has_is_an_error(tmp_path):
    path = tmp_path / "a.tar"
    info = tarfile.TarInfo("a.png")
    info.size = 2**33
    path.write_bytes(info.tobuf() + bytes(10240))
    with pytest.raises(DataError, match=r"a\.tar"):
        index_tar(path)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_small_decoding_finds_the_same_faults_as_a_whole_one(mode: str):
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)).convert(mode)
    data = encoded(pixels, "JPEG", quality=90)
    assert min(to_rgb(open_picture(data, max_pixels=10**6, is_small=True)).size) <= 8
    for end in range(300, len(data), 97):
        for is_small in (False, True):
            with pytest.raises(BadSampleError, match=r"does not decode|not a JPEG"):
                open_picture(data[:end], max_pixels=10**6, is_small=is_small)


def test_a_name_that_is_no_utf_8_is_logged_as_text_that_is(caplog: pytest.LogCaptureFixture):
    Tally().skip(os.fsdecode(b"a\x9f.png"), BadSampleError("no caption", os.fsdecode(b"\xff")))
    assert r"a\udc9f.png: skipped: no caption (\udcff)" in caplog.text.encode().decode()
