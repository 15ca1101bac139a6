"""Mutated sources: an import ends with every picture accounted for, or with one clear error; it never crashes."""

import io
import json
import random
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_data_hostile import png

from t2igan.data.importer import import_pictures
from t2igan.errors import DataError

PICTURES = {f"{i}.png": png((i, 0, 0), size=16) for i in range(4)}
TEXTS = [f"Grüße, number {i}" for i in range(4)]


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": list(PICTURES), "text": TEXTS}), buffer)
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for (name, data), text in zip(PICTURES.items(), TEXTS, strict=True):
            file.writestr(name, data)
            file.writestr(name.replace(".png", ".txt"), text)
    return buffer.getvalue()


ROWS = list(zip(PICTURES, TEXTS, strict=True))
COCO = {
    "images": [{"id": i, "file_name": name} for i, name in enumerate(PICTURES)],
    "annotations": [{"image_id": i, "caption": text} for i, text in enumerate(TEXTS)],
}
SOURCES = {
    "captions.csv": "".join(f'{name},"{text}"\n' for name, text in [("image", "text"), *ROWS]).encode(),
    "captions.tsv": "".join(f"{name}\t{text}\n" for name, text in [("image", "text"), *ROWS]).encode(
        "utf-16"
    ),
    "captions.parquet": _parquet(),
    "metadata.jsonl": "\n".join(
        json.dumps({"file_name": name, "text": text}) for name, text in ROWS
    ).encode(),
    "coco.json": json.dumps(COCO).encode(),
    "0.txt": TEXTS[0].encode(),
    "0.png": PICTURES["0.png"],
    "pictures.zip": _zip(),
}


SEEDS = 60


def mutate(data: bytes, seed: int) -> bytes:
    """Flip, cut, repeat or insert a few bytes."""
    draw = random.Random(seed)
    mutated = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8])):
        at = draw.randrange(len(mutated) + 1)
        kind = draw.randrange(4)
        if kind == 0 and at < len(mutated):
            mutated[at] = draw.randrange(256)
        elif kind == 1:
            del mutated[at : at + draw.choice([1, 4, 60])]
        elif kind == 2:
            mutated[at:at] = mutated[at : at + 40]
        else:
            mutated[at:at] = draw.choice([b"\0", b'"', b"\xff\xfe", b"[" * 50, b"../", b"\n"])
    return bytes(mutated)


@pytest.mark.parametrize("name", SOURCES)
def test_mutated_sources_are_accounted_for(tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    for (picture, data), text in zip(PICTURES.items(), TEXTS, strict=True):
        (folder / picture).write_bytes(data)
        (folder / picture).with_suffix(".txt").write_text(text)
    errors: list[str] = []
    for seed in range(SEEDS):
        source = tmp_path / name if name.endswith(".zip") else folder
        (source if source is not folder else folder / name).write_bytes(mutate(SOURCES[name], seed))
        try:
            report = import_pictures(source, tmp_path / f"{seed}")
        except DataError as error:
            errors.append(str(error))
        else:
            assert report["seen"] == report["samples"] + sum(report["skipped"].values())
            assert report["seen"] >= (1 if source is not folder else 4)
    assert not [error for error in errors if "\n" in error]
    assert len(list(tmp_path.glob("[0-9]*"))) == SEEDS - len(errors) > 0  # an error leaves nothing
