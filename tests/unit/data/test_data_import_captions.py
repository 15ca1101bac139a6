"""Captions in the formats that people keep, and what is wrong with some of them."""

import codecs
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_data_hostile import png
from test_data_import import samples

from t2igan.data.importer import import_pictures
from t2igan.data.listing.find import Captions
from t2igan.data.listing.table import Columns
from t2igan.errors import DataError, UsageError

COCO = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}],
    "annotations": [
        {"image_id": 9, "caption": "a dog"},
        {"image_id": 7, "caption": "a cat"},
        {"image_id": 7, "caption": "the cat"},
    ],
}
EXPECTED = {"a.png": ["a cat", "the cat"], "b.png": ["a dog"]}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, name in enumerate(("a", "b")):
        (folder / f"{name}.png").write_bytes(png((index, 0, 0)))
    return folder


def captions(
    folder: Path, *, expect_skipped: dict[str, int] | None = None, **options
) -> dict[str, list[str]]:
    """File name -> captions of an import, whose accounts are checked."""
    out = folder.parent / "out"
    report = import_pictures(folder, out, **options)
    assert report["skipped"] == (expect_skipped or {})
    assert report["seen"] == report["samples"] + sum(report["skipped"].values())
    found = {f["file_name"]: f["captions"] for path in sorted(out.rglob("*.tar")) for f, _ in samples(path)}
    return {Path(name).name: texts for name, texts in found.items()}


@pytest.mark.parametrize("head", ["file_name,caption", "Filename,TEXT", "caption,image", "x,path,captions"])
def test_columns_of_a_csv_are_found_by_name(folder, head):
    by_name = {"caption": "{1}", "TEXT": "{1}", "captions": "{1}", "x": "7"}
    line = ",".join(by_name.get(column, "{0}") for column in head.split(",")) + "\n"
    rows = [("a.png", "a cat"), ("a.png", "the  cat"), ("b.png", '"a dog"')]
    (folder / "captions.csv").write_text(head + "\n" + "".join(line.format(*row) for row in rows))
    assert captions(folder) == EXPECTED


@pytest.mark.parametrize(
    ("name", "delimiter"), [("captions.tsv", "\t"), ("metadata.csv", ";"), ("captions.csv", "|")]
)
def test_what_separates_columns_is_seen_in_the_header(folder, name, delimiter):
    rows = [("image_name", "comment"), ("a.png", "a cat"), ("a.png", "the cat"), ("b.png", "a dog")]
    (folder / name).write_text("\r\n".join(delimiter.join(row) for row in rows))
    assert captions(folder) == EXPECTED


def test_cells_may_hold_commas_quotes_line_feeds_and_json_lists(folder):
    (folder / "captions.csv").write_text(
        'image,caption,split\na.png,"a ""big"" cat,\nasleep",train\nb.png,"[""a dog"", ""the dog""]",train\n'
    )
    assert captions(folder) == {"a.png": ['a "big" cat, asleep'], "b.png": ["a dog", "the dog"]}


@pytest.mark.parametrize("several", [True, False])
def test_parquet_rows_hold_one_caption_or_a_list(folder, several):
    images = ["a.png", "b.png"] if several else ["a.png", "a.png", "b.png"]
    texts = [["a cat", "the cat"], ["a dog"]] if several else ["a cat", "the cat", "a dog"]
    pq.write_table(pa.table({"image": images, "text": texts}), folder / "captions.parquet")
    assert captions(folder) == EXPECTED


def test_columns_may_be_named_and_an_error_names_those_there_are(folder):
    (folder / "captions.csv").write_text("pic,words\na.png,a cat\na.png,the cat\nb.png,a dog\n")
    with pytest.raises(
        DataError, match=r"captions.csv: no column file_name, .*; there are pic, words.*--image-column"
    ):
        import_pictures(folder, folder.parent / "out")
    with pytest.raises(DataError, match=r"no column wrong; there are pic, words.*--caption-column"):
        import_pictures(folder, folder.parent / "out", captions=Captions(columns=Columns("pic", "wrong")))
    assert captions(folder, captions=Captions(columns=Columns("pic", "words"))) == EXPECTED


def test_columns_without_a_table_are_refused(folder):
    (folder / "a.txt").write_text("a cat")
    with pytest.raises(UsageError, match="columns are named"):
        import_pictures(folder, folder.parent / "out", captions=Captions(columns=Columns("pic")))


