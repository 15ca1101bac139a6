from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from score_tables import L14, hash_of, loader, random_table, table_of, uid_of

from t2igan.curate import spill
from t2igan.curate.config import Rules
from t2igan.curate.keep_list import UID, is_kept, read_keep_list
from t2igan.curate.select import select
from t2igan.curate.selection import Selection, read_reasons, read_selection, write_selection
from t2igan.curate.table import ScoreTable
from t2igan.errors import DataError, UsageError

ALL = Rules(min_resolution=200, max_aspect=3.0, caption_words=(2, 11), languages=("en",), max_nsfw=0.7, max_watermark=0.8,
            min_clip=0.18, min_aesthetic=3.0, clip_top=0.7, dedup=("exact", "phash", "caption"))  # fmt: skip


def select_from(tables: Mapping[str, ScoreTable], rules: Rules) -> Selection:
    return select(loader(tables), list(tables), rules)


def random_tables(count: int = 5, rows: int = 400) -> dict[str, ScoreTable]:
    return {f"{i:05d}": random_table(rows, seed=i, shard=f"{i:05d}") for i in range(count)}


def reasons_of(rules: Rules, **columns) -> list[str]:
    table = table_of(len(next(iter(columns.values()))), **columns)
    return select_from({"00000": table}, rules).reasons("00000").tolist()


def by_hand(df: pd.DataFrame) -> pd.Series:
    """Reasons by ALL, sample by sample and pair by pair."""
    short, long = df[["width", "height"]].min(axis=1), df[["width", "height"]].max(axis=1)
    clip, aesthetic = df[L14].astype(float), df["aesthetic:v2"].astype(float)
    found = df.problem.copy()
    for reason, fails in {
        "min_resolution": short < 200, "max_aspect": long > 3.0 * short, "caption_words": (df.words < 2) | (df.words > 11),
        "no language": df.language.isna(), "language": df.language == "de",
        "no nsfw score": df.nsfw.isna(), "nsfw": df.nsfw.round(2) > 0.7,
        "no watermark score": df.watermark.isna(), "watermark": df.watermark.round(2) > 0.8,
        "no clip score": clip.isna(), "clip": clip.round(2) < 0.18,
        "no aesthetic score": aesthetic.isna(), "aesthetic": aesthetic.round(2) < 3.0,
    }.items():  # fmt: skip
        found[(found == "") & fails] = reason
    left = df[found == ""].sort_values([L14, "uid"], ascending=[False, True])
    found[left.index[int(len(left) * 0.7) :]] = "clip_top"
    for column, reason, distance in (
        ("image_hash", "duplicate image", 0), ("phash", "near duplicate", 4), ("caption_hash", "duplicate caption", 0),
    ):  # fmt: skip
        left = df[found == ""].assign(area=df.width * df.height)
        stays: list[int] = []
        for index, row in left.sort_values(["area", L14, "uid"], ascending=[False, False, True]).iterrows():
            if any((other ^ int(row[column])).bit_count() <= distance for other in stays):
                found[index] = reason
            else:
                stays.append(int(row[column]))
    return found


def test_the_waterfall_of_random_tables_is_what_pandas_gives():
    tables = random_tables()
    selection = select_from(tables, ALL)
    df = pd.concat([table.columns.to_pandas() for table in tables.values()], ignore_index=True)
    expected = by_hand(df)
    assert (
        np.concatenate([selection.reasons(shard) for shard in selection.shards]).tolist() == expected.tolist()
    )
    assert selection.counts() == expected[expected != ""].value_counts().to_dict()
    assert selection.kept + sum(selection.counts().values()) == selection.seen == 2000
    assert {"clip_top", "duplicate image", "near duplicate", "duplicate caption"} <= set(expected)


def test_active_rules_that_drop_nothing_are_counted_as_well():
    selection = select_from({"0": table_of(3)}, Rules(min_resolution=8, dedup=("exact",)))
    assert selection.counts() == {"min_resolution": 0, "duplicate image": 0}


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0, 0.05])
def test_the_top_share_keeps_whole_numbers_of_the_pool_and_ties_go_by_uid(share):
    scores = [0.3, 0.2, 0.2, 0.2, -0.1, 0.2, 0.4, 0.2, 0.2, 0.2]
    reasons = reasons_of(Rules(clip_top=share), clip_=scores)
    uids = [uid_of(f"00000-{i}") for i in range(10)]
    best = sorted(range(10), key=lambda i: (-scores[i], uids[i]))[: int(10 * share)]
    assert [i for i, reason in enumerate(reasons) if not reason] == sorted(best)


