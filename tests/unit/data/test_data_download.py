"""Downloading, for real: img2dataset in its child process, a server on this machine that misbehaves, and a kill."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from local_server import Server, local_server, needs_img2dataset
from PIL import Image

from t2igan.data.config import ShardsConfig
from t2igan.data.download.options import DownloadOptions
from t2igan.data.download.run import download
from t2igan.data.shard_stream import ShardsStream

KINDS = (
    ["ok"] * 9 + ["missing"]
    + ["ok"] * 10
    + ["ok", "html", "cut", "turned", "sixteen", "noai", "file", "short", "flaky", "gate"]
    + ["ok"] * 7 + ["slow", "drip", "flaky"]
)  # fmt: skip
OPTIONS = (
    "--size",
    "64",
    "--min-size",
    "32",
    "--per-shard",
    "10",
    "--timeout",
    "0.5",
    "--retries",
    "0",
    "--threads",
    "10",
)


@pytest.fixture
def server():
    with local_server() as running:
        yield running


def options() -> DownloadOptions:
    return DownloadOptions(64, 32, per_shard=10, timeout_s=0.5, retries=0, threads=10, processes=1)


def write_table(path: Path, server: Server) -> Path:
    rows = [f"{server.url(kind, i)}\tcaption {i}\t0.{i:02d}" for i, kind in enumerate(KINDS)]
    rows += ["ftp://127.0.0.1/x.jpg\tnot the web\t0.5", f"{server.url('ok', 99)}\t \t0.5"]
    path.write_text("\n".join(["URL\tTEXT\tsimilarity", *rows]) + "\n")
    return path


def start_and_kill(table: Path, out: Path, server: Server) -> None:
    """Run the command until two shards are there and a third is half done, and kill it as the kernel would."""
    command = [
        sys.executable,
        "-m",
        "t2igan",
        "data",
        "download",
        str(table),
        "--out",
        str(out),
        "--processes",
        "1",
    ]
    child = subprocess.Popen([*command, *OPTIONS], stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not ((out / "00001_stats.json").exists() and server.asked["/gate/29"]):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()


def members(out: Path, name: str) -> dict[str, bytes]:
    with tarfile.open(out / name) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # pyright: ignore[reportOptionalMemberAccess]


def accounts(out: Path) -> list[dict]:
    tables = [pq.read_table(path) for path in sorted(out.glob("*.parquet"))]
    return pa.concat_tables(tables, promote_options="default").to_pylist()


@needs_img2dataset
@pytest.mark.slow  # img2dataset and its workers start three times, at 1.5 s a process
def test_every_url_is_accounted_for_once_through_a_kill_a_rerun_and_a_retry(tmp_path, server):
    table, out = write_table(tmp_path / "urls.tsv", server), tmp_path / "out"
    start_and_kill(table, out, server)
    assert {path.name for path in out.glob("*.tar")} == {
        "00000.tar",
        "00001.tar",
    }  # the half one lies elsewhere
    first = (out / "00000.tar").read_bytes()
    asked = dict(server.asked)
    server.gate.set()

    report = download(table, out, options())
    assert (report["seen"], report["shards"]) == (42, 4)
    assert report["skipped"] == {
        "not an http URL": 1, "no caption": 1, "http 404": 1, "http 503": 2, "http 302": 1, "timed out": 2,
        "disallowed by X-Robots-Tag": 1, "connection failed": 1, "does not decode": 1, "not a JPEG, PNG or WebP image": 1,
    }  # fmt: skip
    assert report["samples"] == 42 - sum(report["skipped"].values())
    assert (out / "00000.tar").read_bytes() == first
    assert {path: server.asked[path] for path in asked if int(path.split("/")[2]) < 20} == {
        path: 1 for path in asked if int(path.split("/")[2]) < 20
    }  # nothing of the finished shards was asked for again
    assert [row["url"] for row in accounts(out)] == [server.url(kind, i) for i, kind in enumerate(KINDS)]
    record = json.loads((out / ".t2igan" / "dataset.json").read_bytes())
    assert (record["is_complete"], record["samples"]) == (True, report["samples"])
    tried = {"count": 40, "successes": 30, "failed_to_download": 8, "failed_to_resize": 2}
    assert record["download"]["tried"] == tried
    assert not list((out / ".t2igan" / "download").glob("*/"))  # no originals are left

    third = members(out, "00002.tar")
    assert json.loads(third["000020.json"])["similarity"] == 0.2
    assert third["000020.txt"] == b"caption 20"
    assert Image.open(io.BytesIO(third["000023.png"])).size == (64, 77)  # turned upright: 80 wide, 96 high
    assert Image.open(io.BytesIO(third["000024.png"])).convert("RGB").getpixel((5, 5)) == (100, 100, 100)
    stream = ShardsStream(ShardsConfig(shards=str(out)), resolution=64, seed=0)
    assert stream.sample(0).caption.startswith("caption")

    server.is_mended = True
    asked = dict(server.asked)
    again = download(table, out, options(), is_retry=True)
    assert (again["seen"], again["samples"], again["shards"]) == (42, 32, 5)
    assert again["skipped"] == {reason: n for reason, n in report["skipped"].items() if reason != "http 503"}
    retried = {path for path in server.asked if server.asked[path] > asked.get(path, 0)}
    assert {path.split("/")[1] for path in retried} == {"missing", "file", "short", "flaky", "slow", "drip"}
    captions = [data for name, data in members(out, "00004.tar").items() if name.endswith(".txt")]
    assert captions == [b"caption 28", b"caption 39"]
