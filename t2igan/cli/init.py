"""`t2igan init`: arguments in, one library call."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from t2igan.init_recipe.policy import Machine
    from t2igan.init_recipe.run import Report


def command(
    data: Annotated[
        str, typer.Argument(help="Folder of captioned pictures; or shards: folder, file or pattern.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The recipe to write; its stem names the run.")
    ] = Path("run.yaml"),
    resolution: Annotated[
        int | None, typer.Option(help="Pixels, a power of two; default by the pictures and the machine.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="What will train; auto = what is here.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace recipes that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look into your own data, and write a commented recipe for it.

    Nothing is decoded, copied or trained. What to do next is printed, and every choice is explained in the file.

    Example: t2igan init pictures -o pictures.yaml
    """
    from t2igan.init_recipe.run import init_recipe

    report = init_recipe(data, out, machine=_machine(device), resolution=resolution, overwrite=overwrite)
    for text in report.warnings:
        print(f"warning: {text}", file=sys.stderr)
    if as_json:
        print(json.dumps(report.as_json(), indent=1))
    else:
        _show(report)


def _machine(device: Literal["auto", "cpu", "cuda"]) -> Machine:
    """What will train: this machine, or one of the kind that was asked for."""
    from t2igan.init_recipe.policy import Machine

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device == "cpu":
        return Machine("cpu", cores)
    import torch  # takes seconds, and only here is it needed

    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return Machine("cuda", cores, gpu.total_memory / 2**30, gpu.name)
    return Machine("cuda" if device == "cuda" else "cpu", cores)


def _show(report: Report) -> None:
    """Findings, files and the next commands to stdout."""
    width = max(map(len, report.findings))
    for name, text in report.findings.items():
        print(f"{name:{width}}  {text}")
    print(f"\nwrote {' and '.join(report.files)}: {report.plan.resolution} px, {report.plan.why_resolution}")
    print("\nnext:", *report.commands, sep="\n  ")
    for note in report.notes:
        print(note)
