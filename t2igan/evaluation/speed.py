"""The papers' speeds, to print beside one's own, and tables of both. It measures nothing: that is t2igan.bench.speed's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

A100 = "A100, as the papers say"
GIGAGAN_TABLE = "GigaGAN paper (arXiv 2303.05511), table 2"
DMD_TABLE = "DMD paper, table 3"
SECOND_HAND = "tables of later papers, second hand"
ANOTHER_MACHINE = "another machine"


@dataclass(frozen=True)
class PaperSpeed:
    """What a paper says of one model."""

    model: str
    resolution: int
    seconds: float  # an image
    source: str
    hardware: str = A100


PAPERS = (
    PaperSpeed("LAFITE", 256, 0.02, GIGAGAN_TABLE),
    PaperSpeed("StyleGAN-T", 256, 0.10, GIGAGAN_TABLE),
    PaperSpeed("GigaGAN", 512, 0.13, GIGAGAN_TABLE),
    PaperSpeed("Muse-3B", 256, 1.3, GIGAGAN_TABLE),
    PaperSpeed("Stable Diffusion 1.5", 512, 2.9, GIGAGAN_TABLE),
    PaperSpeed("Parti-3B", 256, 6.4, GIGAGAN_TABLE),
    PaperSpeed("Imagen", 256, 9.1, GIGAGAN_TABLE),
    PaperSpeed("LDM", 256, 9.4, GIGAGAN_TABLE),
    PaperSpeed("GLIDE", 256, 15.0, GIGAGAN_TABLE),
    PaperSpeed("eDiff-I", 256, 32.0, GIGAGAN_TABLE),
    PaperSpeed("StyleGAN-T", 64, 0.06, SECOND_HAND),
    PaperSpeed("InstaFlow, UFOGen, DMD, DMD2", 512, 0.09, SECOND_HAND),
    PaperSpeed("Make-A-Scene", 256, 25.0, DMD_TABLE),
)
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


def paper_rows(papers: Sequence[PaperSpeed] = PAPERS) -> list[list[str]]:
    """Rows of PAPER_HEADER, each marked as of another machine."""
    return [
        [
            p.model,
            str(p.resolution),
            f"{p.seconds:.2f}",
            f"{1 / p.seconds:.2f}",
            f"{ANOTHER_MACHINE}: {p.hardware}",
            p.source,
        ]
        for p in papers
    ]
