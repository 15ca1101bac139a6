"""Faults that a review of the curation code found: each has a test that failed before its fix."""

from __future__ import annotations

import io
import json
import multiprocessing as mp
import os
import re
import signal
import socket
import tarfile
import time
import weakref
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from score_tables import table_of

from t2igan.cli.app import main
from t2igan.clip_scorer import load_scorer
from t2igan.curate.config import HeadConfig, Rules, ScoreConfig
from t2igan.curate.engine import Workers, run_tasks
from t2igan.curate.filtering import filter_shards
from t2igan.curate.presets import combine
from t2igan.curate.score.measuring import Measuring
from t2igan.curate.score.shard import ShardScorer
from t2igan.curate.score.task import score_task
from t2igan.curate.score_set import open_scores
from t2igan.curate.scoring import score_shards
from t2igan.curate.select import select
from t2igan.curate.selection import write_selection
from t2igan.curate.shards import list_shards
from t2igan.curate.table import META, Origin, ScoreTable, read_table
from t2igan.curate.writing import write_selected
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.tars import index_tar, read_members, salvage_tar
from t2igan.errors import DataError, UsageError
from t2igan.metrics.config import SmallClipFeaturesConfig

if TYPE_CHECKING:
    from t2igan.curate.score.networks import Networks

CLIP = "clip:embedded:shapes_scorer"


@dataclass(frozen=True)
class Slow:
    """Does task 0 at once; everything else takes long, and leaves a mark."""

    mark: str

    def __call__(self, worker: int) -> Slow.Do:
        return Slow.Do(self.mark)

    @dataclass(frozen=True)
    class Do:
        mark: str

        def __call__(self, task: int) -> bool:
            if task:
                time.sleep(20)
                Path(self.mark).touch()
            return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_who_stops_a_run_need_not_wait_for_shards_in_work(error: type[BaseException], tmp_path: Path):
    mark = tmp_path / "mark"
    results = cast("Generator[Any, None, None]", run_tasks(Slow(str(mark)), [0, 1], Workers(count=2)))
    assert next(results) == (0, True)  # Ctrl-C in a terminal reaches workers as well; they say nothing of it
    with pytest.raises(error):
        results.throw(error)
    assert not mp.active_children()
    assert not mark.exists()


def watermarked(shard: str, values: list[float], source: str) -> ScoreTable:
    table = table_of(len(values), shard, watermark=values)
    table.origins["watermark"] = Origin("watermark", source=source)
    return table


def test_a_shard_that_is_empty_or_carries_no_scores_spoils_no_other():
    tables = {
        "0": table_of(0, "0"),
        "1": table_of(2, "1"),
        "2": watermarked("2", [0.1, 0.9], "column pwatermark"),
    }
    rules = Rules(max_watermark=0.5, dedup=("phash",))
    for name in tables:
        if name != "0":
            tables[name].columns = tables[name].columns.append_column("phash", pa.array([1, 2], pa.uint64()))
    found = select(lambda shard, columns: pick(tables[shard], columns), list(tables), rules)
    assert found.counts() == {"no watermark score": 2, "watermark": 1, "near duplicate": 0}
    assert found.reasons("0").tolist() == []
    tables["2"] = watermarked("2", [0.1, 0.9], "computed")  # then shard 1 was merely not scored yet
    with pytest.raises(DataError, match=r"1\.tar: its scores lack watermark, which those of 2\.tar have"):
        select(lambda shard, columns: pick(tables[shard], columns), list(tables), Rules(max_watermark=0.5))


def pick(table: ScoreTable, columns: Sequence[str] | None) -> ScoreTable:
    names = [n for n in table.columns.column_names if columns is None or n in columns]
    return ScoreTable(table.source, table.columns.select(names), table.origins)


