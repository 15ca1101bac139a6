"""CLIP image embeddings beside score tables: who makes them, when they are made again, and what they find."""

from __future__ import annotations

import io
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from t2igan.clip_scorer import load_scorer
from t2igan.curate.config import Rules, ScoreConfig
from t2igan.curate.engine import Workers
from t2igan.curate.filtering import filter_shards
from t2igan.curate.looks.pairs import pair_sheets
from t2igan.curate.score_set import ScoreSet, open_scores
from t2igan.curate.scoring import score_shards
from t2igan.curate.select import select
from t2igan.curate.table import read_table, to_bytes
from t2igan.curate.validate.run import validate_shards
from t2igan.data.config import ShapesConfig
from t2igan.data.pixels import open_picture
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.tars import index_tar, read_members
from t2igan.errors import DataError, UsageError
from t2igan.metrics.config import SmallClipFeaturesConfig

SMALL = SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer")
CLIP = "clip:embedded:shapes_scorer"
COLUMN = "embedding:embedded:shapes_scorer"
FILE = "{}.image-embedded_shapes_scorer.safetensors"
KEEPS = ScoreConfig(clip=SMALL, embeddings=True, batch=8)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "set"
    write_shapes(out, n=30, resolution=32, seed=3, config=ShapesConfig(), per_shard=10)
    return out


def score(source: Path, scores: Path, config: ScoreConfig = KEEPS) -> int:
    found = score_shards(
        str(source), config=config, scores=str(scores), workers=Workers(count=1), is_quiet=True
    )
    return found["measured"]


def tree(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def vectors(scores: Path, stem: str = "00000") -> np.ndarray:
    return load_file(scores / FILE.format(stem))["embed"]


def column(scores: Path, name: str, stem: str = "00000") -> list[Any]:
    return read_table(scores / f"{stem}.scores.parquet", "").columns[name].to_pylist()


def opened(source: Path, scores: Path) -> ScoreSet:
    return open_scores(str(source), str(scores))


def test_embeddings_are_those_of_the_network_and_equal_bytes_every_time(shapes: Path, tmp_path: Path):
    for name in ("1", "2"):
        assert score(shapes, tmp_path / name) == 30
    assert tree(tmp_path / "1") == tree(tmp_path / "2")
    members = [read_members(shapes / "00000.tar", entry) for entry in index_tar(shapes / "00000.tar")]
    pixels = [np.array(open_picture(m["png"], max_pixels=10**6)) for m in members]
    expected = load_scorer("embedded:shapes_scorer").embed_images(
        torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    )
    expected = torch.nn.functional.normalize(expected, dim=1).detach().numpy()
    found = vectors(tmp_path / "1")
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_embeddings_are_added_to_scores_that_are_there_and_then_stay(shapes: Path, tmp_path: Path):
    score(shapes, tmp_path, ScoreConfig(clip=SMALL))
    before = column(tmp_path, CLIP)
    assert not list(tmp_path.glob("*.safetensors"))
    assert score(shapes, tmp_path) == 30
    assert column(tmp_path, CLIP) == before
    assert score(shapes, tmp_path) == 0
    assert score(shapes, tmp_path, ScoreConfig(phash=True)) == 30
    assert score(shapes, tmp_path) == 0


@pytest.mark.parametrize("harm", ["missing", "cut short", "of another shard", "of other weights"])
def test_a_file_that_is_not_what_its_table_speaks_of_is_made_again(harm: str, shapes: Path, tmp_path: Path):
    score(shapes, tmp_path)
    whole = tree(tmp_path)
    path = tmp_path / FILE.format("00001")
    data = path.read_bytes()
    weights = read_table(tmp_path / "00001.scores.parquet", "").origins[COLUMN].weights.encode()
    path.write_bytes({"missing": b"", "cut short": data[:-9], "of another shard": whole[FILE.format("00000")],
                      "of other weights": data.replace(weights, b"0123456789abcdef")}[harm])  # fmt: skip
    if harm == "missing":
        path.unlink()
    tables = opened(shapes, tmp_path)
    with pytest.raises(DataError, match=r"00001\.image.*data score --clip embedded:shapes_scorer --embed"):
        select(tables.load, list(tables.shards), Rules(dedup=("embedding",)), load_embeddings=tables.load_embeddings)  # fmt: skip
    assert score(shapes, tmp_path) == 10
    assert tree(tmp_path) == whole


def test_scores_that_the_data_carries_stay_and_their_embeddings_are_computed(shapes: Path, tmp_path: Path):
    score(shapes, tmp_path, ScoreConfig(clip=SMALL))
    path = tmp_path / "00000.scores.parquet"
    table = read_table(path, "")
    carried = replace(table.origins[CLIP], source="column similarity", weights="")
    table.origins[CLIP] = carried
    path.write_bytes(to_bytes(table))
    assert score(shapes, tmp_path) == 30
    after = read_table(path, "")
    assert after.columns[CLIP].equals(table.columns[CLIP])
    assert after.origins[CLIP] == carried
    assert (vectors(tmp_path) != 0).any(axis=1).all()


def filtered(source: Path, out: Path, config: ScoreConfig = KEEPS, **rules: Any) -> dict[str, Any]:
    return filter_shards(str(source), str(out), rules=Rules(**rules), config=config, workers=Workers(count=1),
                         scores=str(source) + ".scores", is_quiet=True)  # fmt: skip


def test_a_looser_filter_adds_rows_and_leaves_the_others(tmp_path: Path):
    source, scores = tmp_path / "in", tmp_path / "in.scores"
    write_shapes(source, n=30, resolution=32, seed=3, config=ShapesConfig(), per_shard=30)
    first = filtered(source, tmp_path / "a", caption_words=(1, 9), dedup=("embedding",))
    few = vectors(scores)
    is_known = (few != 0).any(axis=1)
    assert 0 < is_known.sum() == first["measured"] < 30
    assert [bool(known) for known in column(scores, COLUMN)] == is_known.tolist()
    second = filtered(source, tmp_path / "b", dedup=("embedding",))
    assert second["measured"] == 30 - first["measured"]
    np.testing.assert_array_equal(vectors(scores)[is_known], few[is_known])
    assert (vectors(scores) != 0).any(axis=1).all()


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def test_filter_finds_a_picture_that_was_compressed_and_shrunk_and_keeps_other_scenes(tmp_path: Path):
    write_shapes(tmp_path / "set", n=20, resolution=64, seed=3, config=ShapesConfig(), per_shard=20)
    tar = tmp_path / "set" / "00000.tar"
    first = read_members(tar, index_tar(tar)[0])
    picture = open_picture(first["png"], max_pixels=10**6).convert("RGB")
    copies = {"a": jpeg(picture), "b": jpeg(picture.resize((48, 48), Image.Resampling.BICUBIC))}
    with tarfile.open(tmp_path / "set" / "00001.tar", "w") as other:
        for key, image in copies.items():
            for suffix, data in (("jpg", image), ("txt", f"a copy, {key}".encode())):
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(data)
                other.addfile(info, io.BytesIO(data))
    found = filtered(tmp_path / "set", tmp_path / "out", dedup=("exact", "embedding"))
    assert found["reasons"] == {"semantic duplicate": 2}
    assert "embedding" not in read_members(tmp_path / "out" / "00000.tar", index_tar(tmp_path / "out" / "00000.tar")[0])["json"].decode()  # fmt: skip
    tables = opened(tmp_path / "set", tmp_path / "set.scores")
    chosen = select(tables.load, list(tables.shards), Rules(dedup=("embedding",)), load_embeddings=tables.load_embeddings)  # fmt: skip
    (sheet,) = pair_sheets(tables.load, chosen, 5, load_embeddings=tables.load_embeddings)
    stays, goes = sheet.groups[0].examples[0::2], sheet.groups[0].examples[1::2]
    rows = {(e.shard, e.row) for e in goes}
    assert {(e.shard, e.row) for e in stays} | rows == {("00000", 0), ("00001", 0), ("00001", 1)}
    assert len(rows) == 2
    assert all(float(e.note.removeprefix("stays, ")) >= 0.95 for e in stays)


def test_a_shard_without_a_usable_sample_has_the_column_and_no_file(tmp_path: Path):
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "00000.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
    score(tmp_path / "in", tmp_path / "scores", ScoreConfig(clip=SMALL))
    score(tmp_path / "in", tmp_path / "scores")
    before = (tmp_path / "scores" / "00000.scores.parquet").stat().st_mtime_ns
    assert score(tmp_path / "in", tmp_path / "scores") == 0
    assert (tmp_path / "scores" / "00000.scores.parquet").stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "scores").iterdir()] == ["00000.scores.parquet"]
    assert column(tmp_path / "scores", COLUMN) == [None]
    tables = opened(tmp_path / "in", tmp_path / "scores")
    found = select(tables.load, ["00000"], Rules(dedup=("embedding",)), load_embeddings=tables.load_embeddings)  # fmt: skip
    assert found.counts()["semantic duplicate"] == 0


