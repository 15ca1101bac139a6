"""Speeds that papers print, to stand beside one's own, and tables of both. It measures nothing: t2igan.bench.speed does."""

from __future__ import annotations

from typing import Any

from t2igan.evaluation.coco.published import Row, published

ANOTHER_MACHINE = "another machine: A100, says the paper"
OWN_HEADER = (
    "batch",
    "precision",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "text p50 ms",
    "rest p50 ms",
    "images/s",
    "s/image",
)
PAPER_HEADER = ("model", "px", "s/image", "images/s", "machine", "source")


def own_rows(found: dict[str, Any]) -> list[list[str]]:
    """Rows of OWN_HEADER from what `bench_speed` gave."""
    return [
        [
            str(row["batch"]),
            row["precision"],
            *(f"{row['latency_ms'][q]:.1f}" for q in ("p50", "p90", "p99")),
            f"{row['text_ms']['p50']:.1f}",
            f"{row['generator_ms']['p50']:.1f}",
            f"{row['images_per_s']:.1f}",
            f"{1 / row['images_per_s']:.4f}",
        ]
        for row in found["rows"]
    ]


def papers() -> list[tuple[Row, float]]:
    """Published models with their seconds an image; the fastest first, larger pictures before smaller ones."""
    timed = [(row, row.seconds) for row in published() if row.seconds is not None]
    return sorted(timed, key=lambda pair: (-pair[0].resolution, pair[1]))


def paper_rows() -> list[list[str]]:
    """Rows of PAPER_HEADER, each marked as of another machine."""
    return [
        [
            row.model,
            f"{row.resolution}" + (f" ({row.note})" if "px" in row.note else ""),
            f"{seconds:.2f}",
            f"{1 / seconds:.2f}",
            ANOTHER_MACHINE,
            row.source,
        ]
        for row, seconds in papers()
    ]
