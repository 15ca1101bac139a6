"""`data filter` as a whole: what is kept, what is counted, what an earlier run leaves to be done."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tar_files import write_tar

from t2igan.cli.app import main
from t2igan.clip_scorer import load_scorer
from t2igan.curate.config import HeadConfig, Rules, ScoreConfig
from t2igan.curate.engine import Workers
from t2igan.curate.filtering import filter_shards
from t2igan.curate.score_set import open_scores
from t2igan.curate.scoring import score_shards
from t2igan.curate.select import select
from t2igan.curate.selection import write_selection
from t2igan.curate.table import read_table
from t2igan.curate.writing import write_selected
from t2igan.data.config import ShapesConfig
from t2igan.data.pixels import open_picture
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.tars import index_tar, read_members
from t2igan.errors import DataError, UsageError, WeightsError
from t2igan.metrics.config import ClipFeaturesConfig, SmallClipFeaturesConfig

SMALL = SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer")
CLIP = "embedded:shapes_scorer"
ONE = Workers(count=1)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "set"
    write_shapes(out, n=50, resolution=32, seed=3, config=ShapesConfig(), per_shard=20)
    return out


def run(
    source: Path, out: Path, *, config: ScoreConfig | None = None, count: int = 1, **rules: Any
) -> dict[str, Any]:
    return filter_shards(
        str(source),
        str(out),
        rules=Rules(**rules),
        config=config or ScoreConfig(),
        workers=Workers(count=count),
        scores=str(out) + ".scores",
        is_quiet=True,
    )


def samples(folder: Path) -> list[dict[str, bytes]]:
    return [read_members(tar, entry) for tar in sorted(folder.glob("*.tar")) for entry in index_tar(tar)]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def png(size: tuple[int, int] = (40, 30), colour: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (colour, 90, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def test_kept_are_those_that_an_independent_computation_keeps(shapes: Path, tmp_path: Path):
    before = samples(shapes)
    scorer = load_scorer(CLIP)
    images = torch.stack(
        [
            torch.from_numpy(np.array(open_picture(m["png"], max_pixels=10**6))).permute(2, 0, 1)
            for m in before
        ]
    )
    cosines = scorer(images, [m["txt"].decode() for m in before]).numpy()
    threshold = float(np.sort(cosines)[20]) + 1e-4
    words = np.array([len(m["txt"].decode().split()) for m in before])
    expected = [
        m["png"] for m, c, w in zip(before, cosines, words, strict=True) if c >= threshold and 8 <= w <= 12
    ]
    config = ScoreConfig(clip=SMALL, batch=7)
    found = run(shapes, tmp_path / "out", config=config, clip=CLIP, min_clip=threshold, caption_words=(8, 12))
    assert [m["png"] for m in samples(tmp_path / "out")] == expected
    assert found["samples"] == 50
    assert found["kept"] == len(expected) == 50 - sum(found["reasons"].values())
    assert 0 < found["measured"] < 50  # CLIP saw only what the caption rule had kept


def test_a_sample_keeps_its_image_and_tells_where_it_comes_from(shapes: Path, tmp_path: Path):
    run(shapes, tmp_path / "out", config=ScoreConfig(clip=SMALL), clip=CLIP, min_clip=-1.0)
    before, after = samples(shapes), samples(tmp_path / "out")
    assert [m["png"] for m in before] == [m["png"] for m in after]
    assert [m["txt"] for m in before] == [m["txt"] for m in after]
    first, source = json.loads(after[0]["json"]), json.loads(before[0]["json"])
    assert {name: first[name] for name in ("attributes", "labels")} == {
        name: source[name] for name in ("attributes", "labels")
    }
    assert (first["source_shard"], first["source_key"]) == ("00000.tar", "0000000000")
    table = read_table((tmp_path / "out.scores" / "00000.scores.parquet").read_bytes(), "")
    row = table.columns.to_pylist()[0]
    assert first["t2igan"]["uid"] == row["uid"]
    assert first["t2igan"][f"clip:{CLIP}"] == pytest.approx(row[f"clip:{CLIP}"], abs=1e-6)
    about = json.loads((tmp_path / "out" / ".t2igan" / "dataset.json").read_text())
    assert about["is_complete"]
    assert about["settings"]["rules"] == {"clip": CLIP, "min_clip": -1.0}
    assert about["columns"][f"clip:{CLIP}"][0]["weights"] == table.origins[f"clip:{CLIP}"].weights != ""


def test_the_same_command_does_nothing_twice_and_other_settings_are_refused_by_name(
    shapes: Path, tmp_path: Path
):
    out = tmp_path / "out"
    run(shapes, out, caption_words=(1, 9))
    before = tree(out)
    times = {path: path.stat().st_mtime_ns for path in out.glob("0*")}
    assert run(shapes, out, caption_words=(1, 9))["measured"] == 0
    assert tree(out) == before
    assert times == {path: path.stat().st_mtime_ns for path in out.glob("0*")}
    with pytest.raises(DataError, match=r"rules\.caption_words: \[1, 9\], now \[1, 8\].*--overwrite"):
        run(shapes, out, caption_words=(1, 8))
    assert tree(out) == before


def test_another_selection_replaces_the_old_one_if_that_is_asked_for(shapes: Path, tmp_path: Path):
    for name, words in (("a", (1, 8)), ("b", (1, 9))):
        run(shapes, tmp_path / name, caption_words=words)
    filter_shards(str(shapes), str(tmp_path / "b"), rules=Rules(caption_words=(1, 8)), config=ScoreConfig(),
                  workers=ONE, overwrites=True, scores=str(tmp_path / "b.scores"), is_quiet=True)  # fmt: skip
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_output_is_the_same_with_one_worker_and_with_two(shapes: Path, tmp_path: Path):
    config = ScoreConfig(clip=SMALL, embeddings=True, phash=True, batch=4)
    for count in (1, 2):
        run(
            shapes,
            tmp_path / str(count),
            config=config,
            count=count,
            clip=CLIP,
            min_clip=0.5,
            dedup=("phash", "embedding"),
        )
    assert tree(tmp_path / "1") == tree(tmp_path / "2")
    assert tree(tmp_path / "1.scores") == tree(tmp_path / "2.scores")


def test_a_later_measure_is_added_and_the_others_stay(shapes: Path, tmp_path: Path):
    scores = str(tmp_path / "scores")
    score_shards(str(shapes), config=ScoreConfig(clip=SMALL), scores=scores, workers=ONE, is_quiet=True)
    path = tmp_path / "scores" / "00001.scores.parquet"
    first = read_table(path, "").columns
    found = score_shards(
        str(shapes), config=ScoreConfig(phash=True), scores=scores, workers=ONE, is_quiet=True
    )
    second = read_table(path, "").columns
    assert found["measured"] == 50
    assert second.select(first.column_names).equals(first)
    assert second.column_names == [*first.column_names, "phash"]
    again = score_shards(
        str(shapes), config=ScoreConfig(phash=True, clip=SMALL), scores=scores, workers=ONE, is_quiet=True
    )
    assert again["measured"] == 0


def test_scores_that_the_data_carries_need_no_model(tmp_path: Path):
    """The weights of ViT-B-32 are not on a test machine: asking for them would be an error."""
    rows = [(f"{n:03d}", 0.2 + n / 50) for n in range(10)]
    members = [
        member
        for n, (key, similarity) in enumerate(rows)
        for member in (
            (f"{key}.png", png(colour=n)),
            (f"{key}.txt", b"two words"),
            (f"{key}.json", json.dumps({"similarity": similarity, "pwatermark": n / 10}).encode()),
        )
    ]
    write_tar(tmp_path / "in" / "00000.tar", members)
    config = ScoreConfig(clip=ClipFeaturesConfig(model="ViT-B-32", pretrained="openai"))
    found = run(
        tmp_path / "in",
        tmp_path / "out",
        config=config,
        clip="ViT-B-32/openai",
        min_clip=0.28,
        max_watermark=0.75,
    )
    assert found["reasons"] == {"watermark": 2, "clip": 4}
    about = json.loads((tmp_path / "out" / ".t2igan" / "dataset.json").read_text())
    assert about["columns"]["clip:ViT-B-32/openai"][0]["source"] == "column similarity"


def test_every_bad_sample_is_counted_by_its_reason(tmp_path: Path):
    good = [("a.png", png()), ("a.txt", b"a blue box")]
    zoo = {
        "no caption": [("b.png", png())],
        "no image member": [("c.txt", b"nothing to see")],
        "not a JPEG, PNG or WebP image": [("d.jpg", b"<html>"), ("d.txt", b"a page")],
        "does not decode": [("e.png", png((64, 64))[:-30]), ("e.txt", b"cut")],
        "caption is not UTF-8": [("f.png", png()), ("f.txt", b"\xff\xfe\xfa")],
        ".txt too large": [("g.png", png()), ("g.txt", b"x" * 2**17)],
        "unreadable .json": [("h.png", png()), ("h.txt", b"h"), ("h.json", b"{")],
        "min_resolution": [("i.png", png((20, 90))), ("i.txt", b"i")],
    }
    path = write_tar(
        tmp_path / "in" / "00000.tar", [*good, *(m for members in zoo.values() for m in members)]
    )
    whole = path.read_bytes()
    end = max(at + size for entry in index_tar(path) for at, size in entry.members.values())
    path.write_bytes(whole[: -(-end // 512) * 512] + whole[:600])  # then another sample's start, and nothing
    write_tar(tmp_path / "in" / "00001.tar", good)
    (tmp_path / "in" / "00002.tar").write_bytes(b"no tar at all")
    (tmp_path / "in" / "00003.tar").write_bytes(b"")
    found = run(tmp_path / "in", tmp_path / "out", min_resolution=25)
    assert found["reasons"] == dict.fromkeys(zoo, 1) | {"cut off in the tar": 1}
    assert (found["samples"], found["kept"]) == (11, 2)
    assert set(found["damaged"]) == {str(tmp_path / "in" / f"0000{n}.tar") for n in (0, 2, 3)}
    with pytest.raises(
        DataError, match=r"(?s)--strict.*1 x no caption.*nothing was written|--strict.*nothing was written"
    ):
        filter_shards(str(tmp_path / "in"), str(tmp_path / "strict"), rules=Rules(), config=ScoreConfig(), workers=ONE,
                      scores=str(tmp_path / "s"), is_strict=True, is_quiet=True)  # fmt: skip
    assert not list((tmp_path / "strict").glob("*.tar"))


def test_equal_samples_get_keys_of_their_own_and_exact_duplicates_go(tmp_path: Path):
    members = [
        (f"{n}.{suffix}", data) for n in range(3) for suffix, data in (("png", png()), ("txt", b"one box"))
    ]
    write_tar(tmp_path / "in" / "00000.tar", members)
    run(tmp_path / "in", tmp_path / "all")
    keys = [entry.key for entry in index_tar(tmp_path / "all" / "00000.tar")]
    assert keys == [keys[0], f"{keys[0]}-1", f"{keys[0]}-2"]
    found = run(tmp_path / "in", tmp_path / "one", dedup=("exact",))
    assert Counter(found["reasons"]) == Counter({"duplicate image": 2})


def test_the_input_is_no_place_for_the_output(shapes: Path):
    with pytest.raises(UsageError, match="is the input as well"):
        filter_shards(str(shapes), f"{shapes}/", rules=Rules(), config=ScoreConfig(), workers=ONE)


def test_from_and_to_another_file_system_gives_the_same_shards(shapes: Path, tmp_path: Path):
    run(shapes, tmp_path / "local", caption_words=(1, 9))
    filter_shards(f"file://{shapes}", f"file://{tmp_path}/remote", rules=Rules(caption_words=(1, 9)), config=ScoreConfig(),
                  workers=ONE, scores=f"file://{tmp_path}/remote_scores", is_quiet=True)  # fmt: skip
    tars = {path.name: path.read_bytes() for path in (tmp_path / "local").glob("*.tar")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "remote").glob("*.tar")} == tars
    assert (tmp_path / "remote" / ".t2igan" / "selection" / "keep.npy").is_file()


def test_a_selection_is_written_as_filter_writes_it(shapes: Path, tmp_path: Path):
    run(shapes, tmp_path / "filtered", caption_words=(1, 9), dedup=("exact",))
    tables = open_scores(str(shapes), str(tmp_path / "filtered.scores"))
    kept = select(tables.load, list(tables.shards), Rules(caption_words=(1, 9), dedup=("exact",)))
    write_selection(kept, tmp_path / "kept", tables.load)
    found = write_selected(str(shapes), str(tmp_path / "written"), selection=tmp_path / "kept",
                           scores=str(tmp_path / "filtered.scores"), workers=ONE, is_quiet=True)  # fmt: skip
    assert found["kept"] == kept.kept > 0
    tars = {path.name: path.read_bytes() for path in (tmp_path / "filtered").glob("*.tar")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "written").glob("*.tar")} == tars


def test_a_shard_that_cannot_be_read_leaves_the_others_and_is_named_at_the_end(shapes: Path, tmp_path: Path):
    for path in shapes.glob("*.tar"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "out.scores").mkdir()
    (tmp_path / "out.scores" / "00001.scores.parquet").mkdir()  # so that its table cannot be written
    with pytest.raises(
        DataError, match=r"(?s)1 of 3 shards could not be filtered; the others are done.*00001\.tar"
    ):
        run(tmp_path / "in", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == ["00000.tar", "00002.tar"]
    about = json.loads((tmp_path / "out" / ".t2igan" / "dataset.json").read_text())
    assert (about["is_complete"], list(about["failed"])) == (False, [str(tmp_path / "in" / "00001.tar")])
    (tmp_path / "out.scores" / "00001.scores.parquet").rmdir()
    assert run(tmp_path / "in", tmp_path / "out")["samples"] == 50


def test_without_a_model_samples_that_carry_no_score_go_and_options_that_need_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    fields = [b'{"similarity": 0.4}', b'{"similarity": 0.1}', b"{}"]
    members = [
        (f"{n}.{s}", d)
        for n, j in enumerate(fields)
        for s, d in (("png", png(colour=n)), ("txt", b"a box"), ("json", j))
    ]
    write_tar(tmp_path / "in" / "00000.tar", members)
    words = [
        "data",
        "filter",
        "in",
        "out",
        "--clip",
        "ViT-B-32/openai",
        "--min-clip",
        "0.3",
        "--workers",
        "1",
        "--json",
    ]
    assert main([*words, "--no-model"]) == 0
    assert json.loads(capsys.readouterr().out)["reasons"] == {"no clip score": 1, "clip": 1}
    assert main([*words, "--no-model", "--nsfw-weights", "x.pth"]) == 2
    assert "--nsfw-weights: contradicts --no-model" in capsys.readouterr().err


def test_a_head_of_the_first_predictor_is_not_taken_for_the_second(shapes: Path, tmp_path: Path):
    dim = load_scorer(CLIP).embed_texts(["a"]).shape[1]
    torch.save({"weight": torch.randn(1, dim), "bias": torch.zeros(1)}, tmp_path / "v1.pth")
    config = ScoreConfig(clip=SMALL, heads=(HeadConfig(weights=str(tmp_path / "v1.pth"), name="v2"),))
    with pytest.raises(WeightsError, match="is laid out as aesthetic predictor v1, not v2"):
        score_shards(str(shapes), config=config, scores=str(tmp_path / "s"), workers=ONE, is_quiet=True)