def test_validate_names_embeddings_that_do_not_belong_to_their_shard(shapes: Path, tmp_path: Path):
    shutil.copytree(shapes, tmp_path / "set")
    score(tmp_path / "set", tmp_path / "set")
    files = [tmp_path / "set" / FILE.format(f"{n:05d}") for n in range(3)]
    assert validate_shards(str(tmp_path / "set"), workers=Workers(count=1), is_quiet=True)["findings"] == []
    files[0].write_bytes(files[2].read_bytes())
    files[1].write_bytes(files[1].read_bytes()[:-9])
    (found,) = validate_shards(str(tmp_path / "set"), workers=Workers(count=1), is_quiet=True)["findings"]
    assert (found["what"], found["level"], found["count"]) == ("image embeddings do not fit", "error", 2)
    assert [s["sample"] for w in found["where"] for s in w["samples"]] == [path.name for path in files[:2]]


def test_what_is_not_asked_for_or_not_there_is_said(shapes: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="embeddings are a CLIP's: name it as clip"):
        ScoreConfig(embeddings=True)
    score(shapes, tmp_path, ScoreConfig(clip=SMALL))
    tables = opened(shapes, tmp_path)
    with pytest.raises(DataError, match=r"no embedding column.*data score DIR --clip MODEL/TAG --embeddings"):
        select(tables.load, list(tables.shards), Rules(dedup=("embedding",)))
    score(shapes, tmp_path)
    with pytest.raises(DataError, match=r"meant for embedding a/b, .*give --clip embedded:shapes_scorer"):
        select(tables.load, list(tables.shards), Rules(dedup=("embedding",), clip="a/b"))
    with pytest.raises(UsageError, match="load_embeddings"):
        select(tables.load, list(tables.shards), Rules(dedup=("embedding",)))
