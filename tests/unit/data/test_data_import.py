"""Importing a folder of pictures, broken and hostile ones among them."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_hostile import bomb, encoded, png

from t2igan.data.config import ShardsConfig
from t2igan.data.importer import import_pictures
from t2igan.data.shard_stream import ShardsStream
from t2igan.errors import DataError, UsageError


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(png())
    (folder / "a.txt").write_text("a cat\nthe cat\n\n")
    (folder / "sub" / "b.JPG").write_bytes(encoded(Image.new("RGB", (60, 40), "blue"), "JPEG"))
    (folder / "sub" / "b.txt").write_text("a dog")
    return folder


def samples(shard: Path) -> list[tuple[dict, Image.Image]]:
    with tarfile.open(shard) as tar:
        content = {m.name: tar.extractfile(m).read() for m in tar}  # pyright: ignore[reportOptionalMemberAccess]
    fields = {name[:-5]: json.loads(data) for name, data in content.items() if name.endswith(".json")}
    images = {
        name.split(".")[0]: data for name, data in content.items() if name.endswith((".png", ".jpg", ".webp"))
    }
    return [(fields[key], Image.open(io.BytesIO(images[key]))) for key in sorted(fields)]


def test_images_with_txt_files_are_found_in_all_folders(source, tmp_path):
    report = import_pictures(source, tmp_path / "out")
    assert (report["samples"], report["shards"], report["skipped"]) == (2, 1, {})
    (a, _), (b, _) = samples(tmp_path / "out" / "00000.tar")
    assert (a["file_name"], a["captions"]) == ("a.png", ["a cat", "the cat"])
    assert (b["file_name"], b["captions"], b["width"], b["height"]) == ("sub/b.JPG", ["a dog"], 60, 40)


def test_plain_images_are_copied_byte_for_byte(source, tmp_path):
    import_pictures(source, tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        copied = tar.extractfile("0000000001.jpg").read()  # pyright: ignore[reportOptionalMemberAccess]
    assert copied == (source / "sub" / "b.JPG").read_bytes()


def test_what_is_imported_can_be_trained_on(source, tmp_path):
    import_pictures(source, tmp_path / "out", size=32)
    stream = ShardsStream(ShardsConfig(shards=str(tmp_path / "out")), resolution=32, seed=0)
    assert {stream.sample(i).caption for i in range(40)} == {"a cat", "the cat", "a dog"}


def test_two_imports_give_the_same_bytes(source, tmp_path):
    for name in ("x", "y"):
        import_pictures(source, tmp_path / name, size=16)
    assert (tmp_path / "x" / "00000.tar").read_bytes() == (tmp_path / "y" / "00000.tar").read_bytes()


def test_size_shrinks_the_shorter_side_and_skips_smaller_images(source, tmp_path):
    report = import_pictures(source, tmp_path / "out", size=36)
    assert report["skipped"] == {"smaller than 36 px": 1}
    ((fields, image),) = samples(tmp_path / "out" / "00000.tar")
    assert image.size == (54, 36) == (fields["width"], fields["height"])
    assert (image.format, fields["original_width"]) == ("PNG", 60)


def test_transparent_pixels_take_the_background_which_is_recorded(source, tmp_path):
    (source / "a.png").write_bytes(png((255, 0, 0, 0), mode="RGBA"))
    import_pictures(source, tmp_path / "out", background="#0000ff")
    fields, image = samples(tmp_path / "out" / "00000.tar")[0]
    assert (np.asarray(image) == (0, 0, 255)).all()
    assert fields["matte"] == [0, 0, 255]


def test_rotated_images_are_turned_upright(source, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (source / "sub" / "b.JPG").write_bytes(encoded(Image.new("RGB", (60, 40)), "JPEG", exif=exif.tobytes()))
    import_pictures(source, tmp_path / "out")
    assert samples(tmp_path / "out" / "00000.tar")[1][1].size == (40, 60)


def test_metadata_rows_carry_captions_splits_and_labels(source, tmp_path):
    rows = [
        {"file_name": "a.png", "text": ["a red cat", "a cat"], "split": "train", "labels": [3]},
        {"file_name": "sub/b.JPG", "caption": "a blue dog", "split": "test"},
    ]
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    report = import_pictures(source, tmp_path / "out")
    assert report["splits"] == {"train": 1, "test": 1}
    ((fields, _),) = samples(tmp_path / "out" / "train" / "00000.tar")
    assert (fields["captions"], fields["labels"]) == (["a red cat", "a cat"], [3])
    assert samples(tmp_path / "out" / "test" / "00000.tar")[0][0]["caption"] == "a blue dog"


def test_hostile_files_are_counted_by_reason_and_never_opened(source, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.png").write_bytes(png())
    bad = {
        "bomb.png": bomb(20_000, 20_000),
        "cut.jpg": encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-500],
        "text.png": b"hello",
        "empty.webp": b"",
        "blank.png": png(),
        "nocaption.png": png(),
    }
    for name, data in bad.items():
        (source / name).write_bytes(data)
        (source / name).with_suffix(".txt").write_text("a trap")
    (source / "blank.txt").write_text(" \n")
    (source / "nocaption.txt").unlink()
    (source / "link.png").symlink_to(secret)
    (source / "loop.png").symlink_to(source / "loop.png")
    (source / "linked").symlink_to(outside)
    (source / "link.txt").write_text("a secret")
    report = import_pictures(source, tmp_path / "out")
    assert report["samples"] == 2
    assert report["skipped"] == {
        "too many pixels": 1,
        "does not decode": 1,
        "not a JPEG, PNG or WebP image": 2,
        "no caption": 2,
        "outside the folder": 1,
        "not a usable file name": 1,
    }


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "a\0.png", "x" * 5000]
)
def test_metadata_cannot_name_files_outside_the_folder(source, tmp_path, name):
    (tmp_path / "secret.png").write_bytes(png())
    rows = [{"file_name": name, "text": "a secret"}, {"file_name": "a.png", "text": "a cat"}]
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = import_pictures(source, tmp_path / "out")
    assert (report["samples"], report["seen"]) == (1, 3)
    assert report["skipped"].pop("no caption") == 1  # b.JPG, which no row names
    assert sum(report["skipped"].values()) == 1


def test_a_split_cannot_leave_the_output_folder(source, tmp_path):
    rows = [{"file_name": "a.png", "text": "a", "split": "../../x"}, {"file_name": "sub/b.JPG", "text": "a"}]
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert import_pictures(source, tmp_path / "out")["skipped"] == {"bad split name": 1}


def test_rows_that_put_one_picture_into_two_splits_leave_it_out(source, tmp_path):
    rows = [{"file_name": "a.png", "text": "a", "split": split} for split in ("train", "test")]
    rows.append({"file_name": "sub/b.JPG", "text": "a", "split": "test"})
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = import_pictures(source, tmp_path / "out")
    assert (report["splits"], report["skipped"]) == ({"test": 1}, {"rows disagree on the split": 1})


@pytest.mark.parametrize("line", ["{", "[1]", '{"text": "a"}', "\xff", "[" * 100_000])
def test_a_broken_metadata_row_is_counted_and_with_strict_named_with_its_line(source, tmp_path, line):
    rows = [json.dumps({"file_name": name, "text": "a"}) for name in ("a.png", "sub/b.JPG")]
    (source / "metadata.jsonl").write_text("\n".join([rows[0], line, rows[1]]), encoding="latin-1")
    report = import_pictures(source, tmp_path / "out")
    assert (report["seen"], report["samples"], report["skipped"]) == (3, 2, {"unreadable row": 1})
    with pytest.raises(
        DataError, match=r"metadata\.jsonl:2: unreadable row \(expected a JSON object such as"
    ):
        import_pictures(source, tmp_path / "strict", is_strict=True)
    assert not (tmp_path / "strict").exists()


def test_where_no_row_can_be_read_the_error_names_the_first(source, tmp_path):
    (source / "metadata.jsonl").write_text("a.png a cat\n")
    with pytest.raises(DataError, match=r"metadata\.jsonl:1: expected a JSON object"):
        import_pictures(source, tmp_path / "out")


def test_a_folder_without_captions_is_an_error_that_leaves_nothing(source, tmp_path):
    for path in source.rglob("*.txt"):
        path.unlink()
    with pytest.raises(DataError, match="no image with a caption: 2 x no caption"):
        import_pictures(source, tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        import_pictures(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_where_every_image_fails_leaves_nothing(source, tmp_path):
    with pytest.raises(DataError, match="none of 2 images can be used: 2 x smaller than 500 px"):
        import_pictures(source, tmp_path / "out", size=500)
    assert not (tmp_path / "out").exists()


def test_options_that_cannot_be_right_are_refused(source, tmp_path):
    with pytest.raises(UsageError, match="is no colour"):
        import_pictures(source, tmp_path / "out", background="whitish")
    with pytest.raises(UsageError, match="lies inside"):
        import_pictures(source, source / "out")
    for wrong in ({"size": 2}, {"per_shard": 0}):
        with pytest.raises(UsageError, match="at least"):
            import_pictures(source, tmp_path / "out", **wrong)


def test_strict_commits_nothing_of_the_shard_with_a_bad_image_and_names_it(source, tmp_path):
    (source / "c.png").write_bytes(b"hello")
    (source / "c.txt").write_text("a trap")
    with pytest.raises(DataError, match=r"c\.png: not a JPEG, PNG or WebP image .*--strict"):
        import_pictures(source, tmp_path / "one", is_strict=True, per_shard=2)
    assert not (tmp_path / "one").exists()
    with pytest.raises(DataError, match=r"c\.png"):
        import_pictures(source, tmp_path / "two", is_strict=True, per_shard=1)
    assert [path.name for path in (tmp_path / "two").glob("*.tar")] == ["00000.tar"]
    assert json.loads((tmp_path / "two" / ".t2igan" / "dataset.json").read_bytes())["is_complete"] is False


def test_the_data_set_records_what_was_left_out(source, tmp_path):
    (source / "c.png").write_bytes(png())
    report = import_pictures(source, tmp_path / "out")
    assert report["seen"] == report["samples"] + sum(report["skipped"].values()) == 3
    record = json.loads((tmp_path / "out" / ".t2igan" / "dataset.json").read_bytes())
    assert record["import"] == {"seen": 3, "skipped": {"no caption": 1}, "captions_left_out": {}}


def test_progress_counts_every_picture(source, tmp_path):
    seen: list[tuple[int, int]] = []
    import_pictures(source, tmp_path / "out", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_unusual_pictures_are_written_as_upright_rgb_of_eight_bits(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    frames = [Image.new("RGB", (20, 16), color) for color in ("red", "blue")]
    gray = Image.fromarray(np.full((16, 20), 257 * 100, dtype=np.uint16))
    pictures = {
        "animated.webp": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True),
        "cmyk.jpg": encoded(Image.new("CMYK", (20, 16), (0, 255, 255, 0)), "JPEG"),
        "jfif.jfif": encoded(frames[1], "JPEG"),
        "palette.png": encoded(frames[0].convert("P")),
        "sixteen.png": encoded(gray),
        "wrong.gif": encoded(frames[1], "PNG"),
    }
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
        (folder / name).with_suffix(".txt").write_text(name)
    (folder / "real.gif").write_bytes(encoded(frames[0], "GIF"))
    (folder / "real.txt").write_text("a gif")
    report = import_pictures(folder, tmp_path / "out")
    assert (report["seen"], report["skipped"]) == (7, {"not a JPEG, PNG or WebP image": 1})
    colors = {
        fields["file_name"]: np.asarray(image.convert("RGB")).mean((0, 1)).round(-1).clip(max=250).tolist()
        for fields, image in samples(tmp_path / "out" / "00000.tar")
    }
    red, blue = [250, 0, 0], [0, 0, 250]
    assert colors == {
        "animated.webp": red, "cmyk.jpg": red, "jfif.jfif": blue, "palette.png": red,
        "sixteen.png": [100, 100, 100], "wrong.gif": blue,
    }  # fmt: skip


def test_a_file_name_that_is_not_utf_8_does_not_stop_an_import(source, tmp_path):
    (source / "b\udcff.png").write_bytes(png())
    (source / "b\udcff.txt").write_text("odd")
    assert import_pictures(source, tmp_path / "out")["samples"] == 3
