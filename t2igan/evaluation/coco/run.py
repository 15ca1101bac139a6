"""`t2igan eval coco`: one protocol, from captions to a result that says how it was made. Protocols are protocols.py's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from t2igan.evaluation.choice import check_weights
from t2igan.evaluation.coco.annotations import Annotations, check_pictures, read_annotations
from t2igan.evaluation.coco.captions import choose, full_list, ids_hash, one_line
from t2igan.evaluation.coco.obstacles import obstacles
from t2igan.evaluation.coco.pictures import Asked, ask
from t2igan.evaluation.coco.protocols import recipe_hash
from t2igan.evaluation.coco.request import CocoRequest
from t2igan.evaluation.collect import OnProgress
from t2igan.evaluation.evaluate import evaluate
from t2igan.evaluation.model import own_eyes
from t2igan.evaluation.processes import joined
from t2igan.evaluation.sources.files import FilesSource
from t2igan.files import check_folder, write_atomic

EXPECTED = ("compressed as JPEG", "pictures of", "grey")  # of photographs, and nothing to warn of


def evaluate_coco(request: CocoRequest, *, on_progress: OnProgress | None = None) -> dict[str, Any]:
    """Measure by a protocol, on many processes if torchrun or SLURM started them; writes coco.json and captions.txt.

    Args:
        request: what is asked for.
        on_progress: hears how far it is.

    Returns:
        What `evaluate` documents, and `recipe`, `recipe_sha256`, `resolution`, `counts`, `captions`, `model`, `differs`
        (from the paper's own run) and `obstacles`: for `fid` and `clip_score`, why no published number compares.
        {} on all processes but the first.

    Raises:
        UsageError: if options contradict each other or the protocol.
        DataError: if captions or pictures are not those of the protocol's split.
        WeightsError: if a network is not on this machine.
        CheckpointError: if the model cannot be read.
    """
    request.check()
    metrics, protocol = request.metrics(), request.recipe
    check_folder(request.out)
    annotations = read_annotations(request.coco, protocol.split)
    check_pictures(annotations, request.coco / protocol.split)
    check_weights(metrics)
    with joined(request.device) as device:
        asked = ask(request, annotations, device)
        result = evaluate(
            asked.pictures,
            _real(request),
            metrics,
            cache=request.cache or request.out / "features",
            device=device,
            batch=request.batch,
            seed=request.seed,
            ddof=protocol.ddof,
            protocol=protocol.id,
            on_progress=on_progress,
        )
    if not result:
        return {}
    result |= _described(request, annotations, asked)
    result["warnings"] += _warnings(request, annotations, asked)
    write_atomic(request.out / "coco.json", (json.dumps(result, indent=2) + "\n").encode())
    _write_lines(request.out / "captions.txt", asked.captions)
    return result


def write_captions(request: CocoRequest, file: Path) -> int:
    """Write a protocol's captions, one a line, so that any model can draw them; returns how many.

    Raises:
        DataError: if the captions file is not MS-COCO's.
        T2IGanError: if the file cannot be written.
    """
    request.check()
    protocol = request.recipe
    annotations = read_annotations(request.coco, protocol.split)
    choices = choose(annotations, protocol, n=request.n or protocol.count, seed=request.seed)
    _write_lines(file, [choice.caption for choice in choices])
    return len(choices)


def _real(request: CocoRequest) -> FilesSource:
    source = FilesSource(request.coco / request.recipe.split, request.recipe.reference(request.side))
    source.warnings = [line for line in source.warnings if not any(word in line for word in EXPECTED)]
    return source


def _described(request: CocoRequest, annotations: Annotations, asked: Asked) -> dict[str, Any]:
    protocol, pipeline = request.recipe, asked.pipeline
    recipe = protocol.recipe(request.side)
    return {
        "recipe": recipe.splitlines(),
        "recipe_sha256": recipe_hash(recipe),
        "resolution": request.side,
        "counts": {
            "drawn": len(asked.pictures),
            "protocol": protocol.count,
            "images": len(annotations.names),
            "captions": annotations.num_captions,
        },
        "captions": _captions(request, annotations),
        "model": None
        if pipeline is None
        else {
            "fingerprint": pipeline.fingerprint,
            "text_encoder": pipeline.conditioner.fingerprint,
            "weights": "averaged",
            "psi": request.psi,
            "noise": protocol.noise,
            "draws_px": pipeline.resolution,
        },
        "differs": list(protocol.differs),
        "obstacles": obstacles(request, annotations, asked),
    }


def _captions(request: CocoRequest, annotations: Annotations) -> dict[str, Any]:
    """Where the captions come from, as hashes that anybody can check."""
    told: dict[str, Any] = {"file": annotations.file.name, "file_sha256": annotations.sha256}
    told["list_sha256"] = ids_hash(full_list(annotations))
    if request.captions is None and request.images is None:
        count = request.n or request.recipe.count
        told["ids_sha256"] = ids_hash(choose(annotations, request.recipe, n=count, seed=request.seed))
    return told


def _warnings(request: CocoRequest, annotations: Annotations, asked: Asked) -> list[str]:
    networks = [metric.network for metric in request.metrics() if metric.kind == "clip_score"]
    found = own_eyes(asked.pipeline, networks) if asked.pipeline is not None else []
    if annotations.num_blank:
        found.append(
            f"{annotations.num_blank} captions of {annotations.file.name} are blank, and were left out"
        )
    return found + list(
        dict.fromkeys(line for why in obstacles(request, annotations, asked).values() for line in why)
    )


def _write_lines(file: Path, captions: list[str]) -> None:
    write_atomic(file, "".join(f"{one_line(caption)}\n" for caption in captions).encode())
