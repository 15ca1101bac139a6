"""`t2igan eval geneval` and `eval compbench`: pictures for the benchmarks' own programs, and what these found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from t2igan.cli.eval_tables import new_console, print_notes, print_table
from t2igan.cli.progress_bar import progress_bar

Model = Annotated[str | None, typer.Option("--model", "-m", help="Checkpoint; default: the embedded model.")]
Results = Annotated[
    Path | None, typer.Option("--results", help="Only read what the benchmark's program wrote.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the first picture.")]
Psi = Annotated[float, typer.Option(help="Truncation, -2 to 2; 1 = none.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps; default: cuda where there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print scores as JSON instead of a table.")]


def geneval(
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="GenEval's evaluation_metadata.jsonl: draw these.")
    ] = None,
    model: Model = None,
    results: Results = None,
    count: Annotated[int, typer.Option(min=1, help="Pictures a prompt.")] = 4,
    seed: Seed = 0,
    psi: Psi = 1.0,
    device: Device = "auto",
    out: Annotated[Path, typer.Option("--out", help="Folder for the pictures.")] = Path("out/geneval"),
    as_json: AsJson = False,
) -> None:
    """Write pictures as GenEval's own program reads them, or read its results.jsonl.

    Example: t2igan eval geneval --model G.safetensors --prompts evaluation_metadata.jsonl --out out/geneval
    """
    _check_one(prompts, results, model)
    if prompts is not None:
        from t2igan.evaluation.prompts.exports import write_geneval

        with progress_bar("pictures") as bar:
            written = write_geneval(
                model, prompts, out, count=count, seed=seed, psi=psi, device=device, on_progress=bar
            )
        print(f"wrote {written} pictures to {out}", file=sys.stderr)
        return
    from t2igan.evaluation.prompts.benchmarks import GENEVAL_OVERALL, read_geneval

    assert results is not None
    found = read_geneval(results)
    if as_json:
        print(json.dumps(found))
        return
    console = new_console()
    rows = [[tag, *_cells(share)] for tag, share in found["tasks"].items()]
    print_table(
        console, ("task", "correct", "95 %", "n"), [*rows, ["overall", f"{found['overall']:.3f}", "", ""]]
    )
    if not found["warnings"]:
        published = [[name, f"{value:.2f}", "GenEval's README"] for name, value in GENEVAL_OVERALL.items()]
        print_table(console, ("published", "overall", "source"), published)
    print_notes(console, "warning", found["warnings"])


def compbench(
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="A category's prompts, one a line: draw these.")
    ] = None,
    model: Model = None,
    results: Results = None,
    count: Annotated[int, typer.Option(min=1, help="Pictures a prompt.")] = 10,
    seed: Seed = 0,
    psi: Psi = 1.0,
    device: Device = "auto",
    out: Annotated[Path, typer.Option("--out", help="Folder for the pictures.")] = Path("out/compbench"),
    as_json: AsJson = False,
) -> None:
    """Write pictures as T2I-CompBench's own programs read them, or read one of its vqa_result.json.

    Example: t2igan eval compbench --model G.safetensors --prompts color_val.txt --out out/color
    """
    _check_one(prompts, results, model)
    if prompts is not None:
        from t2igan.evaluation.prompts.exports import write_compbench

        with progress_bar("pictures") as bar:
            written = write_compbench(
                model, prompts, out, count=count, seed=seed, psi=psi, device=device, on_progress=bar
            )
        print(f"wrote {written} pictures to {out}/samples", file=sys.stderr)
        return
    from t2igan.evaluation.prompts.benchmarks import read_compbench

    assert results is not None
    found = read_compbench(results, count=count)
    if as_json:
        print(json.dumps(found))
        return
    row = [str(results), *_cells(found["score"]), str(found["pictures"])]
    print_table(new_console(), ("results", "score", "95 %", "prompts", "pictures"), [row])


def _check_one(prompts: Path | None, results: Path | None, model: str | None) -> None:
    from t2igan.errors import UsageError

    if (prompts is None) == (results is None) or (prompts is None and model is not None):
        raise UsageError(
            "give --prompts FILE to draw pictures of a model, or --results FILE alone to read what was found of them."
        )


def _cells(share: dict[str, Any]) -> list[str]:
    return [f"{share['value']:.4f}", f"{share['low']:.4f} .. {share['high']:.4f}", str(share["n"])]