class Watched:
    """In place of networks: knows how many prepared pictures there are at once."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    def prepare(self, picture: Image.Image) -> Any:
        prepared = torch.zeros(1)
        self.alive.add(prepared)
        return prepared

    def measure(self, prepared: Sequence[Any], captions: Sequence[str]) -> dict[str, np.ndarray]:
        self.most = max(self.most, len(self.alive))
        return {CLIP: np.zeros(len(captions), np.float32)}

    def names(self) -> dict[str, Origin]:
        return {CLIP: Origin("clip", "embedded:shapes_scorer")}

    origins = names


def test_pictures_do_not_pile_up_where_they_are_hashed_as_well(tmp_path: Path):
    path = write_shapes_tar(tmp_path, 60)
    config = ScoreConfig(
        clip=SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer"), phash=True, batch=4
    )
    score_shards(str(path), config=ScoreConfig(), workers=Workers(count=1), is_quiet=True)
    table = read_table(path.with_suffix(".scores.parquet"), "")
    watched = Watched()
    measuring = Measuring(table, config, cast("Networks", watched), threads=1)
    found = measuring.run(path, salvage_tar(path), range(60)).columns
    assert (found[CLIP].null_count, found["phash"].null_count) == (0, 0)
    assert watched.most <= 2 * config.batch


def write_shapes_tar(folder: Path, count: int) -> Path:
    write_shapes(folder / "in", n=count, resolution=32, seed=1, config=ShapesConfig(), per_shard=count)
    return folder / "in" / "00000.tar"


def filtered(source: Path, out: Path | str, **settings: Any) -> dict[str, Any]:
    """`data filter` without rules, in this process."""
    config = settings.pop("config", ScoreConfig())
    return filter_shards(str(source), str(out), rules=Rules(), config=config, workers=Workers(count=1), is_quiet=True,
                         **settings)  # fmt: skip


def write_pairs(path: Path, pairs: Sequence[tuple[bytes, dict[str, Any]]]) -> Path:
    """A tar of samples 0, 1, ... with these images and .json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number, (image, fields) in enumerate(pairs):
            for suffix, data in (("png", image), ("json", json.dumps(fields).encode())):
                info = tarfile.TarInfo(f"{number}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def png(colour: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (colour, 90, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def images(folder: Path) -> list[bytes]:
    found = [
        read_members(tar, entry) for tar in sorted(folder.glob("*.tar")) for entry in salvage_tar(tar).entries
    ]
    return [members["png"] for members in found]


def test_a_shard_that_was_replaced_is_written_anew(tmp_path: Path):
    source, scores = tmp_path / "in" / "0.tar", str(tmp_path / "scores")
    for colour in (1, 2):  # tars come in steps of 10 kB: the second is as long as the first
        write_pairs(source, [(png(colour), {"caption": "a box"})])
        filtered(source.parent, tmp_path / "out", scores=scores)
        assert images(tmp_path / "out") == [png(colour)]


def test_a_selection_is_not_written_of_a_shard_that_changed_since_it_was_scored(tmp_path: Path):
    source = write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a box"})])
    score_shards(str(source), config=ScoreConfig(), workers=Workers(count=1), is_quiet=True)
    tables = open_scores(str(source.parent))
    write_selection(select(tables.load, list(tables.shards), Rules()), tmp_path / "kept", tables.load)
    other = write_pairs(tmp_path / "other.tar", [(png(2), {"caption": "a cup"})])
    os.utime(other, (1, 1))
    other.replace(source)  # which keeps the time of its bytes
    with pytest.raises(DataError, match="has changed since it was scored"):
        write_selected(str(source.parent), str(tmp_path / "out"), selection=tmp_path / "kept", is_quiet=True,
                       workers=Workers(count=1))  # fmt: skip


def test_uids_that_are_only_numbered_give_keys_of_their_own(tmp_path: Path):
    pairs = [(png(n), {"caption": "a box", "uid": f"{n:032x}"}) for n in range(3)]
    write_pairs(tmp_path / "in" / "0.tar", pairs)
    filtered(tmp_path / "in", tmp_path / "out")
    keys = [entry.key for entry in index_tar(tmp_path / "out" / "0.tar")]
    assert keys == ["0" * 24, "0" * 24 + "-1", "0" * 24 + "-2"]


def test_no_caption_is_lost_in_writing(tmp_path: Path):
    long = [
        f"<b>caption</b> {n} " + "word " * 120 for n in range(1000)
    ]  # 0.7 MB, and as much again uncleaned
    fields = [{"caption": "of the page", "captions": ["a <i>box</i>", "a cup"]}, {"captions": long, "x": "y"}]
    write_pairs(tmp_path / "in" / "0.tar", [(png(n), some) for n, some in enumerate(fields)])
    filtered(tmp_path / "in", tmp_path / "out")
    path = tmp_path / "out" / "0.tar"
    first, second = [json.loads(read_members(path, entry)["json"]) for entry in index_tar(path)]
    assert (first["caption"], first["captions"]) == ("of the page", ["a box", "a cup"])
    assert first["caption_raw"] == ["a <i>box</i>", "a cup"]
    assert (len(second["captions"]), second["x"]) == (1000, "y")


def test_a_run_that_wrote_nothing_does_not_stand_in_the_way_of_one_with_other_settings(tmp_path: Path):
    write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a box"})])
    place = {"source": str(tmp_path / "in"), "out": str(tmp_path / "out"), "workers": Workers(count=1)}
    with pytest.raises(DataError, match="no watermark column"):
        filter_shards(**place, rules=Rules(max_watermark=0.5), config=ScoreConfig(), is_quiet=True)
    assert filter_shards(**place, rules=Rules(), config=ScoreConfig(), is_quiet=True)["kept"] == 1
    with pytest.raises(DataError, match="made with other settings"):
        filter_shards(**place, rules=Rules(max_aspect=2), config=ScoreConfig(), is_quiet=True)


def test_neither_the_input_nor_its_scores_are_the_output_by_whatever_name(tmp_path: Path):
    write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a box"})])
    filtered(tmp_path / "in", tmp_path / "set")
    (tmp_path / "link").symlink_to("set")
    for name in (f"{tmp_path}/link", f"{tmp_path}/in/../set", f"file://{tmp_path}/set"):
        with pytest.raises(UsageError, match="is the input as well"):
            filtered(tmp_path / "set", name, overwrites=True)
    with pytest.raises(UsageError, match="is the folder of the output"):
        filtered(tmp_path / "in", tmp_path / "out", scores=str(tmp_path / "out"))
    assert images(tmp_path / "set") == [png(1)]


def scored(source: Path, config: ScoreConfig, scores: Path | None = None) -> int:
    """`data score`: how many samples were measured."""
    found = score_shards(str(source), config=config, scores=str(scores) if scores else None,
                         workers=Workers(count=1), is_quiet=True)  # fmt: skip
    return found["measured"]


def column(path: Path, name: str) -> list[Any]:
    return read_table(path, "").columns[name].to_pylist()


def test_another_limit_of_pixels_and_carried_scores_left_out_mean_new_facts_and_the_same_measures(
    tmp_path: Path,
):
    pairs = [(png(n), {"caption": "a nice box", "punsafe": 0.5}) for n in range(2)]
    source = write_pairs(tmp_path / "in" / "0.tar", pairs)
    table = tmp_path / "in" / "0.scores.parquet"
    scored(source, ScoreConfig(phash=True))
    hashes = column(table, "phash")
    scored(source, ScoreConfig(max_pixels=1000))  # they have 1200
    assert column(table, "problem") == ["too many pixels"] * 2
    scored(source, ScoreConfig(phash=True))
    assert (column(table, "problem"), column(table, "phash"), column(table, "nsfw")) == (
        [""] * 2,
        hashes,
        [0.5] * 2,
    )
    scored(source, ScoreConfig(use_columns=False))
    assert "nsfw" not in read_table(table, "").columns.column_names
    assert column(table, "phash") == hashes


def test_two_sets_with_equal_names_can_follow_each_other_in_one_folder_of_scores(tmp_path: Path):
    for name, colour in (("a", 1), ("b", 2)):
        write_pairs(tmp_path / name / "0.tar", [(png(colour), {"caption": "a box"})])
    uids = []
    for name in ("a", "b"):
        scored(tmp_path / name, ScoreConfig(), tmp_path / "scores")
        uids += column(tmp_path / "scores" / "0.scores.parquet", "uid")
    assert len(set(uids)) == 2
    (tmp_path / "b").rename(tmp_path / "c")  # the same shards elsewhere: nothing is measured again
    assert scored(tmp_path / "c", ScoreConfig(), tmp_path / "scores") == 0


def test_a_measure_that_another_process_adds_meanwhile_stays(tmp_path: Path):
    source = write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a nice box"})])
    scored(source, ScoreConfig())
    task = score_task(list_shards(str(source))[0], None)
    table = read_table(source.with_suffix(".scores.parquet"), "")
    scored(source, ScoreConfig(phash=True))
    ShardScorer(ScoreConfig())._put(task, table)  # of one that began before
    assert column(source.with_suffix(".scores.parquet"), "phash") != [None]


def test_a_table_of_a_newer_t2igan_is_not_replaced(tmp_path: Path):
    source = write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a nice box"})])
    scored(source, ScoreConfig())
    path = source.with_suffix(".scores.parquet")
    found = pq.read_table(path)
    about = json.loads(found.schema.metadata[META]) | {"format": 2, "input": "something new"}
    pq.write_table(found.replace_schema_metadata({META: json.dumps(about)}), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="newer than this t2igan"):
        scored(source, ScoreConfig(phash=True))
    assert path.read_bytes() == before


def test_two_heads_in_files_of_one_name_are_told_apart(tmp_path: Path):
    source = write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a nice box"})])
    clip = SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer")
    dim = load_scorer(clip.checkpoint).dim
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        torch.save({"weight": torch.randn(1, dim), "bias": torch.zeros(1)}, tmp_path / name / "head.pth")
    configs = [
        ScoreConfig(clip=clip, heads=(HeadConfig(weights=str(tmp_path / name / "head.pth"), name="v1"),))
        for name in ("a", "b")
    ]
    scored(source, configs[0])
    assert scored(source, configs[0]) == 0
    with pytest.raises(UsageError, match=r"aesthetic:v1 was measured with weights \w{16}, and the file"):
        scored(source, configs[1])


def header(size: bytes, kind: bytes = b"0") -> bytes:
    """The header of a tar's member "a.txt", with any size."""
    info = tarfile.TarInfo("a.txt")
    info.type = kind
    block = bytearray(info.tobuf())
    block[124:136] = size
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "start",
    [
        header((2**96 - 512).to_bytes(12, "big")),
        (header(b"%011o\0" % 4, b"L") + b"abc".ljust(512, b"\0")) * 1500,
    ],
    ids=["a negative size", "long names of long names"],
)
def test_a_tar_that_leads_astray_is_damaged_and_no_crash(start: bytes, tmp_path: Path):
    path = write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a box"})])
    good = path.read_bytes()[:-1024].rstrip(b"\0")
    path.write_bytes(good + bytes(-len(good) % 512) + start + bytes(1024))
    assert filtered(path.parent, tmp_path / "out")["damaged"][str(path)].startswith("not a readable tar")
    assert images(tmp_path / "out") == [png(1)]
    with pytest.raises(DataError, match="not a readable tar"):
        index_tar(path)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("filter", "in", "out", "--address", "auto"), "--address"),
        (("filter", "in", "out", "--clip-weights", "x"), "--clip-weights"),
        (("filter", "in", "out", "--clip", "a/b"), "--clip"),
        (("filter", "in", "out", "--drop-unknown-language"), "--drop-unknown-language"),
        (("filter", "in", "out", "--phash-distance", "3", "--dedup", "exact"), "--phash-distance"),
        (("score", "in", "--gelu"), "--quick-gelu/--gelu"),
        (("score", "in", "--aesthetic", "v1"), "--aesthetic"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_option_that_would_be_ignored_is_refused(
    words: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["data", *words]) == 2
    found = capsys.readouterr()
    assert found.err.startswith(f"error: {option}")
    assert "has no effect without" in found.err
    assert found.out == ""


def test_a_preset_without_its_threshold_names_no_model():
    assert combine("laion2b", {"min_clip": None}).clip is None
    assert combine("datacomp-clip30", {"min_clip": 0.2}).clip == "ViT-L-14/openai"


def test_a_run_that_was_killed_at_its_very_start_goes_on_and_leaves_nothing(tmp_path: Path):
    write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a box"})])
    inside = tmp_path / "out" / ".t2igan"
    (inside / "selection").mkdir(parents=True)
    host = re.sub(r"\W", "_", socket.gethostname())
    left = [inside / f".dataset.json.{host}.999999999.tmp", inside / "selection" / ".keep.npy.999999999.tmp"]
    for path in left:
        path.touch()
    assert filtered(tmp_path / "in", tmp_path / "out")["kept"] == 1
    assert not [path for path in left if path.exists()]


def test_folders_may_have_any_name(tmp_path: Path):
    name = "a b {1} [0] ü"
    write_pairs(tmp_path / name / "0.tar", [(png(1), {"caption": "a box"})])
    filtered(tmp_path / name, tmp_path / f"{name}'")
    assert filtered(tmp_path / f"{name}'", tmp_path / "last")["kept"] == 1


def test_scores_of_a_first_filter_are_still_there_after_a_second_one(tmp_path: Path):
    write_pairs(tmp_path / "in" / "0.tar", [(png(1), {"caption": "a box"})])
    clip = SmallClipFeaturesConfig(checkpoint="embedded:shapes_scorer")
    filtered(tmp_path / "in", tmp_path / "once", config=ScoreConfig(clip=clip))
    filtered(tmp_path / "once", tmp_path / "twice", config=ScoreConfig(phash=True))
    once, twice = (
        json.loads(read_members(path, entry)["json"])["t2igan"]
        for path in (tmp_path / "once" / "0.tar", tmp_path / "twice" / "0.tar")
        for entry in index_tar(path)
    )
    assert CLIP in once
    assert twice == once | {"phash": twice["phash"]}
