"""Pictures through networks, once: every rank takes chunks of its own, and what is on disk already is not done again.

While networks look at one batch, the next ones are drawn or decoded, and stacked, in another thread. Rows are the same as
if nothing overlapped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from t2igan import dist
from t2igan.ahead import cores, in_background
from t2igan.errors import DataError
from t2igan.evaluation.probes import Probe
from t2igan.evaluation.source import ImageSource, OnDevice, Picture
from t2igan.evaluation.store import Rows

OnProgress = Callable[[int, int], None]  # pictures done, pictures to do
AHEAD = 2  # batches that wait for the networks
BATCH_BYTES = 2**28  # a batch of large pictures ends here


@dataclass(frozen=True)
class _Batch:
    """Pictures of one size."""

    images: Tensor  # [N, 3, H, W] uint8
    captions: list[str]


def collect(
    source: ImageSource,
    probes: Sequence[Probe],
    cache: Path,
    *,
    device: torch.device,
    batch: int = 64,
    chunk_size: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[Rows]:
    """The rows of every probe, complete on disk when this returns on all ranks.

    Args:
        source: pictures.
        probes: networks; each reads every picture.
        cache: folder of the rows; all ranks must see the same one.
        device: where networks compute.
        batch: pictures at once, of one size.
        chunk_size: pictures that a rank takes at a time and a file holds; None = store.CHUNK.
        on_progress: hears of every batch of this rank.

    Raises:
        DataError: if a picture cannot be read, or lacks a caption that a probe needs.
    """
    found = [Rows(cache, source, probe, chunk_size=chunk_size) for probe in probes]
    todo = sorted({chunk for rows in found for chunk in rows.missing()})[dist.rank() :: dist.world()]
    dist.barrier()  # nobody writes before everybody has seen what is missing
    told = _Told(on_progress, sum(len(found[0].span(chunk)) for chunk in todo))
    try:
        for probe in probes:
            probe.to(device)
        with _coming(source, [found[0].span(chunk) for chunk in todo], batch, device) as coming:
            for chunk in todo:
                missing = [pair for pair in zip(probes, found, strict=True) if chunk in pair[1].missing()]
                _fill(chunk, missing, _until(len(found[0].span(chunk)), coming, told), source)
    finally:
        for probe in probes:
            probe.to("cpu")
    dist.barrier()
    return found


def _fill(
    chunk: int, missing: Sequence[tuple[Probe, Rows]], batches: Iterable[_Batch], source: ImageSource
) -> None:
    """Show the batches of a chunk to the networks, and keep what they say."""
    parts: list[list[dict[str, Tensor]]] = [[] for _ in missing]
    for batch in batches:
        for (probe, _), into in zip(missing, parts, strict=True):
            _check_captions(probe, batch.captions, source)
            into.append(probe(batch.images, batch.captions))
    for (probe, rows), made in zip(missing, parts, strict=True):
        whole = {name: torch.cat([part[name] for part in made]) for name in made[0]}
        _check_finite(probe, whole, source, rows.span(chunk))
        rows.write(chunk, whole)


class _Told:
    """Adds up what is done."""

    def __init__(self, on_progress: OnProgress | None, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0

    def add(self, count: int) -> None:
        self._done += count
        if self._on_progress:
            self._on_progress(self._done, self._total)


def _until(count: int, coming: Iterator[_Batch], told: _Told) -> Iterator[_Batch]:
    """The next batches, of `count` pictures together."""
    while count:
        batch = next(coming)
        yield batch
        count -= len(batch.captions)
        told.add(len(batch.captions))


@contextmanager
def _coming(
    source: ImageSource, spans: Sequence[range], most: int, device: torch.device
) -> Iterator[Iterator[_Batch]]:
    """The batches of all spans; none reaches over the end of a span."""
    batches = (batch for span in spans for batch in _batches(source.read(span.start, span.stop), most))
    if not _is_room(source, device):
        yield batches
        return
    with in_background(batches, ahead=AHEAD, prepare=_own_stream(device)) as coming:
        yield coming


def _is_room(source: ImageSource, device: torch.device) -> bool:
    """Whether the next batch can be made while networks compute.

    Two networks that share the cores of a CPU get in each other's way: one after the other with two threads took 140 ms a
    batch, at the same time with one thread each 170 to 195, with two each 210 to 250 (two cores; 60 and 157 ms alone with
    one thread).
    """
    is_shared = isinstance(source, OnDevice) and source.device.type == device.type == "cpu"
    return not is_shared or 2 * torch.get_num_threads() <= cores()


def _own_stream(device: torch.device) -> Callable[[], None] | None:
    """What a thread does so that its work on a GPU does not queue up behind the networks'."""
    if device.type != "cuda":
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))  # weights may be on their way

    def enter() -> None:
        torch.cuda.set_device(stream.device)
        torch.cuda.set_stream(stream)

    return enter


def _batches(pictures: Iterator[Picture], most: int) -> Iterator[_Batch]:
    """Runs of pictures of one size, each as soon as it is full: the next picture may take a whole batch of drawing."""
    waiting: list[Picture] = []
    for picture in pictures:
        if waiting and picture.image.shape != waiting[0].image.shape:
            yield _stacked(waiting)
            waiting = []
        waiting.append(picture)
        if len(waiting) == most or (len(waiting) + 1) * picture.image.numel() > BATCH_BYTES:
            yield _stacked(waiting)
            waiting = []
    if waiting:
        yield _stacked(waiting)


def _stacked(pictures: Sequence[Picture]) -> _Batch:
    return _Batch(torch.stack([p.image for p in pictures]), [p.caption for p in pictures])


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
