"""`t2igan model` and `t2igan bench` as a shell sees them: hostile files give one line, results are JSON."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from t2igan import checkpoint
from t2igan.checkpoint import Header

Run = Callable[..., subprocess.CompletedProcess[str]]
WHOLE = {"t2igan.format": "1", "t2igan.kind": "generator"}


def raw(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file with any JSON in front."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def metadata(**changes: str) -> bytes:
    return raw({"__metadata__": WHOLE | {f"t2igan.{key}": value for key, value in changes.items()}})


FILES = {
    "empty": (b"", "not a safetensors file, or cut short"),
    "four bytes": (b"\x08\0\0\0", "not a safetensors file, or cut short"),
    "pickle": (b"\x80\x02}q\x00." * 100, "not a safetensors file, or cut short"),
    "a list": (raw([1, 2]), "not a safetensors file, or cut short"),
    "a tensor without place": (raw({"w": {"dtype": "F32"}}), "not a safetensors file, or cut short"),
    "deep": (struct.pack("<Q", 200_000) + b"[" * 200_000, "not a safetensors file, or cut short"),
    "cut data": (
        raw({"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}, b"\0" * 35),
        "cut short (",
    ),
    "foreign": (
        raw({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
        "not made by t2igan",
    ),
    "newer": (metadata(format="99"), "made by format 99, this t2igan reads up to 1"),
    "no number": (metadata(format="²"), "made by format ²"),
    "unknown kind": (metadata(kind="poem"), "unknown kind 'poem'"),
    "config is text": (metadata(config="{"), "its header is damaged"),
    "config is a list": (metadata(config="[]"), "its header is damaged"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_checkpoint_gives_one_line(t2igan: Run, tmp_path: Path, name: str):
    data, reason = FILES[name]
    (tmp_path / "a.safetensors").write_bytes(data)
    done = t2igan("model", "info", "a.safetensors")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: a.safetensors: ")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_truncated_checkpoint_is_neither_described_nor_exported(t2igan: Run, tmp_path: Path):
    checkpoint.save(tmp_path / "a.safetensors", {"G_ema.w": torch.zeros(100)}, Header("generator"))
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[:-1])
    for words in (["info", "a.safetensors"], ["export", "a.safetensors", "--out", "b.safetensors"]):
        done = t2igan("model", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "cut short" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_info_reads_a_header_without_torch(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    header = Header("judge", config={"arch": "judge"}, recipe={"name": "mine"}, progress={"nimg": 7})
    checkpoint.save(path, {"E.w": torch.zeros(3)}, header)
    code = f"""
import sys
from t2igan.cli.app import main
assert main(["model", "info", {str(path)!r}, "--json"]) == 0
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["kind"], found["recipe"], found["progress"]) == ("judge", "mine", {"nimg": 7})
    assert found["tensors"]["E"] == {"tensors": 1, "numbers": 3, "bytes": 12, "dtypes": ["F32"]}


def test_the_bench_prints_json_that_a_program_can_read(t2igan: Run):
    words = ["--steps", "1", "--set", "train.batch=2", "--set", "generator.channel_max=32"]
    trained = t2igan("bench", "train", "--recipe", "smoke", *words, "--json")
    assert {"images_per_s", "parts", "share_of_peak", "matmul_gflops", "peak_memory_gb"} <= set(
        json.loads(trained.stdout)
    )


def test_a_first_image_is_accounted_for_to_the_last_second(t2igan: Run, tmp_path: Path):
    trained = t2igan("train", "--recipe", "smoke", "--set", "stages=[{resolution: 32, kimg: 0.001}]",
                     "--set", "train.batch=1", "--set", "generator.channel_max=32", "--out", "run")  # fmt: skip
    done = t2igan("bench", "sample", "--model", trained.stdout.strip(), "--batch", "1", "--repeats", "1", "--cold", "1",
                  "--device", "cpu", "--json")  # fmt: skip
    cold = json.loads(done.stdout)["cold_start"]
    parts = [cold[f"{name}_s"] for name in ("python", "imports", "weights", "text", "G", "save")]
    assert sum(parts) == pytest.approx(cold["total_s"])
    assert "torch" in cold["packages"]


def test_a_batch_size_that_is_no_number_is_a_usage_error(t2igan: Run):
    done = t2igan("bench", "sample", "--batch", "1,many")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --batch '1,many': give whole numbers")
