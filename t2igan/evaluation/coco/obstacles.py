"""Why a result compares with no published number. An empty list is the only leave to print them side by side."""

from __future__ import annotations

from t2igan.evaluation.coco.annotations import Annotations
from t2igan.evaluation.coco.captions import choose, one_line
from t2igan.evaluation.coco.pictures import Asked
from t2igan.evaluation.coco.protocols import Protocol, is_genuine
from t2igan.evaluation.coco.request import CocoRequest
from t2igan.evaluation.metric import Metric


def obstacles(request: CocoRequest, annotations: Annotations, asked: Asked) -> dict[str, list[str]]:
    """For `fid` and `clip_score`: one line for each departure from the protocol."""
    distance, *scores = request.metrics()
    protocol, common = request.recipe, _common(request, annotations, asked)
    no_fid = [] if is_genuine(distance) else [f"{distance.name} is no FID, as its network is not Inception"]
    return {"fid": no_fid + common, "clip_score": _of_score(scores, protocol) + common}


def _of_score(scores: list[Metric], protocol: Protocol) -> list[str]:
    if not scores:
        return ["there is none"]
    if scores[0].network == protocol.clip:
        return []
    return [f"{scores[0].name} is by another CLIP than {protocol.clip.model} {protocol.clip.pretrained}"]


def _common(request: CocoRequest, annotations: Annotations, asked: Asked) -> list[str]:
    protocol, found = request.recipe, []
    if request.side not in protocol.sizes:
        sizes = " and ".join(map(str, protocol.sizes))
        found.append(f"{request.side} px, and {protocol.id} is defined for {sizes}")
    if len(asked.pictures) != protocol.count:
        found.append(f"{len(asked.pictures)} pictures instead of {protocol.count}")
    if len(annotations.names) != protocol.num_images:
        found.append(
            f"{annotations.file.name} has {len(annotations.names)} images, and MS-COCO's {protocol.split} "
            f"{protocol.num_images}"
        )
    if protocol.is_native and asked.is_shrunk:
        found.append(
            f"drawn larger than {request.side} px, and {protocol.id} measures what is drawn at that size"
        )
    return found + _of_captions(request, annotations, asked)


def _of_captions(request: CocoRequest, annotations: Annotations, asked: Asked) -> list[str]:
    """Captions of a file must be the protocol's."""
    if request.captions is None:
        return [] if request.images is None else ["nobody told which captions were drawn"]
    own, protocol = [one_line(caption) for caption in asked.captions], request.recipe
    if protocol.captions == "listed" and not protocol.takes_captions:
        n = min(len(own), len(annotations.names))
        listed = choose(annotations, protocol, n=n, seed=request.seed)
        is_list = own == [one_line(choice.caption) for choice in listed]
        return [] if is_list else [f"the captions are not {protocol.id}'s list, in its order"]
    known = {one_line(text) for captions in annotations.captions.values() for _, text in captions}
    strange = sum(caption not in known for caption in own)
    return [f"{strange} captions are none of {annotations.file.name}"] if strange else []
