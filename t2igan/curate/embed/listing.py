"""Which encoders a set of shards has embeddings of, and which shards lack them. Encodes nothing, reads no row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from t2igan.curate.embed.run import embed_tasks
from t2igan.curate.embed.shard import EmbedTask
from t2igan.curate.embed.sidecar import TOKENS, read_front, stem_of, why_unfit
from t2igan.curate.shards import list_shards
from t2igan.curate.storage import Folder
from t2igan.data.sidecar import EMBED
from t2igan.errors import DataError
from t2igan.tensor_file import Layout


def list_embeddings(source: str, *, out: str | None = None) -> dict[str, Any]:
    """Look at the sidecars of a set.

    Args:
        source: shards, as `embed_shards` takes them.
        out: folder of the sidecars; None = beside each shard.

    Returns:
        {"shards", "encoders": [{"fingerprint", "dim", "tokens", "shards", "lacking": names, "unfit": name -> why}]}.
        `tokens` says whether every fitting file has those.

    Raises:
        DataError: if there are no shards, or a folder cannot be read.
    """
    tasks = embed_tasks(list_shards(source), out)
    names: dict[Folder, set[str]] = {task.out: task.out.names() for task in tasks}
    stems = {(task.out, task.stem) for task in tasks}
    labels = {
        n.partition(".text-")[2] for folder in names for n in names[folder] if (folder, stem_of(n)) in stems
    }
    found = [_encoder(label, tasks, names) for label in sorted(labels)]
    return {"shards": len(tasks), "encoders": found}


def _encoder(label: str, tasks: Sequence[EmbedTask], names: Mapping[Folder, set[str]]) -> dict[str, Any]:
    """One encoder, by what stands in file names after `.text-`."""
    lacking, unfit, fronts = [], {}, []
    for task in tasks:
        name = f"{task.stem}.text-{label}"
        if name not in names[task.out]:
            lacking.append(str(task))
            continue
        front = _front(task, name)
        if isinstance(front, str):
            unfit[task.out.where(name)] = front
        else:
            fronts.append(front)
    return {
        "fingerprint": fronts[0].strings.get("fingerprint") if fronts else label.removesuffix(".safetensors"),
        "dim": fronts[0].tensors[EMBED].shape[1] if fronts else None,
        "tokens": bool(fronts) and all(TOKENS in front.tensors for front in fronts),
        "shards": len(fronts),
        "lacking": lacking,
        "unfit": unfit,
    }


def _front(task: EmbedTask, name: str) -> Layout | str:
    """What stands in front of a sidecar, or why it does not fit its shard."""
    try:
        layout = read_front(task.out, name)
    except DataError as error:
        return str(error)
    return why_unfit(layout, task.stem, name, task.shard.folder.size(task.shard.name)) or layout