@pytest.mark.parametrize("place", ["captions_train2017.json", "annotations/captions_train2017.json"])
def test_coco_captions_are_joined_by_image_id_wherever_the_image_lies(folder, place):
    (folder / "train2017").mkdir()
    (folder / "a.png").rename(folder / "train2017" / "a.png")
    (folder / "annotations").mkdir()
    (folder / place).write_text(json.dumps(COCO))
    assert captions(folder) == EXPECTED


def test_what_coco_leaves_open_is_counted(folder):
    images = [*COCO["images"], {"id": 11, "file_name": "gone.png"}, {"file_name": "x"}]
    notes = [*COCO["annotations"], {"image_id": 12, "caption": "?"}, {"image_id": 13}, 5]
    (folder / "coco.json").write_text(json.dumps({"images": images, "annotations": notes}))
    (folder / "c.png").write_bytes(png())
    reasons = {"unreadable row": 3, "no such image in the JSON": 1, "no such file": 1, "no caption": 1}
    assert captions(folder, expect_skipped=reasons) == EXPECTED


def test_a_json_of_boxes_is_no_caption_file(folder):
    boxes = {"images": COCO["images"], "annotations": [{"image_id": 7, "bbox": [0, 0, 1, 1]}]}
    (folder / "instances.json").write_text(json.dumps(boxes))
    (folder / "broken.json").write_text("{")
    (folder / "a.txt").write_text("a cat\nthe cat")
    (folder / "b.txt").write_text("a dog")
    assert captions(folder) == EXPECTED


@pytest.mark.parametrize(
    "labels", [[["x/a.png", ["a cat", "the cat"]], ["b.png", "a dog"]], {"b.png": "a dog"}]
)
def test_stylegan_labels_that_are_words_are_captions(folder, labels):
    (folder / "x").mkdir()
    (folder / "a.png").rename(folder / "x" / "a.png")
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    left = {"no caption": 1} if isinstance(labels, dict) else {}
    assert captions(folder, expect_skipped=left) == (EXPECTED if not left else {"b.png": ["a dog"]})


def test_stylegan_labels_that_are_classes_are_none(folder):
    (folder / "dataset.json").write_text(json.dumps({"labels": [["a.png", 3]]}))
    with pytest.raises(DataError, match="no image with a caption: 2 x no caption"):
        import_pictures(folder, folder.parent / "out")


def test_of_several_caption_files_the_first_kind_counts_and_two_of_a_kind_are_an_error(folder):
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "from jsonl"}')
    (folder / "captions.csv").write_text("image,text\na.png,from csv\n")
    (folder / "coco.json").write_text(json.dumps(COCO))
    (folder / "a.txt").write_text("from txt")
    assert captions(folder, expect_skipped={"no caption": 1}) == {"a.png": ["from jsonl"]}
    (folder / "metadata.jsonl").unlink()
    (folder / "captions.tsv").write_text("image\ttext\na.png\tfrom tsv\n")
    with pytest.raises(
        DataError, match=r"captions.csv and captions.tsv\. Name the one to read with --captions"
    ):
        import_pictures(folder, folder.parent / "out2")


def test_captions_may_be_named_inside_the_folder_and_outside(folder, tmp_path):
    (folder / "a.txt").write_text("not this")
    (folder / "sub").mkdir()
    (folder / "sub" / "words.json").write_text(json.dumps(COCO))
    assert captions(folder, captions=Captions("sub/words.json")) == EXPECTED
    (tmp_path / "elsewhere.txt").write_text("image,caption\na.png,a cat\na.png,the cat\nb.png,a dog\n")
    (tmp_path / "out").rename(tmp_path / "before")
    assert captions(folder, captions=Captions(str(tmp_path / "elsewhere.txt"))) == EXPECTED
    for missing in ("gone.csv", "../pictures/gone.csv"):
        with pytest.raises(DataError, match="no such caption file"):
            import_pictures(folder, tmp_path / "x", captions=Captions(missing))
    (folder / "words.yaml").write_text("a: b")
    with pytest.raises(DataError, match="holds no captions that are known"):
        import_pictures(folder, tmp_path / "x", captions=Captions("words.yaml"))


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "Grüße".encode(),
        "Grüße".encode("utf-16"),
        codecs.BOM_UTF16_BE + "Grüße".encode("utf-16-be"),
        "Grüße".encode("utf-32"),
    ],
    ids=["utf-8 bom", "utf-16", "utf-16 be", "utf-32"],
)
def test_captions_with_a_byte_order_mark_are_read(folder, data):
    (folder / "a.txt").write_bytes(data)
    assert captions(folder, expect_skipped={"no caption": 1}) == {"a.png": ["Grüße"]}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["captions.csv", "metadata.jsonl", "coco.json"])
