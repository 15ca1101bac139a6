"""The results of `t2igan bench eval` as tables. Measures nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from t2igan.cli.bench_tables import print_table


def show_eval(found: dict[str, Any]) -> None:
    """One table a part."""
    tables: dict[str, Callable[[dict[str, Any]], None]] = {
        "folder": _folder,
        "overlap": _overlap,
        "memory": _memory,
        "frechet": _frechet,
    }
    for part, values in found.items():
        tables[part](values)


def _folder(found: dict[str, Any]) -> None:
    facts = [
        f"{found['pictures']} PNGs of {found['side']} px through one network ({found['network']}) at 299 px on the CPU, {found['threads']} "
        f"threads; clean-fid's loader with {found['workers']} processes",
        f"ours is {found['ratio']:.2f} times as fast, {found['cpu_ratio']:.2f} times by CPU time; the features differ by {found['difference']:.1e} at most",
    ]
    rows = [[*row, f"{found['cpu_ms'][row[0]]:.2f}"] for row in _rates(found)]
    print_table(facts, ["road", "images/s", "ms an image", "CPU ms"], rows)


def _overlap(found: dict[str, Any]) -> None:
    threads = (
        f", one thread for each of the two on {found['cores']} cores" if found["device"] == "cpu" else ""
    )
    facts = [
        f"{found['pictures']} drawings of the embedded model through a network ({found['network']}) on {found['device']}{threads}",
        f"overlapped at {found['ratio']:.0%} of the slower of the two alone",
    ]
    print_table(facts, ["work", "images/s", "ms an image"], _rates(found))


def _memory(found: dict[str, Any]) -> None:
    few, many = found["pictures"]
    facts = [
        f"folders of {found['side']} px, each against itself, the smaller one first, in a process of their own",
        f"{many - few} further pictures take {found['growth_mb']:.0f} MB; held, they would take {found['decoded_mb']:.0f} MB",
    ]
    rows = [
        [str(count), f"{peak:,.0f}"] for count, peak in zip(found["pictures"], found["peak_mb"], strict=True)
    ]
    print_table(facts, ["pictures", "peak so far, MB"], rows)


def _frechet(found: dict[str, Any]) -> None:
    facts = [
        f"Frechet distance of {found['dim']} features, whose exact value is known, {found['threads']} threads",
        f"ours is {found['ratio']:.2f} times as fast",
    ]
    rows = [
        [name, f"{seconds:.2f}", f"{found['error'][name]:.1e}"] for name, seconds in found["seconds"].items()
    ]
    print_table(facts, ["by", "seconds", "relative error"], rows)


def _rates(found: dict[str, Any]) -> list[list[str]]:
    return [[name, f"{rate:,.1f}", f"{1000 / rate:.2f}"] for name, rate in found["images_per_s"].items()]
