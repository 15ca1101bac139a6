"""The result of `t2igan bench gigagan` as a table. Measures nothing."""

from __future__ import annotations

from typing import Any

from t2igan.cli.bench_tables import print_table


def show_gigagan(found: dict[str, Any], *, install: str) -> None:
    """CPU seconds of both sides; `install` says how to get a port that is missing."""
    sizes = "; ".join(
        f"{side} G {count['G'] / 1e6:.2f} M, D {count['D'] / 1e6:.2f} M"
        for side, count in found["parameters"].items()
    )
    facts = [
        f"64 px without text, float32, CPU seconds, medians of {found['rounds']} rounds in turns; parameters: {sizes}",
        f"{found['processor']}, {found['threads']} threads, torch {found['torch']}; "
        f"matmul peak: {found['matmul_gflops']:,.0f} GFLOP/s in float32",
    ]
    if found["port"] is None:
        facts.append(f"gigagan-pytorch is not here, so ours stands alone. To measure it too: {install}")
    rows = [
        [row["what"], *(_number(row[key]) for key in ("ours_s", "port_s", "ratio"))] for row in found["rows"]
    ]
    print_table(
        facts, ["what", "ours", f"gigagan-pytorch {found['port'] or ''}".strip(), "ours / port"], rows
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
