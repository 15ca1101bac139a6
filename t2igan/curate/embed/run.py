"""`data embed`: text embeddings beside every shard. Killed at any time, the same command goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from t2igan.curate.embed.shard import Embedded, EmbedTask, MakeEmbedder
from t2igan.curate.engine import Failure, Workers, run_tasks
from t2igan.curate.failures import refuse
from t2igan.curate.progress import Progress
from t2igan.curate.shards import Shard, list_shards
from t2igan.curate.storage import Folder
from t2igan.errors import UsageError
from t2igan.text.config import ConditionerConfig

BATCH = 256


def embed_shards(
    source: str,
    *,
    conditioner: ConditionerConfig,
    has_tokens: bool = False,
    out: str | None = None,
    batch: int = BATCH,
    workers: Workers | None = None,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Write NNNNN.text-FINGERPRINT.safetensors for every shard; what is there and fits is not made again.

    Args:
        source: a folder, file, glob or brace pattern of shards, local or a URL, or several joined by `::`.
        conditioner: the text encoder.
        has_tokens: also keep the features of every token, where the encoder has some.
        out: folder of the files; None = beside each shard, where training looks for them.
        batch: captions that the encoder sees at once.
        workers: who does the work; on CPUs the files do not depend on it.
        is_quiet: no progress on stderr.

    Returns:
        {"fingerprint", "shards", "written", "samples", "captions", "without_caption"}.

    Raises:
        UsageError: if the batch is not positive, or the encoder has no features of tokens.
        DataError: if there are no shards; after the others were done, if some could not be embedded.
        WeightsError: if the encoder's weights are not on this machine.
    """
    if batch < 1:
        raise UsageError(f"batch {batch}: at least 1.")
    tasks = embed_tasks(list_shards(source), out)
    for folder in {task.out for task in tasks}:
        folder.sweep()
    done: list[Embedded] = []
    failures: list[Failure] = []
    with Progress("embed", len(tasks), is_quiet=is_quiet) as progress:
        for _, found in run_tasks(MakeEmbedder(conditioner, has_tokens, batch), tasks, workers or Workers()):
            if isinstance(found, Failure):
                failures.append(found)
                continue
            done.append(found)
            progress.add(found.samples)
    refuse(failures, "could not be embedded", len(tasks))
    return _totals(done)


def embed_tasks(shards: Sequence[Shard], out: str | None) -> list[EmbedTask]:
    """One task a shard: beside it under its own name, or in `out`."""
    if out is None:
        return [EmbedTask(shard, shard.folder, shard.name.removesuffix(".tar")) for shard in shards]
    return [EmbedTask(shard, Folder(out), shard.stem) for shard in shards]


def _totals(done: Sequence[Embedded]) -> dict[str, Any]:
    return {
        "fingerprint": done[0].fingerprint,
        "shards": len(done),
        "written": sum(found.is_new for found in done),
        "samples": sum(found.samples for found in done),
        "captions": sum(found.captions for found in done),
        "without_caption": sum(found.without for found in done),
    }
