"""What downloading does before and after img2dataset: tables, plans, leftovers, accounts, and the bounded client."""

import gzip
import json
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_server import local_server, needs_img2dataset, picture
from tar_files import write_tar

from t2igan.data.convert import Conversion
from t2igan.data.download import client
from t2igan.data.download.finish import LOST, RawShard, finish_shard, reason_of
from t2igan.data.download.lock import folder_lock
from t2igan.data.download.options import DownloadOptions
from t2igan.data.download.parts import FOLDER, failed_tables, load_plan, make_plan, read_rows
from t2igan.data.download.run import check_installed, download
from t2igan.data.download.supervise import done_shards, run_child, tidy, watch
from t2igan.errors import DataError, UsageError
from t2igan.files import is_running

ROWS = [("http://a/1.jpg", "a cat"), ("https://a/2.jpg", "a dog, asleep"), ("HTTP://a/3.jpg", "12")]


def options(**changes) -> DownloadOptions:
    return DownloadOptions(**{"per_shard": 2, "shards_per_part": 2, "processes": 1} | changes)


def planned(path: Path, **changes) -> list[tuple]:
    """The rows that the plan of a table would download."""
    plan = make_plan(path, path.parent / "out", options(**changes))
    tables = [read_rows(plan, part, shard) for part in plan.parts for shard in part.shards]
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'url,caption\n{0},{1}\n{2},"{3}"\n{4},{5}\n'),
        ("a.tsv", "TEXT\tURL\r\n{1}\t{0}\r\n{3}\t{2}\r\n{5}\t{4}\r\n"),
        ("headless.tsv", "{1}\t{0}\n{3}\t{2}\n{5}\t{4}\n"),
        (
            "a.jsonl",
            '{{"url": "{0}", "text": "{1}"}}\n{{"url": "{2}", "text": "{3}"}}\n{{"url": "{4}", "text": 12}}\n',
        ),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_tables_of_every_kind_give_the_same_rows(tmp_path, name, text, is_packed):
    data = text.format(*[cell for row in ROWS for cell in row]).encode()
    path = tmp_path / (name + ".gz" * is_packed)
    path.write_bytes(gzip.compress(data) if is_packed else data)
    assert planned(path) == ROWS


def test_a_list_of_urls_has_no_captions_and_may_hold_commas(tmp_path):
    (tmp_path / "a.txt").write_text("http://a/1,2.jpg\n\n http://a/3.jpg\n")
    assert planned(tmp_path / "a.txt") == [("http://a/1,2.jpg",), ("http://a/3.jpg",)]


