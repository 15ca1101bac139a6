"""The results of `t2igan bench` as tables. Measures nothing."""

from __future__ import annotations

from typing import Any


def show_filter(found: dict[str, Any]) -> None:
    """Stages of filtering, and the whole."""
    facts = [
        f"pictures of {found['size'][0]} x {found['size'][1]}, one worker on {found['device']}, {found['threads']} threads"
        + (f"; CLIP {found['clip']}, batch {found['batch']}" if found["clip"] else ""),
        f"whole: {found['filter']:.1f} images/s, {found['share']:.0%} of the slowest stage ({found['slowest']}) alone; "
        f"peak memory {found['peak_memory_mb']:.0f} MB",
    ]
    rows = [[name, f"{rate:,.1f}", f"{1000 / rate:.3f}"] for name, rate in found["stages"].items()]
    print_table(facts, ["stage alone", "images/s", "ms an image"], rows)


def show_train(found: dict[str, Any]) -> None:
    """Training steps."""
    facts = [
        f"recipe {found['recipe']}: {found['resolution']} px, batch {found['batch']} in pieces of {found['batch_gpu']}, "
        f"{found['precision']} on {found['device']}, {found['threads']} threads, {found['steps']} steps",
        f"{found['images_per_s']:.1f} images/s; step {_ms(found['step_s']['p50'])} ms (p90 {_ms(found['step_s']['p90'])}); "
        f"{found['gflop_per_image']:.3f} GFLOP an image; peak memory {found['peak_memory_gb']:.2f} GB",
        _peaks(found),
    ]
    rows = [
        [
            name,
            _ms(part["seconds"]),
            f"{part['share']:.1%}",
            f"{part['gflop']:.2f}",
            f"{part['share_of_peak']:.1%}",
        ]
        for name, part in found["parts"].items()
    ]
    if "plain" in found:
        facts.append(_against_plain(found["plain"]))
    print_table(facts, ["part of a step", "ms", "share", "GFLOP", f"of the {found['precision']} peak"], rows)


def show_sample(found: dict[str, Any]) -> None:
    """Drawing."""
    facts = [
        f"model {found['model']}: {found['resolution']} px, {found['precision']} on {found['device']}, "
        f"{found['threads']} threads; {found['gflop_per_image']:.3f} GFLOP an image; "
        f"peak memory {found['peak_memory_gb']:.2f} GB",
        f"matmul peak: {found['matmul_gflops']['float32']:,.0f} GFLOP/s in float32",
    ]
    rows = [
        [
            str(row["batch"]),
            *(f"{value:.1f}" for value in row["latency_ms"].values()),
            f"{row['text_ms']:.1f}",
            f"{row['images_per_s']:.1f}",
            f"{row['share_of_peak']:.1%}",
        ]
        for row in found["batches"]
    ]
    print_table(facts, ["batch", "p50 ms", "p90 ms", "p99 ms", "text ms", "images/s", "of the peak"], rows)
    cold = found["cold_start"]
    if cold:
        packages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in cold["packages"].items())
        parts = ", ".join(
            f"{name} {cold[f'{name}_s']:.2f}"
            for name in ("python", "imports", "weights", "text", "G", "save")
        )
        print(
            f"first image of a fresh process: {cold['total_s']:.2f} s = {parts}\nlongest imports: {packages}"
        )


def show_upscale(found: dict[str, Any]) -> None:
    """Enlarging."""
    peaks = ", ".join(f"{peak:,.0f} GFLOP/s in {name}" for name, peak in found["matmul_gflops"].items())
    facts = [
        f"model {found['model']}: {found['parameters']:,} parameters, x {found['scale']}, on {found['processor']} "
        f"({found['device']}), {found['threads']} threads; peak memory {found['peak_memory_gb']:.2f} GB",
        f"matmul peak: {peaks}",
    ]
    rows = [
        [
            f"{row['side']}",
            row["precision"],
            *(f"{row['latency_ms'][name]:,.1f}" for name in ("p50", "p90")),
            f"{row['cpu_s']:.3f}",
            f"{row['megapixels_per_s']:.3f}",
            f"{row['gflop']:,.2f}",
            f"{row['share_of_peak']:.1%}",
        ]
        for row in found["rows"]
    ]
    header = ["px", "type", "p50 ms", "p90 ms", "CPU s", "MP/s out", "GFLOP", "of peak"]
    print_table(facts, header, rows)


def show_loader(found: dict[str, Any]) -> None:
    """Reading training data."""
    facts = [
        f"squares of {found['resolution']} px in batches of {found['batch']}, {found['threads']} thread a process, "
        f"torch {found['torch']}; per core = by the CPU time of one process, or by worker"
    ]
    rows = [
        [
            row["source"],
            row["road"],
            str(row["workers"]),
            f"{row['images_per_s']:,.0f}",
            f"{row['per_core']:,.0f}",
            *(f"{row[key]:.2f}" if key in row else "" for key in ("to_webdataset", "to_pillow")),
        ]
        for row in found["rows"]
    ]
    header = ["px", "road", "workers", "images/s", "per core", "x webdataset", "x Pillow"]
    print_table(facts, header, rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _against_plain(found: dict[str, Any]) -> str:
    return (
        f"plain formulation: step {found['plain_s'] * 1000:.1f} ms, ours takes {found['ratio']:.2f} of it "
        f"({found['cpu_ratio']:.2f} in CPU time), the generator's forward pass {found['forward_ratio']:.2f}"
    )


def _peaks(found: dict[str, Any]) -> str:
    shares = [
        f"{found['share_of_peak'][name]:.1%} of the {name} peak ({peak:,.0f})"
        for name, peak in found["matmul_gflops"].items()
    ]
    return f"{found['gflops']:,.0f} GFLOP/s: " + ", ".join(shares)


def print_table(facts: list[str], header: list[str], rows: list[list[str]]) -> None:
    """What was measured, a line each, and a table under it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE)
    for number, title in enumerate(header):
        table.add_column(title, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    for fact in facts:
        console.print(fact, soft_wrap=True, markup=False)
    console.print(table)