def test_the_pool_of_the_top_share_is_what_other_rules_leave():
    reasons = reasons_of(
        Rules(clip_top=0.5, min_resolution=256), clip_=[0.9, 0.8, 0.3, 0.2], width=[9, 9, 300, 300]
    )
    assert reasons == ["min_resolution", "min_resolution", "", "clip_top"]


def test_the_cut_is_recorded_with_its_score():
    cut = select_from({"0": table_of(4, clip_=[0.5, 0.25, 0.25, 0.125])}, Rules(clip_top=0.5)).cut
    assert cut is not None
    assert (cut.pool, cut.count, cut.score, cut.ties) == (4, 2, 0.25, 1)


def test_of_equal_images_the_larger_stays_then_the_better_match():
    same = [hash_of("one")] * 3
    rules = Rules(dedup=("exact",))
    assert reasons_of(rules, image_hash=same, width=[640, 800, 640]) == [
        "duplicate image",
        "",
        "duplicate image",
    ]
    assert reasons_of(rules, image_hash=same, clip_=[0.1, 0.2, None]) == [
        "duplicate image",
        "",
        "duplicate image",
    ]
    assert reasons_of(rules, image_hash=same, uid=["b" * 32, "c" * 32, "a" * 32])[2] == ""


def test_near_duplicates_go_only_for_one_that_stays():
    # b is near a, c is near b but not near a: a stays, b goes, c stays
    hashes = [0, 0b1111, 0b11111111]
    rules = Rules(dedup=("phash",))
    assert reasons_of(rules, phash=hashes, width=[900, 800, 700]) == ["", "near duplicate", ""]
    assert reasons_of(rules, phash=hashes, width=[700, 900, 800]) == ["near duplicate", "", "near duplicate"]
    assert reasons_of(rules, phash=[5, None, None]) == ["", "", ""]  # nothing is known of the others
    exact = Rules(dedup=("phash",), phash_distance=0)
    assert reasons_of(exact, phash=[2**64 - 1, 2**64 - 2, 2**64 - 1], width=[900, 800, 700]) == [
        "",
        "",
        "near duplicate",
    ]


def test_sets_beyond_memory_give_the_same_duplicates(monkeypatch: pytest.MonkeyPatch):
    tables = random_tables()
    whole = select_from(tables, ALL)
    monkeypatch.setattr(spill, "PART", 100)  # 2000 rows in 32 parts on disk
    parts = select_from(tables, ALL)
    assert all((whole.codes[shard] == parts.codes[shard]).all() for shard in whole.shards)


def test_margins_are_what_a_selection_with_the_moved_limit_keeps():
    tables = random_tables()
    rules = Rules(min_resolution=200, caption_words=(3, 9), min_clip=0.25, max_watermark=0.5)
    margins = {(m.rule, m.side): m for m in select_from(tables, rules).margins}
    assert len(margins) == 5
    margin = margins["min_resolution", "least"]
    assert margin.moved == (180, 220)
    for limit, kept in zip(margin.moved, margin.kept, strict=True):
        moved = select_from(tables, rules.model_copy(update={"min_resolution": limit}))
        assert kept == pytest.approx(moved.kept / moved.seen)
    assert margins["caption_words", "least"].moved == (2, 4)  # whole numbers move by at least 1
    for limit, kept in zip((0.225, 0.275), margins["clip", "least"].kept, strict=True):
        moved = select_from(tables, rules.model_copy(update={"min_clip": limit}))
        assert kept == pytest.approx(moved.kept / moved.seen)


def test_weights_that_differ_between_shards_are_refused():
    tables = {
        name: table_of(2, name, weights={L14: weights}, clip_=[0.2, 0.3])
        for name, weights in (("a", "1111"), ("b", "2222"))
    }
    with pytest.raises(DataError, match=r"b\.tar.*2222.*a\.tar.*1111"):
        select_from(tables, Rules(min_clip=0.25))
    assert select_from(tables, Rules(min_resolution=8)).kept == 4  # no rule looks at them


