"""Writing shards: reproducible, atomic, and never into somebody else's folder."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2igan.data.config import ShapesConfig
from t2igan.data.grammar import ATTRIBUTES
from t2igan.data.shapes_shards import write_shapes
from t2igan.data.shards import count_samples, find_shards
from t2igan.data.writer import ShardWriter
from t2igan.errors import DataError, UsageError


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # pyright: ignore[reportOptionalMemberAccess]


def write_and_fail(writer: ShardWriter, count: int) -> None:
    with writer:
        for _ in range(count):
            writer.write({"txt": bytes(1000)})
        raise RuntimeError


def test_two_runs_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_shapes(tmp_path / name, n=12, resolution=16, per_shard=5, has_masks=True)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_running_again_into_the_same_folder_changes_nothing(tmp_path):
    write_shapes(tmp_path / "a", n=12, resolution=16, per_shard=5)
    before = files(tmp_path / "a")
    write_shapes(tmp_path / "a", n=12, resolution=16, per_shard=5)
    assert files(tmp_path / "a") == before


def test_the_layout_is_that_of_img2dataset(tmp_path):
    report = write_shapes(tmp_path / "a", n=12, resolution=16, per_shard=5)
    assert report["samples"] == 12
    assert sorted(files(tmp_path / "a")) == [
        ".t2igan/dataset.json",
        *(f"{i:05d}{end}" for i in range(3) for end in (".tar", "_stats.json")),
    ]
    assert list(members(tmp_path / "a" / "00002.tar")) == [
        f"00002{i:05d}.{suffix}" for i in range(2) for suffix in ("png", "txt", "json")
    ]
    assert count_samples(find_shards(str(tmp_path / "a"))) == [5, 5, 2]


def test_a_written_sample_carries_its_attributes_and_mask(tmp_path):
    write_shapes(tmp_path / "a", n=6, resolution=32, config=ShapesConfig(scenes="pair"), has_masks=True)
    content = members(tmp_path / "a" / "00000.tar")
    fields = json.loads(content["0000000003.json"])
    assert len(fields["labels"]) == len(ATTRIBUTES) == len(fields["attributes"])
    assert fields["caption"] == content["0000000003.txt"].decode()
    mask = np.asarray(Image.open(io.BytesIO(content["0000000003.mask.png"])))
    assert sorted(np.unique(mask)) == [0, 1, 2]


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DataError, match=r"holds other files \(thesis.tex\)"):
        write_shapes(tmp_path, n=1)
    assert list(files(tmp_path)) == ["thesis.tex"]


def test_a_data_set_with_other_settings_is_not_overwritten(tmp_path):
    write_shapes(tmp_path / "a", n=3, resolution=16)
    before = files(tmp_path / "a")
    with pytest.raises(DataError, match="made with other settings"):
        write_shapes(tmp_path / "a", n=4, resolution=16)
    assert files(tmp_path / "a") == before


def test_a_failure_leaves_no_partial_file(tmp_path):
    writer = ShardWriter(tmp_path / "a", settings={}, per_shard=2)
    with pytest.raises(RuntimeError):
        write_and_fail(writer, 3)
    assert sorted(files(tmp_path / "a")) == [".t2igan/dataset.json", "00000.tar", "00000_stats.json"]
    assert json.loads((tmp_path / "a" / ".t2igan" / "dataset.json").read_bytes())["is_complete"] is False


def test_a_failure_before_the_first_shard_leaves_nothing(tmp_path):
    writer = ShardWriter(tmp_path / "a", settings={})
    with pytest.raises(RuntimeError):
        write_and_fail(writer, 1)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from t2igan.data.writer import ShardWriter
with ShardWriter(Path(sys.argv[1]), settings={}, per_shard=2) as writer:
    for i in range(int(sys.argv[2])):
        writer.write({"txt": b"%d" % i})
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("written", [1, 4, 5])
def test_a_killed_run_leaves_whole_shards_and_the_next_run_completes_it(tmp_path, written):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a", str(written)], check=False)
    assert done.returncode == -signal.SIGKILL
    for shard in (tmp_path / "a").glob("*.tar"):
        assert len(members(shard)) == 2
    for name in ("a", "b"):
        with ShardWriter(tmp_path / name, settings={}, per_shard=2) as writer:
            for i in range(3):
                writer.write({"txt": b"%d" % i})
    assert files(tmp_path / "a") == files(tmp_path / "b")  # no shard of the longer run is left either


def test_a_shard_without_statistics_is_still_a_whole_shard(tmp_path):
    write_shapes(tmp_path / "a", n=4, resolution=16)
    (tmp_path / "a" / "00000_stats.json").unlink()  # as after a kill between shard and statistics
    assert count_samples(find_shards(str(tmp_path / "a"))) == [4]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    writer = ShardWriter(tmp_path / "a", settings={})
    (tmp_path / "a" / ".00000.tar.tmp").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        write_and_fail(writer, 200)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="Choose another --out"):
        write_shapes(tmp_path / "a", n=1)


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "a").write_text("")
    for out in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(DataError, match="cannot be used as a folder"):
            write_shapes(out, n=1)


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 1, "resolution": 8}, {"n": 1, "per_shard": 0}])
def test_numbers_out_of_range_are_refused(tmp_path, options):
    with pytest.raises(UsageError):
        write_shapes(tmp_path / "a", **options)
