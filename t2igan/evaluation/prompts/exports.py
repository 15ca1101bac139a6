"""Pictures in the folders that GenEval's and T2I-CompBench's own programs judge. Their detectors and answers are not here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from t2igan.errors import DataError, UsageError
from t2igan.files import check_folder, write_atomic
from t2igan.images import save_png
from t2igan.pipeline import TextToImage
from t2igan.sampling import choose_device

LONGEST = 240  # bytes of a prompt in a file name, which has 255
OnProgress = Callable[[int, int], None]  # pictures done, pictures to do


def write_geneval(
    model: str | None,
    prompts: Path,
    out: Path,
    *,
    count: int = 4,
    seed: int = 0,
    psi: float = 1.0,
    device: str = "auto",
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> int:
    """Draw GenEval's prompts: 00000/metadata.jsonl, which is the prompt's line, and 00000/samples/0000.png.

    Args:
        model: checkpoint; None = the embedded model.
        prompts: GenEval's evaluation_metadata.jsonl: JSON lines with `tag` and `prompt`.
        out: folder that is empty, or is not there yet.
        count: pictures a prompt; published values are of four.
        seed: of the first picture; picture k of prompt i has seed + i * count + k.
        psi: truncation.
        device: cpu, cuda, mps or auto.
        batch: pictures at once.
        on_progress: told after every picture.

    Returns:
        How many pictures were written.

    Raises:
        DataError: if a line is no prompt.
        UsageError: if the folder holds something, or the count cannot be right.
        CheckpointError: if the model cannot be read.
    """
    lines = [line for line in _lines(prompts) if line.strip()]
    captions = [_geneval_prompt(line, f"{prompts}:{number}") for number, line in enumerate(lines, 1)]
    _check(out, count, captions, prompts)
    drawn = TextToImage.from_checkpoint(model, device=choose_device(device))
    for number, line in enumerate(lines):
        (out / f"{number:05d}" / "samples").mkdir(parents=True)
        write_atomic(out / f"{number:05d}" / "metadata.jsonl", line.encode())
    for number, k, image in _draw(drawn, captions, count, seed, psi, batch, on_progress):
        save_png(out / f"{number:05d}" / "samples" / f"{k:04d}.png", image)
    return len(captions) * count


def write_compbench(
    model: str | None,
    prompts: Path,
    out: Path,
    *,
    count: int = 10,
    seed: int = 0,
    psi: float = 1.0,
    device: str = "auto",
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> int:
    """Draw a category of T2I-CompBench: samples/PROMPT_000000.png, numbered through.

    Arguments, result and errors are those of `write_geneval`, but `prompts` holds a prompt a line, and published values are of ten.
    """
    captions = [line.strip() for line in _lines(prompts) if line.strip()]
    for number, caption in enumerate(captions, 1):
        if any(letter in caption for letter in "_/\0") or len(caption.encode()) > LONGEST:
            raise DataError(
                f"{prompts}: prompt {number} cannot be a file's name, from which T2I-CompBench reads it back: it has a slash, "
                f"an underscore or more than {LONGEST} bytes. Leave it out."
            )
    _check(out, count, captions, prompts)
    drawn = TextToImage.from_checkpoint(model, device=choose_device(device))
    (out / "samples").mkdir(parents=True)
    for number, k, image in _draw(drawn, captions, count, seed, psi, batch, on_progress):
        save_png(out / "samples" / f"{captions[number]}_{number * count + k:06d}.png", image)
    return len(captions) * count


def _draw(
    model: TextToImage,
    captions: Sequence[str],
    count: int,
    seed: int,
    psi: float,
    batch: int,
    on_progress: OnProgress | None,
) -> Iterator[tuple[int, int, Tensor]]:
    """Number of the prompt, number of its picture, uint8 [3, R, R]."""
    total = len(captions) * count
    for start in range(0, total, batch):
        places = range(start, min(start + batch, total))
        images = model.generate(
            [captions[i // count] for i in places], [seed + i for i in places], psi=psi, batch_size=batch
        )
        for i, image in zip(places, images, strict=True):
            yield *divmod(i, count), image
            if on_progress:
                on_progress(i + 1, total)


def _check(out: Path, count: int, captions: Sequence[str], prompts: Path) -> None:
    if count < 1:
        raise UsageError(f"--count {count}: one picture a prompt at least.")
    if not captions:
        raise DataError(f"{prompts}: holds no prompts. Give the benchmark's own file.")
    check_folder(out)
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(
            f"--out {out}: is not empty, and old pictures would be judged too. Name another folder."
        )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}). Give the benchmark's own file of prompts."
        ) from error


def _geneval_prompt(line: str, where: str) -> str:
    try:
        found: Any = json.loads(line)
        prompt, tag = found["prompt"], found["tag"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{where}: no JSON object with prompt and tag. Give GenEval's evaluation_metadata.jsonl."
        ) from error
    if not (isinstance(prompt, str) and prompt.strip() and isinstance(tag, str)):
        raise DataError(f"{where}: prompt and tag are texts that are not empty.")
    return prompt