def test_a_shard_without_the_scores_of_the_others_is_named():
    tables = {"a": table_of(2, "a", clip_=[0.2, 0.3]), "b": table_of(2, "b")}
    with pytest.raises(DataError, match=r"b\.tar.*clip:ViT-L-14/openai"):
        select_from(tables, Rules(min_clip=0.25))


def test_nothing_to_select_from_is_an_error():
    with pytest.raises(DataError, match="data score"):
        select(loader({}), [], Rules())
    with pytest.raises(UsageError, match="twice"):
        select(loader({"a": table_of(1)}), ["a", "a"], Rules())


def test_files_are_equal_whatever_the_order_of_the_shards(tmp_path: Path):
    tables = random_tables()
    load, names = loader(tables), list(tables)
    for folder, order in (("one", names), ("two", names[::-1])):
        write_selection(select(load, order, ALL, preset="t2igan"), tmp_path / folder, load)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [*(f"{name}.reasons.parquet" for name in names), "keep.npy", "selection.json"]
    assert all(
        (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files
    )


def test_the_keep_list_holds_the_kept_uids_in_datacomps_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tables = random_tables(rows=1000)
    selection = select_from(tables, ALL)
    kept = {
        uid
        for name, t in tables.items()
        for uid, r in zip(t.columns["uid"].to_pylist(), selection.reasons(name), strict=True)
        if not r
    }
    expected = np.array(sorted((int(uid[:16], 16), int(uid[16:], 16)) for uid in kept), UID)
    for part, folder in ((1 << 21, "memory"), (300, "disk")):
        monkeypatch.setattr(spill, "PART", part)
        write_selection(selection, tmp_path / folder, loader(tables))
        assert (np.load(tmp_path / folder / "keep.npy") == expected).all()
    keep = read_keep_list(tmp_path / "disk" / "keep.npy")
    assert isinstance(keep, np.memmap)
    asked = np.concatenate(
        [expected[::7], np.array([(0, 0), (2**64 - 1, 2**64 - 1), (int(expected[0]["f0"]), 1)], UID)]
    )
    assert is_kept(keep, asked).tolist() == [True] * len(expected[::7]) + [False] * 3


def test_a_selection_reads_back_as_it_was(tmp_path: Path):
    tables = random_tables(2)
    selection = select_from(tables, ALL)
    write_selection(selection, tmp_path, loader(tables))
    back = read_selection(tmp_path, selection.sources)
    assert back.summary() == selection.summary()
    assert json.loads(json.dumps(back.summary())) == json.loads((tmp_path / "selection.json").read_text())
    for shard in selection.shards:
        assert back.reasons(shard).tolist() == selection.reasons(shard).tolist()
        found = read_reasons(tmp_path, shard, source=tables[shard].source)
        assert found.tolist() == selection.reasons(shard).tolist()


def test_reasons_of_another_tar_are_refused(tmp_path: Path):
    tables = random_tables(1, rows=20)
    write_selection(select_from(tables, Rules()), tmp_path, loader(tables))
    other = random_table(20, 0, "00001").source
    with pytest.raises(DataError, match="another"):
        read_reasons(tmp_path, "00000", source=other)
    with pytest.raises(DataError, match="another"):
        read_selection(tmp_path, {"00000": other})


def test_a_smaller_selection_leaves_nothing_of_an_earlier_one(tmp_path: Path):
    tables = random_tables(3, rows=20)
    write_selection(select_from(tables, Rules()), tmp_path, loader(tables))
    del tables["00002"]
    write_selection(select_from(tables, Rules()), tmp_path, loader(tables))
    assert not (tmp_path / "00002.reasons.parquet").exists()


def test_a_selection_that_was_not_finished_is_refused(tmp_path: Path):
    tables = random_tables(1, rows=20)
    write_selection(select_from(tables, Rules()), tmp_path, loader(tables))
    (tmp_path / "selection.json").unlink()
    with pytest.raises(DataError, match="data select"):
        read_selection(tmp_path, {"00000": tables["00000"].source})


def test_negative_scores_are_ranked_below_zero():
    reasons = reasons_of(Rules(clip_top=0.5), clip_=[-0.2, -0.1, -0.3, 0.0])
    assert reasons == ["clip_top", "", "clip_top", ""]
    cut = select_from({"0": table_of(1, clip_=[0.1])}, Rules(clip_top=0.5)).cut
    assert cut is not None
    assert (cut.count, cut.score) == (0, None)
