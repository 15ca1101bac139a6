"""Speeds: every batch and precision has its row, papers are marked as another machine, wrong arguments are refused."""

from __future__ import annotations

import json

import pytest
import torch

from t2igan.bench.speed import bench_speed, processor
from t2igan.cli.app import main
from t2igan.errors import UsageError
from t2igan.evaluation.speed import OWN_HEADER, PAPER_HEADER, own_rows, paper_rows


def test_every_batch_and_precision_has_percentiles_in_order_and_the_parts_are_told_apart():
    found = bench_speed(batches=(1, 2), precisions=("fp32", "bf16"), repeats=3, device="cpu")
    assert [(row["precision"], row["batch"], row["repeats"]) for row in found["rows"]] == [
        ("fp32", 1, 3), ("fp32", 2, 3), ("bf16", 1, 3), ("bf16", 2, 3)]  # fmt: skip
    for row in found["rows"]:
        for part in ("latency_ms", "text_ms", "generator_ms"):
            assert 0 < row[part]["p50"] <= row[part]["p90"] <= row[part]["p99"]
        assert row["images_per_s"] == pytest.approx(row["batch"] / row["latency_ms"]["p50"] * 1000)
    assert found["resolution"] == 32
    assert found["processor"]
    assert {len(row) for row in own_rows(found)} == {len(OWN_HEADER)}


def test_papers_are_marked_as_another_machine_with_their_source():
    rows = {(row[0], row[1]): row for row in paper_rows()}
    assert len(rows) == len(paper_rows())
    assert rows["StyleGAN-T", "256"][2:4] == ["0.10", "10.00"]
    assert rows["StyleGAN-T", "64"][2] == "0.06"
    assert rows["GigaGAN", "256 (512 px to 256)"][2] == "0.13"
    assert all(row[4].startswith("another machine: A100") and row[5] for row in rows.values())
    assert {len(row) for row in rows.values()} == {len(PAPER_HEADER)}


@pytest.mark.parametrize(
    ("batches", "precisions", "why"),
    [
        ((), ("fp32",), "at least 1"),
        ((0,), ("fp32",), "at least 1"),
        ((1,), ("fp8",), "--precision fp8: one or more of fp32"),
        ((1,), (), "--precision"),
    ],
)
def test_what_cannot_be_measured_is_refused(batches: tuple[int, ...], precisions: tuple[str, ...], why: str):
    with pytest.raises(UsageError, match=why):
        bench_speed(batches=batches, precisions=precisions, device="cpu")


def test_the_command_names_the_processor_and_the_papers(capsys: pytest.CaptureFixture[str]):
    words = ["eval", "speed", "--batch", "1", "--repeats", "3", "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["processor"] == processor(torch.device("cpu"))
    assert {"model": "GigaGAN", "s/image": "0.13"}.items() <= next(
        p for p in told["papers"] if p["model"] == "GigaGAN"
    ).items()
    assert main(words) == 0
    assert "another machine" in capsys.readouterr().out
    assert main([*words, "--batch", "1,x"]) == 2
