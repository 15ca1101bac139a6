"""Pictures through networks, once: every rank takes chunks of its own, and what is on disk already is not done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from t2igan import dist
from t2igan.errors import DataError
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.source import ImageSource, Picture
from t2igan.evaluation.store import Rows

OnProgress = Callable[[int, int], None]  # pictures done, pictures to do


def collect(
    source: ImageSource,
    probes: Sequence[Probe],
    cache: Path,
    *,
    device: torch.device,
    batch: int = 64,
    on_progress: OnProgress | None = None,
) -> list[Rows]:
    """The rows of every probe, complete on disk when this returns on all ranks.

    Args:
        source: pictures.
        probes: networks; each reads every picture.
        cache: folder of the rows; all ranks must see the same one.
        device: where networks compute.
        batch: pictures at once, of one size.
        on_progress: hears of every batch of this rank.

    Raises:
        DataError: if a picture cannot be read, or lacks a caption that a probe needs.
    """
    found = [Rows(cache, source, probe) for probe in probes]
    todo = sorted({chunk for rows in found for chunk in rows.missing()})[dist.rank() :: dist.world()]
    dist.barrier()  # nobody writes before everybody has seen what is missing
    total, done = sum(len(found[0].span(chunk)) for chunk in todo), 0
    try:
        for probe in probes:
            probe.to(device)
        for chunk in todo:
            wanted = [
                (probe, rows) for probe, rows in zip(probes, found, strict=True) if chunk in rows.missing()
            ]
            span = found[0].span(chunk)
            parts: list[list[dict[str, Tensor]]] = [[] for _ in wanted]
            for pictures in _batches(source.read(span.start, span.stop), batch):
                images, captions = torch.stack([p.image for p in pictures]), [p.caption for p in pictures]
                for (probe, _), into in zip(wanted, parts, strict=True):
                    _check_captions(probe, captions, source)
                    into.append(probe(images, captions))
                done += len(pictures)
                if on_progress:
                    on_progress(done, total)
            for (probe, rows), made in zip(wanted, parts, strict=True):
                whole = {name: torch.cat([part[name] for part in made]) for name in made[0]}
                _check_finite(probe, whole, source, span)
                rows.write(chunk, whole)
    finally:
        for probe in probes:
            probe.to("cpu")
    dist.barrier()
    return found


def _batches(pictures: Iterator[Picture], most: int) -> Iterator[list[Picture]]:
    """Runs of pictures of one size."""
    waiting: list[Picture] = []
    for picture in pictures:
        if waiting and (len(waiting) == most or picture.image.shape != waiting[0].image.shape):
            yield waiting
            waiting = []
        waiting.append(picture)
    if waiting:
        yield waiting


def _check_captions(probe: Probe, captions: Sequence[str], source: ImageSource) -> None:
    if probe.needs_captions and not all(captions):
        raise DataError(
            f"{source.name}: some pictures have no caption, which a CLIP score needs. Add captions, or leave the score out."
        )


def _check_finite(probe: Probe, rows: dict[str, Tensor], source: ImageSource, span: range) -> None:
    for values in rows.values():
        bad = [span.start + i for i in (~values.isfinite().all(dim=1)).nonzero().flatten().tolist()]
        if bad:
            raise DataError(
                f"{source.name}: {probe.name} gives features of {len(bad)} pictures, number {bad[0]} the first, that are "
                "not finite. The network's weights are broken, or its precision is too low."
            )