def test_caption_files_with_a_byte_order_mark_are_read(folder, name, encoding):
    text = {
        "captions.csv": "image,text\na.png,Grüße\n",
        "metadata.jsonl": json.dumps({"file_name": "a.png", "text": "Grüße"}, ensure_ascii=False),
        "coco.json": json.dumps(
            COCO | {"annotations": [{"image_id": 7, "caption": "Grüße"}]}, ensure_ascii=False
        ),
    }[name]
    (folder / name).write_bytes(text.encode(encoding))
    assert captions(folder, expect_skipped={"no caption": 1}) == {"a.png": ["Grüße"]}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("Grüße".encode("latin-1"), "caption is not UTF-8"),
        ("a cat".encode("utf-16-le"), "caption is not UTF-8"),  # without a mark: every second byte is NUL
        (b"x" * 10_000_000, ".txt too large"),
    ],
    ids=["latin-1", "utf-16 without mark", "10 MB"],
)
def test_a_bad_txt_is_counted_by_its_reason(folder, data, reason):
    (folder / "a.txt").write_bytes(data)
    (folder / "b.txt").write_text("a dog")
    assert captions(folder, expect_skipped={reason: 1}) == {"b.png": ["a dog"]}


@pytest.mark.parametrize("name", ["captions.csv", "metadata.jsonl"])
def test_bad_cells_lose_their_picture_only(folder, name):
    (folder / "c.png").write_bytes(png())
    texts = {"a.png": b"Gr\xfc\xdfe", "b.png": b"a dog", "c.png": b"x" * 10_000_000}
    if name == "captions.csv":
        data = b"image,text\n" + b"".join(file.encode() + b"," + text + b"\n" for file, text in texts.items())
    else:
        data = b"".join(b'{"file_name": "%s", "text": "%s"}\n' % (f.encode(), t) for f, t in texts.items())
    (folder / name).write_bytes(data)
    reasons = {"caption is not UTF-8": 1, "caption too large": 1}
    assert captions(folder, expect_skipped=reasons) == {"b.png": ["a dog"]}


def test_a_bad_caption_beside_good_ones_is_counted_and_leaves_the_picture(folder):
    row = {"file_name": "a.png", "text": ["a cat", "x" * 70_000, 7, " "]}
    (folder / "metadata.jsonl").write_text(json.dumps(row))
    report = import_pictures(folder, folder.parent / "out")
    assert (report["samples"], report["captions_left_out"]) == (1, {"caption too large": 1})


@pytest.mark.parametrize("cut", [10, 300])
def test_a_cut_parquet_is_an_error_that_names_it(folder, cut):
    pq.write_table(pa.table({"image": ["a.png"], "text": ["a cat"]}), folder / "captions.parquet")
    data = (folder / "captions.parquet").read_bytes()
    (folder / "captions.parquet").write_bytes(data[:-cut])
    with pytest.raises(DataError, match=r"captions\.parquet: not a readable parquet"):
        import_pictures(folder, folder.parent / "out")


def test_rows_before_the_damage_of_a_table_are_used(folder):
    (folder / "captions.csv").write_text('image,text\na.png,a cat\nb.png,"' + "x" * 2**24 + "x")
    reasons = {"unreadable rest of the table": 1, "no caption": 1}
    assert captions(folder, expect_skipped=reasons) == {"a.png": ["a cat"]}


def test_rows_without_picture_and_pictures_without_row_are_counted(folder):
    (folder / "captions.csv").write_text("image,text\na.png,a cat\ngone.png,gone\n,nothing\n")
    reasons = {"no such file": 1, "unreadable row": 1, "no caption": 1}
    assert captions(folder, expect_skipped=reasons) == {"a.png": ["a cat"]}


def test_a_bare_name_that_lies_in_two_folders_is_ambiguous(folder):
    for sub in ("x", "y"):
        (folder / sub).mkdir()
        (folder / sub / "c.png").write_bytes(png())
    (folder / "captions.csv").write_text("image,text\na.png,a cat\nc.png,c\n.\\b.png,b\n")
    reasons = {"ambiguous file name": 1, "no caption": 2}
    assert captions(folder, expect_skipped=reasons) == {"a.png": ["a cat"], "b.png": ["b"]}
