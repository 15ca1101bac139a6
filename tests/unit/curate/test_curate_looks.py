from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from score_tables import L14, hash_of, loader, random_table, table_of

from t2igan.cli.app import main
from t2igan.curate.config import Rules
from t2igan.curate.looks.examples import edge_sheets, plain_sheets
from t2igan.curate.looks.histograms import BINS, histogram
from t2igan.curate.looks.page import write_preview
from t2igan.curate.looks.pairs import pair_sheets
from t2igan.curate.looks.picking import Sheet
from t2igan.curate.looks.statistics import QUANTILES, gather, quantile_rows, repeat_counts
from t2igan.curate.score_set import open_scores
from t2igan.curate.select import select
from t2igan.curate.selection import Selection
from t2igan.curate.table import SUFFIX, ScoreTable, to_bytes


def select_from(tables: Mapping[str, ScoreTable], rules: Rules) -> Selection:
    return select(loader(tables), list(tables), rules)


def rows_of(sheet: Sheet) -> dict[str, list[int]]:
    return {group.title: [example.row for example in group.examples] for group in sheet.groups}


def write_shard(
    folder: Path, name: str, table: ScoreTable, *, captions: Mapping[int, str], broken: int = -1
) -> None:
    """A tar whose samples belong to the rows of `table`, and the table beside it."""
    with tarfile.open(folder / f"{name}.tar", "w") as tar:
        for row, key in enumerate(table.columns["key"].to_pylist()):
            picture = io.BytesIO()
            Image.new("RGB", (40, 30), (row * 20 % 256, 90, 200)).save(picture, "PNG")
            data = picture.getvalue()[: 60 if row == broken else None]
            for suffix, member in (("png", data), ("txt", captions.get(row, f"caption {row}").encode())):
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(member)
                tar.addfile(info, io.BytesIO(member))
    (folder / f"{name}{SUFFIX}").write_bytes(to_bytes(table))


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards of ten: a hostile caption, a picture that does not decode, duplicates."""
    scores = [0.05 * i for i in range(10)]
    for name in ("00000", "00001"):
        table = table_of(
            10,
            name,
            clip_=scores,
            words=list(range(10)),
            image_hash=[hash_of(f"{i // 2}") for i in range(10)],
        )
        write_shard(tmp_path, name, table, captions={9: "<script>alert(1)</script>"}, broken=8)
    return tmp_path


def test_examples_are_the_nearest_to_the_threshold_on_each_side():
    table = table_of(9, clip_=[0.1, 0.5, 0.29, 0.31, 0.9, 0.2, 0.30, None, 0.28])
    (sheet,) = edge_sheets(loader({"0": table}), select_from({"0": table}, Rules(min_clip=0.3)), 2)
    found = rows_of(sheet)
    assert sheet.title == "clip: at least 0.3"
    assert found["kept, nearest to the threshold"] == [6, 3]
    assert found["dropped, nearest to the threshold"] == [2, 8]
    assert sorted(found["kept, at random"]) == [1, 4]
    assert sorted(found["dropped, at random"]) == [0, 5]
    assert [example.note for example in sheet.groups[1].examples] == ["0.3", "0.31"]


def test_a_range_has_a_sheet_for_each_end_with_what_falls_off_there():
    table = table_of(6, words=[1, 2, 3, 4, 5, 9])
    sheets = edge_sheets(loader({"0": table}), select_from({"0": table}, Rules(caption_words=(2, 5))), 1)
    assert [sheet.title for sheet in sheets] == ["caption_words: at least 2", "caption_words: at most 5"]
    dropped = [rows_of(sheet)["dropped, nearest to the threshold"] for sheet in sheets]
    assert dropped == [[0], [5]]


def test_ties_at_the_top_share_are_shown_on_both_sides():
    table = table_of(4, clip_=[0.5, 0.25, 0.25, 0.1])
    selection = select_from({"0": table}, Rules(clip_top=0.5))
    (sheet,) = edge_sheets(loader({"0": table}), selection, 1)
    found = rows_of(sheet)
    assert {*found["kept, nearest to the threshold"], *found["dropped, nearest to the threshold"]} == {1, 2}


def test_examples_come_from_many_shards_and_are_the_same_every_time():
    tables = {f"{i:05d}": random_table(100, seed=i, shard=f"{i:05d}") for i in range(6)}
    selection = select_from(tables, Rules(min_clip=0.25))
    first, second = (edge_sheets(loader(tables), selection, 12) for _ in range(2))
    assert first == second
    assert len({example.shard for example in first[0].groups[0].examples}) > 2


def test_rules_without_a_threshold_show_what_they_saw():
    table = table_of(4, language=["en", "de", "unknown", "fr"])
    selection = select_from({"0": table}, Rules(languages=("en",)))
    (sheet,) = plain_sheets(loader({"0": table}), selection, ["language"], 5)
    notes = [sorted(example.note for example in group.examples) for group in sheet.groups]
    assert notes == [["en", "unknown"], ["de", "fr"]]


def test_a_duplicate_is_shown_beside_the_one_that_stays():
    tables = {
        "a": table_of(2, "a", phash=[0b1111, 2**60], width=[100, 100]),
        "b": table_of(2, "b", phash=[0b0111, 2**40 - 1], width=[900, 900]),
    }
    selection = select_from(tables, Rules(dedup=("phash",)))
    (sheet,) = pair_sheets(loader(tables), selection, 3)
    shown = [(example.shard, example.row, example.note) for example in sheet.groups[0].examples]
    assert set(zip(shown[::2], shown[1::2], strict=True)) == {
        (("b", 0, "stays, 1 bits"), ("a", 0, "goes")),
        (("b", 0, "stays, 4 bits"), ("a", 1, "goes")),
    }


def test_bars_of_a_histogram_add_up_and_the_cut_falls_between_two():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 0.05, 2000)
    layers = [("c0", "kept", values[values >= 0.28]), ("c1", "dropped", values[values < 0.28])]
    figure = histogram("Clip", layers, x_label="cosine", cuts=[(0.28, "at least 0.28")])
    cut = float(re.search(r"class='mark' x1='([\d.]+)'", figure)[1])  # type: ignore[index]
    groups = dict(re.findall(r"<g class='(c\d)'>(.*?)</g>", figure))
    bars = {kind: [(float(x), float(w), float(h)) for x, w, h in re.findall(
        r"x='([\d.]+)' y='[\d.]+' width='([\d.]+)' height='([\d.]+)'", inside)] for kind, inside in groups.items()}  # fmt: skip
    assert all(x >= cut - 0.1 for x, _, _ in bars["c0"])  # drawn to a tenth of a pixel
    assert all(x + w <= cut + 0.1 for x, w, _ in bars["c1"])
    assert len(bars["c0"]) + len(bars["c1"]) <= BINS + 1
    heights = {kind: sum(h for _, _, h in found) for kind, found in bars.items()}
    assert heights["c1"] / heights["c0"] == pytest.approx(
        (values < 0.28).sum() / (values >= 0.28).sum(), rel=0.01
    )
    assert "kept (" in figure


def test_nothing_known_is_said():
    figure = histogram("x", [("c0", "kept", np.full(3, np.nan))], x_label="x")
    assert "nothing is known" in figure


def test_quantiles_and_repeats_are_those_of_numpy_and_sets():
    tables = {f"{i:05d}": random_table(300, seed=i, shard=f"{i:05d}") for i in range(3)}
    selection = select_from(tables, Rules(min_clip=0.25))
    facts = gather(loader(tables), selection)
    usable = [t.columns.to_pandas().query("problem == ''") for t in tables.values()]
    clip = np.concatenate([df[L14].to_numpy() for df in usable])
    (row,) = [row for row in quantile_rows(facts) if row[0] == "clip ViT-L-14/openai"]
    assert row[1] == np.isnan(clip).sum()
    assert row[2:-1] == pytest.approx(np.nanquantile(clip, QUANTILES).tolist(), abs=1e-6)
    assert row[-1] == pytest.approx(np.median(clip[clip >= np.float32(0.25)]), abs=1e-6)
    hashes = [h for df in usable for h in df.caption_hash]
    assert repeat_counts(loader(tables), selection)["equal caption"] == len(hashes) - len(set(hashes))


def test_of_a_large_set_only_some_shards_are_looked_at():
    tables = {f"{i:05d}": random_table(50, seed=i, shard=f"{i:05d}") for i in range(8)}
    facts = gather(loader(tables), select_from(tables, Rules()), max_rows=120)
    assert facts.shards == 3


def test_the_page_shows_every_rule_and_neither_runs_nor_loads_anything(shards: Path):
    found = open_scores(str(shards))
    rules = Rules(min_resolution=100, caption_words=(2, 8), min_clip=0.12, dedup=("exact",))
    selection = select(found.load, list(found.shards), rules)
    page = shards / "page.html"
    for path in (page, shards / "again.html"):
        write_preview(path, found, selection, count=3)
    text = page.read_text()
    assert text == (shards / "again.html").read_text()
    for title in (
        "min_resolution: at least 100",
        "caption_words: at least 2",
        "caption_words: at most 8",
        "clip: at least 0.12",
        "duplicate image",
    ):
        assert f">{title}</h2>" in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "does not decode" in text
    assert not re.search(r"(src|href)='(?!data:image/webp;base64,|#)", text)


def test_a_picture_of_a_shard_that_changed_says_so(shards: Path):
    found = open_scores(str(shards))
    selection = select(found.load, list(found.shards), Rules(min_clip=0.12))
    (shards / "00001.tar").write_bytes(b"\0" * 10240)
    write_preview(shards / "page.html", found, selection, count=3)
    assert "the shard changed since it was scored" in (shards / "page.html").read_text()


def test_select_stats_and_preview_from_the_command_line(shards: Path, capsys: pytest.CaptureFixture[str]):
    rules = ["--min-clip", "0.12", "--caption-words", "2.."]
    out = shards / "kept"
    assert main(["data", "select", str(shards), *rules, "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["seen"], summary["kept"], summary["reasons"]["caption_words"]) == (20, 14, 4)
    assert (
        main(
            [
                "data",
                "stats",
                str(shards),
                "--selection",
                str(out),
                "--json",
                "--html",
                str(shards / "s.html"),
            ]
        )
        == 0
    )
    stats = json.loads(capsys.readouterr().out)
    assert stats["reasons"] == summary["reasons"]
    assert stats["statistics"]["repeats"]["equal image bytes"] == 15
    assert main(["data", "preview", str(shards), *rules, "--out", str(shards / "p.html")]) == 0
    assert "clip: at least 0.12" in (shards / "p.html").read_text()


def test_a_dry_run_prints_the_waterfall_and_writes_nothing(shards: Path, capsys: pytest.CaptureFixture[str]):
    before = sorted(shards.rglob("*"))
    assert main(["data", "select", str(shards), "--min-clip", "0.12", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"clip\s+6\s+30\.0 %\s+14", text)
    assert sorted(shards.rglob("*")) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--min-clip", "0.2"], "--out FOLDER or --dry-run"),
        (["--preset", "gigagan", "--dry-run"], "no numbers"),
        (["--preset", "laion2b", "--dry-run"], "no language column"),
        (["--clip", "ViT-L-14/openai", "--dry-run"], "no effect"),
    ],
)
def test_unclear_selections_are_refused(
    shards: Path, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["data", "select", str(shards), *args]) in (2, 4)
    assert re.search(message, capsys.readouterr().err)


def test_shards_without_scores_say_what_to_run(shards: Path, capsys: pytest.CaptureFixture[str]):
    (shards / f"00001{SUFFIX}").unlink()
    assert main(["data", "select", str(shards), "--min-resolution", "8", "--dry-run"]) == 4
    assert re.search(r"00001\.tar.*t2igan data score", capsys.readouterr().err)


def test_presets_are_listed_with_their_sources(capsys: pytest.CaptureFixture[str]):
    assert main(["data", "presets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cc12m"]["source"].startswith("Conceptual 12M")
    assert main(["data", "presets"]) == 0
    assert "Neither GAN paper publishes thresholds" in capsys.readouterr().out
