"""The first image of a fresh process, as `t2igan sample` draws it, and where its seconds go.

A child process marks its phases on stderr, among the lines of `-X importtime`, so that an import is booked as an import
wherever it happens. Standard library only, so that the child starts like the real command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from t2igan.errors import T2IGanError

PROMPT = "a small red circle above a large blue square on a white background"
MARK, IMPORT = "t2igan phase:", "import time:"
NUM_PACKAGES = 6  # named in the result
PHASES = ("imports", "weights", "text", "G", "save")  # of the child, in order


def cold_start(model: str | None, *, device: str = "cpu", times: int = 3) -> dict[str, Any]:
    """Draw one image in each of `times` fresh processes; the one with the median total is reported.

    Returns:
        Seconds: "total_s", "python_s" (starting the interpreter), "imports_s" (in all phases), "weights_s" (reading and
        building), "text_s", "G_s", "save_s", and "packages": the longest imports by package, without what they import.

    Raises:
        T2IGanError: if a process fails, with its last line.
    """
    runs = sorted((_one(model, device) for _ in range(times)), key=lambda run: run["total_s"])
    return runs[len(runs) // 2]


def _one(model: str | None, device: str) -> dict[str, Any]:
    words = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "t2igan.bench.cold",
        device,
        *([model] if model else []),
    ]
    start = time.time()
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )
    lines = done.stderr.splitlines()
    if done.returncode:
        said = [line for line in lines if not line.startswith((MARK, IMPORT))]
        raise T2IGanError(f"the fresh process failed: {said[-1] if said else done.returncode}")
    return split(lines, start)


def split(lines: list[str], start: float) -> dict[str, Any]:
    """Seconds by phase from the child's stderr; `start` is when it was started, in seconds since 1970."""
    marks: list[tuple[str, float]] = [("python", start)]
    imports: defaultdict[str, float] = defaultdict(float)  # phase -> seconds
    packages: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        if line.startswith(MARK):
            _, _, name, moment = line.rsplit(maxsplit=3)
            marks.append((name, float(moment)))
        elif line.startswith(IMPORT) and len(marks) > 1 and "self [us]" not in line:
            own, _, module = line.removeprefix(IMPORT).split("|")
            imports[marks[-1][0]] += int(own) / 1e6
            packages[module.strip().split(".")[0]] += int(own) / 1e6
    # what is imported behind the last mark, as the interpreter ends, is in no phase
    spent = {name: end - begin for (name, begin), (_, end) in pairwise(marks)}
    parts = {f"{name}_s": spent[name] - imports[name] for name in ("python", *PHASES[1:])}
    # what is left of the phase "imports" is the imports' own overhead
    whole = {
        "total_s": marks[-1][1] - start,
        "imports_s": sum(imports[name] for name in spent) + spent["imports"] - imports["imports"],
    }
    longest = sorted(packages.items(), key=lambda item: -item[1])
    return {**whole, **parts, "packages": dict(longest[:NUM_PACKAGES])}


def _mark(name: str) -> None:
    sys.stderr.write(f"{MARK} {name} {time.time()}\n")
    sys.stderr.flush()


def _child(device: str, model: str | None) -> None:
    """What `t2igan sample PROMPT` does, with marks between its phases. Its imports are timed, so they stand here."""
    _mark("imports")
    import typer

    from t2igan import images, rng
    from t2igan.sampling import TextToImage, choose_device

    del typer  # what the command line is made of
    _mark("weights")
    text_to_image = TextToImage.from_checkpoint(model, device=choose_device(device))
    _mark("text")
    c = text_to_image.conditioner([PROMPT])
    _mark("G")
    z = rng.latents([0], text_to_image.G.z_dim).to(text_to_image.device)
    tile = images.to_uint8(text_to_image.G(z, c)).cpu()[0]
    _mark("save")
    with tempfile.TemporaryDirectory() as folder:
        images.save_png(Path(folder) / "first.png", tile, {"prompt": PROMPT})
        _mark("end")


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