def test_a_folder_of_parquets_is_cut_into_shards_that_go_over_its_files(tmp_path):
    folder = tmp_path / "urls"
    folder.mkdir()
    for number, (start, stop) in enumerate([(0, 3), (3, 8)]):
        names = [f"http://a/{i}.jpg" for i in range(start, stop)]
        scores = pa.array([i / 10 for i in range(start, stop)], pa.float64() if number else pa.float32())
        rows = {
            "URL": names,
            "TEXT": [f"c{i}" for i in range(start, stop)],
            "similarity": scores,
            "width": scores,
        }
        pq.write_table(pa.table(rows), folder / f"{number}.parquet")
    plan = make_plan(folder, tmp_path / "out", options())
    assert [(part.first_shard, part.rows, list(part.shards)) for part in plan.parts] == [
        (0, 4, [0, 1]),
        (4 // 2, 4, [2, 3]),
    ]
    table = read_rows(plan, plan.parts[1], 3)
    assert table.column_names == [
        "url",
        "caption",
        "similarity",
    ]  # width is what will come, not what was promised
    assert table["url"].to_pylist() == ["http://a/6.jpg", "http://a/7.jpg"]
    assert load_plan(tmp_path / "out") == plan


def test_rows_that_are_not_worth_a_try_are_counted(tmp_path):
    texts = [b"fine", b" ", "Grüße".encode("latin-1"), b"x" * 70_000, b"fine", b"fine"]
    urls = [b"http://a/1", b"http://a/2", b"http://a/3", b"http://a/4", b"file:///etc/passwd", b""]
    lines = [url + b"," + text for url, text in zip(urls, texts, strict=True)]
    (tmp_path / "a.csv").write_bytes(b"\n".join([b"url,caption", *lines]))
    plan = make_plan(tmp_path / "a.csv", tmp_path / "out", options())
    assert (plan.rows, sum(part.rows for part in plan.parts)) == (6, 1)
    assert plan.refused == Counter({"not an http URL": 2, "no caption": 2, "caption too large": 1})


@needs_img2dataset
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"a,b\n1,2\n", r"no column url, .*; there are a, b.*--url-column"),
        ("a.csv", b"url,b\nhttp://a/1,2\n", r"no column caption, .*--caption-column"),
        ("a.csv", b"url,caption\nx,y\n", r"nothing to download: 1 x not an http URL"),
        ("a.csv", b"", "nothing to download|no column"),
        ("a.tsv", b"http://a/1\tb\tc\n", "more than two columns"),
        ("a.parquet", b"PAR1", "not a readable table"),
        ("a.csv.gz", b"no gzip", "not a readable table"),
        ("a.xlsx", b"", "no table of URLs"),
    ],
)
def test_a_table_that_cannot_be_used_is_an_error_that_leaves_nothing(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        download(tmp_path / name, tmp_path / "out", options())
    assert not (tmp_path / "out").exists()


def raw_shard(
    folder: Path, results: dict[int, tuple[str, str | None, bytes | None]], *, number: int = 0
) -> RawShard:
    """A shard as img2dataset leaves it: index -> status, error, bytes; in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {index: f"{number:05d}{index}" for index in results}
    files = [(f"{keys[i]}.jpg", data) for i, (_, _, data) in results.items() if data is not None]
    write_tar(folder / f"{number:05d}.tar", files)
    rows = [
        {"key": keys[i], "status": s, "error_message": e, "sha256": None} for i, (s, e, _) in results.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{number:05d}.parquet")
    (folder / f"{number:05d}_stats.json").write_text("{}")
    return RawShard(folder / f"{number:05d}", number, 8)


def test_a_shard_is_finished_in_the_order_of_its_table_and_accounts_for_every_row(tmp_path):
    urls = pa.table(
        {"url": [f"http://a/{i}" for i in range(6)], "caption": [f"caption\n{i}" for i in range(6)]}
    )
    results = {
        4: ("success", None, b"<html>"),
        2: ("success", None, picture(2)),
        0: ("success", None, picture(0)),
        1: ("failed_to_download", "HTTP Error 404: Not Found", None),
        5: ("success", None, None),
    }
    stats = finish_shard(
        raw_shard(tmp_path / "raw", results), 7, urls, out=tmp_path, conversion=Conversion(64)
    )
    assert stats == {
        "count": 6, "successes": 2, "failed_to_download": 3, "failed_to_resize": 1,
        "reasons": {"http 404": 1, LOST: 2, "not a JPEG, PNG or WebP image": 1},
    }  # fmt: skip
    assert json.loads((tmp_path / "00007_stats.json").read_bytes()) == stats
    with tarfile.open(tmp_path / "00007.tar") as tar:
        assert tar.getnames() == [
            f"0000{key}.{suffix}" for key in (70, 72) for suffix in ("png", "txt", "json")
        ]
        assert tar.extractfile("000072.txt").read() == b"caption 2"  # pyright: ignore[reportOptionalMemberAccess]
    account = pq.read_table(tmp_path / "00007.parquet")
    assert account["url"] == urls["url"]
    assert account["reason"].to_pylist() == [
        None,
        "http 404",
        None,
        LOST,
        "not a JPEG, PNG or WebP image",
        LOST,
    ]
    again = [tmp_path / "00007.tar", tmp_path / "00007.parquet"]
    before = [path.read_bytes() for path in again]
    shuffled = raw_shard(tmp_path / "raw", dict(reversed(results.items())))
    finish_shard(shuffled, 7, urls, out=tmp_path, conversion=Conversion(64))
    assert [path.read_bytes() for path in again] == before


def test_a_broken_shard_of_the_child_is_named_and_will_be_fetched_again(tmp_path):
    raw = raw_shard(tmp_path / "raw", {0: ("success", None, picture(0))})
    raw.path.with_suffix(".parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="left a broken shard"):
        finish_shard(raw, 0, pa.table({"url": ["http://a/0"]}), out=tmp_path, conversion=Conversion())
    assert done_shards(tmp_path / "raw") == set()
    assert not list(tmp_path.glob("*.tar"))


def test_failures_are_planned_again_but_not_those_that_were_forbidden(tmp_path):
    plan = make_plan(_table(tmp_path, 4), tmp_path, options(per_shard=8))
    results = {
        0: ("failed_to_download", "<urlopen error timed out>", None),
        1: ("failed_to_download", "Use of image disallowed by X-Robots-Tag directive", None),
        2: ("success", None, picture(2)),
        3: ("success", None, b"no picture"),
    }
    raw = raw_shard(tmp_path / "raw", results)
    finish_shard(raw, 0, read_rows(plan, plan.parts[0], 0), out=tmp_path, conversion=Conversion())
    plan.add(failed_tables(tmp_path, [0], plan.retried), shards_per_part=2)
    assert [(part.name, list(part.shards)) for part in plan.parts] == [("00000", [0]), ("00001", [1])]
    assert read_rows(plan, plan.parts[1], 1).to_pylist() == [{"url": "http://a/0", "caption": "c0"}]
    assert plan.retried == Counter({"timed out": 1})


def _table(folder: Path, rows: int) -> Path:
    path = folder / "urls.csv"
    path.write_text("url,caption\n" + "".join(f"http://a/{i},c{i}\n" for i in range(rows)))
    return path


def test_what_a_killed_child_leaves_is_removed(tmp_path):
    whole = raw_shard(tmp_path, {0: ("success", None, picture(0))})
    for number, stats in ((1, None), (2, ""), (3, "{}")):
        raw_shard(tmp_path, {0: ("success", None, picture(0))}, number=number)
        path = tmp_path / f"{number:05d}_stats.json"
        path.unlink() if stats is None else path.write_text(stats)
    data = (tmp_path / "00003.tar").read_bytes()
    (tmp_path / "00003.tar").write_bytes(data[:700])
    (tmp_path / "_tmp").mkdir()
    tidy(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{whole.path.name}{s}" for s in (".tar", ".parquet", "_stats.json")
    }


@needs_img2dataset
def test_a_child_that_fails_leaves_its_words_and_the_missing_shards_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("t2igan.data.download.supervise.ATTEMPTS", 1)  # it takes 1.5 s
    with folder_lock(tmp_path / "lock") as lock:
        call = {"output_folder": str(tmp_path / "raw"), "nonsense": 1}
        missing = run_child(call, shards=2, log=tmp_path / "log", lock=lock, stall_s=60, on_shard=print)
    assert missing == [0, 1]
    assert (tmp_path / "log").read_text().count("Traceback") == 1


def test_a_child_that_does_not_move_is_ended_with_its_workers(tmp_path):
    command = ["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/worker; touch {tmp_path}/raw/_tmp; wait"]
    (tmp_path / "raw").mkdir()
    child = subprocess.Popen(command, start_new_session=True)
    watch(child, tmp_path / "raw", 0.6, lambda: None)
    assert child.returncode == -9
    worker = int((tmp_path / "worker").read_text())
    deadline = time.monotonic() + 20
    while is_running(worker):  # a killed process takes a moment to end
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_second_download_into_the_same_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("t2igan.data.download.lock.PATIENCE_S", 0)
    with folder_lock(tmp_path), pytest.raises(UsageError, match="another process"), folder_lock(tmp_path):
        pass


@needs_img2dataset
def test_a_folder_of_other_things_or_settings_is_refused(tmp_path):
    table = _table(tmp_path, 4)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds other files \(x\.txt\)"):
        download(table, tmp_path / "full", options())
    done = tmp_path / "done"
    _finished(table, done)
    with pytest.raises(DataError, match=r"was begun with other settings .*size: 512, now 64"):
        download(table, done, options(per_shard=8, size=64))


def _finished(table: Path, out: Path) -> None:
    """A download as it is when all is done, made without one."""
    plan = make_plan(table, out, options(per_shard=8))
    raw = raw_shard(out / FOLDER / "raw", {i: ("success", None, picture(i)) for i in range(4)})
    finish_shard(raw, 0, read_rows(plan, plan.parts[0], 0), out=out, conversion=Conversion())
    record = out / ".t2igan" / "dataset.json"
    from t2igan.data.download.run import _settings

    record.write_text(json.dumps({"settings": _settings(table, options(per_shard=8))}))


@needs_img2dataset
def test_a_finished_download_is_not_begun_again(tmp_path):
    table = _table(tmp_path, 4)
    _finished(table, tmp_path / "out")
    report = download(table, tmp_path / "out", options(per_shard=8))
    assert (report["seen"], report["samples"], report["skipped"]) == (4, 4, {})
    assert not (tmp_path / "out" / FOLDER / "log.txt").exists()  # no child was started


def test_without_img2dataset_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 12))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, "img2dataset", raising=False)
    with pytest.raises(UsageError, match=r"pip install 't2igan\[download\]'"):
        check_installed()
    monkeypatch.setattr(sys, "version_info", (3, 13))
    with pytest.raises(UsageError, match=r"imghdr, which Python 3\.13 has no more"):
        check_installed()


def test_options_that_cannot_be_right_are_refused():
    for wrong in (
        {"size": 4},
        {"per_shard": 0},
        {"max_aspect": 0.5},
        {"timeout_s": 0},
        {"background": "whitish"},
    ):
        with pytest.raises(UsageError):
            DownloadOptions(**wrong)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("HTTP Error 503: Service Unavailable", "http 503"),
        ("<urlopen error timed out>", "timed out"),
        ("timed out: too slow in all", "timed out"),
        ("<urlopen error [Errno -2] Name or service not known>", "no such host"),
        ("<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed>", "no safe connection"),
        ("[Errno 104] Connection reset by peer", "connection failed"),
        ("IncompleteRead(0 bytes read, 5 more expected)", "connection failed"),
        ("'ascii' codec can't encode character", "download failed"),
    ],
)
def test_messages_of_failures_are_counted_by_their_kind(error, reason):
    assert reason_of(error) == reason


@pytest.fixture
def bounded():
    client.install()
    yield
    urllib.request.install_opener(urllib.request.build_opener())


@pytest.mark.usefixtures("bounded")
def test_the_client_opens_the_web_only_and_gives_up(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("x")
    monkeypatch.setattr(client, "PATIENCE", 1)
    with local_server() as server:
        with urllib.request.urlopen(server.url("ok", 1), timeout=5) as answer:
            assert answer.read() == picture(1)
        for url in ((tmp_path / "secret").as_uri(), "ftp://127.0.0.1/x", "data:,x", server.url("file", 1)):
            with pytest.raises(urllib.error.URLError):
                urllib.request.urlopen(url, timeout=1)
        with (
            pytest.raises(TimeoutError, match="too slow in all"),
            urllib.request.urlopen(server.url("drip", 1), timeout=0.4) as answer,
        ):
            answer.read()
        with (
            pytest.raises(Exception, match="more expected"),
            urllib.request.urlopen(server.url("short", 1), timeout=5) as answer,
        ):
            answer.read()
        monkeypatch.setitem(client.MAX_BYTES, "jpg", 100)
        with (
            pytest.raises(OSError, match="larger than 100"),
            urllib.request.urlopen(server.url("ok", 1), timeout=5) as answer,
        ):
            answer.read()
