"""What tokens do: some of a prompt's are replaced by those of its twin, and a judge says whom the picture follows.

For models of shapes that read text tokens. A frozen text encoder has already mixed its tokens, so that a later one knows
of an earlier one's word: replacing a word's own token alone need not change the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from t2igan import images, rng
from t2igan.data.grammar import CLASS_NAMES, Scene, labels
from t2igan.errors import UsageError
from t2igan.evaluation.prompts.pairs import Pair
from t2igan.evaluation.prompts.shapes import shapes_pairs
from t2igan.features.judge import Judge, load_judge
from t2igan.metrics.intervals import wilson
from t2igan.pipeline import TextToImage
from t2igan.sampling import choose_device
from t2igan.types import Condition

TOKEN_MODEL = "embedded:gigagan_shapes"
OnProgress = Callable[[int, int], None]  # pictures done, pictures to do
Choice = Callable[[Tensor, Tensor], Tensor]
# Where two prompts' words differ [N, L], and where they have tokens: which tokens come from the twin.
EXCHANGES: dict[str, Choice] = {
    "none": lambda differs, mask: torch.zeros_like(mask),
    "the words' own": lambda differs, mask: differs & mask,
    "all but the end token": lambda differs, mask: mask & ~_end(mask),
    "the end token alone": lambda differs, mask: _end(mask),
    "all": lambda differs, mask: mask,
}


@dataclass(frozen=True)
class Twins:
    """Prompts and their twins of equal length, encoded."""

    pairs: list[Pair]
    c: Condition
    twin: Condition
    differs: Tensor  # [N, L] bool: where the words are others


def exchange_tokens(
    name: str | None,
    *,
    pairs: int = 100,
    seed: int = 0,
    psi: float = 1.0,
    judge: str = "embedded:shapes_judge",
    device: str = "auto",
    batch_size: int = 64,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Draw every prompt with some of its twin's tokens, from the same latent.

    Args:
        name: checkpoint; None = the embedded GigaGAN.
        pairs: of each category, before those of unequal length are left out.
        seed: chooses scenes and latents.
        psi: truncation.
        judge: checkpoint of the judge.
        device: where the generator runs.
        batch_size: pictures at a time.
        on_progress: told after every batch.

    Returns:
        {"pairs": {category: how many}, "follows": {category: {exchange: {"own": share, "twin": share}}}}, shares with
        intervals: of pictures whose differing attributes are all as one of the two prompts says.

    Raises:
        UsageError: if the model reads no tokens, or its text encoder has none to compare.
    """
    model = TextToImage.from_checkpoint(TOKEN_MODEL if name is None else name, device=choose_device(device))
    _need_tokens(model)
    net, found = load_judge(judge), shapes_pairs(pairs, seed=seed)
    categories = dict.fromkeys(pair.category for pair in found)
    groups = {name: _encode(model, [pair for pair in found if pair.category == name]) for name in categories}
    twins = {name: group for name, group in groups.items() if group.pairs}
    done, total = 0, len(EXCHANGES) * sum(len(group.pairs) for group in twins.values())
    follows: dict[str, Any] = {}
    for category, group in twins.items():
        follows[category] = {}
        for exchange, chosen in EXCHANGES.items():
            c = _exchanged(group, chosen)
            readings = _draw_and_judge(model, net, c, seed=seed, psi=psi, batch_size=batch_size)
            follows[category][exchange] = _followed(readings, group.pairs)
            done += len(group.pairs)
            if on_progress:
                on_progress(done, total)
    return {"pairs": {category: len(group.pairs) for category, group in twins.items()}, "follows": follows}


def _need_tokens(model: TextToImage) -> None:
    if not model.G.config.reads_tokens or not hasattr(model.conditioner, "token_ids"):
        raise UsageError(
            "this model reads no text tokens of words, so there is nothing to exchange. GigaGAN models do; see "
            "docs/gigagan.md."
        )


def _end(mask: Tensor) -> Tensor:
    """[N, L] True at the last token of each row."""
    return torch.arange(mask.shape[1], device=mask.device) == mask.sum(dim=1, keepdim=True) - 1


def _encode(model: TextToImage, pairs: Sequence[Pair]) -> Twins:
    """Those pairs whose prompts have equally many tokens."""
    conditioner: Any = model.conditioner
    texts, twins = [pair.caption for pair in pairs], [pair.swapped for pair in pairs]
    c, twin = conditioner(texts), conditioner(twins)
    equal = (c.mask == twin.mask).all(dim=1).nonzero().flatten()
    ids, others = conditioner.token_ids(texts)[equal], conditioner.token_ids(twins)[equal]
    kept = [pairs[i] for i in equal.tolist()]
    return Twins(kept, c.index(equal), twin.index(equal), ids != others)


def _exchanged(group: Twins, chosen: Choice) -> Condition:
    c, twin = group.c, group.twin
    assert c.tokens is not None
    assert c.mask is not None
    assert twin.tokens is not None
    from_twin = chosen(group.differs, c.mask)
    return Condition(c.embed, torch.where(from_twin[:, :, None], twin.tokens, c.tokens), c.mask)


def _draw_and_judge(
    model: TextToImage, judge: Judge, c: Condition, *, seed: int, psi: float, batch_size: int
) -> dict[str, Tensor]:
    """Attribute -> [N] what the judge sees."""
    seen: list[dict[str, Tensor]] = []
    for start in range(0, len(c), batch_size):
        part = c.index(slice(start, start + batch_size))
        z = rng.latents(range(seed + start, seed + start + len(part)), model.G.z_dim).to(model.device)
        with torch.inference_mode():
            drawn = images.to_uint8(model.G(z, part, psi=psi)).cpu()
        seen.append({name: logits.argmax(dim=1) for name, logits in judge(drawn)[1].items()})
    return {name: torch.cat([part[name] for part in seen]) for name in seen[0]}


def _followed(readings: dict[str, Tensor], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Of the attributes in which two scenes differ: how often all are as the own scene says, and as the twin's."""
    table = torch.stack([readings[name] for name in CLASS_NAMES], dim=1)  # [N, A]
    own, twin = (torch.tensor([labels(scene) for scene in scenes]) for scenes in _scenes(pairs))
    same = own == twin
    return {
        who: wilson(int(((table == wanted) | same).all(dim=1).sum()), len(pairs)).as_dict()
        for who, wanted in (("own", own), ("twin", twin))
    }


def _scenes(pairs: Sequence[Pair]) -> tuple[list[Scene], list[Scene]]:
    firsts, seconds = [], []
    for pair in pairs:
        assert pair.scene is not None
        assert pair.swapped_scene is not None
        firsts.append(pair.scene)
        seconds.append(pair.swapped_scene)
    return firsts, seconds
