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
from t2igan.data.importer import import_folder
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
    report = import_folder(source, tmp_path / "out")
    assert (report["samples"], report["shards"], report["skipped"]) == (2, 1, {})
    (a, _), (b, _) = samples(tmp_path / "out" / "00000.tar")
    assert (a["file_name"], a["captions"]) == ("a.png", ["a cat", "the cat"])
    assert (b["file_name"], b["captions"], b["width"], b["height"]) == ("sub/b.JPG", ["a dog"], 60, 40)


def test_plain_images_are_copied_byte_for_byte(source, tmp_path):
    import_folder(source, tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        copied = tar.extractfile("0000000001.jpg").read()  # pyright: ignore[reportOptionalMemberAccess]
    assert copied == (source / "sub" / "b.JPG").read_bytes()


def test_what_is_imported_can_be_trained_on(source, tmp_path):
    import_folder(source, tmp_path / "out", size=32)
    stream = ShardsStream(ShardsConfig(shards=str(tmp_path / "out")), resolution=32, seed=0)
    assert {stream.sample(i).caption for i in range(40)} == {"a cat", "the cat", "a dog"}


def test_two_imports_give_the_same_bytes(source, tmp_path):
    for name in ("x", "y"):
        import_folder(source, tmp_path / name, size=16)
    assert (tmp_path / "x" / "00000.tar").read_bytes() == (tmp_path / "y" / "00000.tar").read_bytes()


def test_size_shrinks_the_shorter_side_and_skips_smaller_images(source, tmp_path):
    report = import_folder(source, tmp_path / "out", size=36)
    assert report["skipped"] == {"smaller than 36 px": 1}
    ((fields, image),) = samples(tmp_path / "out" / "00000.tar")
    assert image.size == (54, 36) == (fields["width"], fields["height"])
    assert (image.format, fields["original_width"]) == ("PNG", 60)


def test_transparent_pixels_take_the_background_which_is_recorded(source, tmp_path):
    (source / "a.png").write_bytes(png((255, 0, 0, 0), mode="RGBA"))
    import_folder(source, tmp_path / "out", background="#0000ff")
    fields, image = samples(tmp_path / "out" / "00000.tar")[0]
    assert (np.asarray(image) == (0, 0, 255)).all()
    assert fields["matte"] == [0, 0, 255]


def test_rotated_images_are_turned_upright(source, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (source / "sub" / "b.JPG").write_bytes(encoded(Image.new("RGB", (60, 40)), "JPEG", exif=exif.tobytes()))
    import_folder(source, tmp_path / "out")
    assert samples(tmp_path / "out" / "00000.tar")[1][1].size == (40, 60)


def test_metadata_rows_carry_captions_splits_and_labels(source, tmp_path):
    rows = [
        {"file_name": "a.png", "text": ["a red cat", "a cat"], "split": "train", "labels": [3]},
        {"file_name": "sub/b.JPG", "caption": "a blue dog", "split": "test"},
    ]
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    report = import_folder(source, tmp_path / "out")
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
    report = import_folder(source, tmp_path / "out")
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
    report = import_folder(source, tmp_path / "out")
    assert report["samples"] == 1
    assert sum(report["skipped"].values()) == 1


def test_a_split_cannot_leave_the_output_folder(source, tmp_path):
    rows = [{"file_name": "a.png", "text": "a", "split": "../../x"}, {"file_name": "a.png", "text": "a"}]
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert import_folder(source, tmp_path / "out")["skipped"] == {"bad split name": 1}


@pytest.mark.parametrize("line", ["{", "[1]", '{"text": "a"}', "\xff"])
def test_a_broken_metadata_row_is_named_with_its_line(source, tmp_path, line):
    (source / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n' + line, encoding="latin-1")
    with pytest.raises(DataError, match=r"metadata\.jsonl:2: expected a JSON object"):
        import_folder(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_captions_is_an_error_that_leaves_nothing(source, tmp_path):
    for path in source.rglob("*.txt"):
        path.unlink()
    with pytest.raises(DataError, match="no image with a caption: 2 x no caption"):
        import_folder(source, tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        import_folder(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_where_every_image_fails_leaves_nothing(source, tmp_path):
    with pytest.raises(DataError, match="none of 2 images can be used: 2 x smaller than 500 px"):
        import_folder(source, tmp_path / "out", size=500)
    assert not (tmp_path / "out").exists()


def test_options_that_cannot_be_right_are_refused(source, tmp_path):
    with pytest.raises(UsageError, match="is no colour"):
        import_folder(source, tmp_path / "out", background="whitish")
    with pytest.raises(UsageError, match="lies inside"):
        import_folder(source, source / "out")
    with pytest.raises(UsageError, match="at least"):
        import_folder(source, tmp_path / "out", size=2)
