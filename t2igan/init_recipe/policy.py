"""Inspection and machine -> every number of a first recipe, by the table's rows. Not how that is written down: gan_text.py."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import Literal

from t2igan.data.inspect import Inspection
from t2igan.errors import DataError, UsageError
from t2igan.init_recipe.table import (
    CACHE_BYTES,
    CLIP_KIMG,
    CLIP_LOOKS,
    CLIP_QUANTUM,
    CONTEXTS,
    CPU_RESOLUTION,
    GPU_RESOLUTIONS,
    GUIDANCE_GIB,
    KIMG,
    LIMITS,
    LOOKS,
    MIN_REACHING,
    RESOLUTIONS,
    SIZES,
    STAGE_SHARES,
    TOKENS_PER_WORD,
    USUAL_GIB,
    Size,
)


@dataclass(frozen=True)
class Machine:
    """What will train."""

    device: Literal["cpu", "cuda"]
    cores: int
    memory_gib: float | None = None  # of the GPU; None = no GPU, or one that is not at hand
    name: str = ""

    @property
    def gib(self) -> float:
        """The GPU's memory, or a usual one's."""
        return self.memory_gib or USUAL_GIB

    @property
    def has_guidance(self) -> bool:
        """Whether CLIP's image tower fits in beside the rest."""
        return self.device == "cuda" and self.gib >= GUIDANCE_GIB


@dataclass(frozen=True)
class Stage:
    """One entry of `stages`."""

    resolution: int
    kimg: float
    batch_gpu: int | None


@dataclass(frozen=True)
class Plan:
    """Every number that was chosen."""

    resolution: int
    why_resolution: str
    pictures: int  # to train on
    size: Size
    channel_base: int
    kimg: float
    stages: tuple[Stage, ...]
    interval_kimg: float  # between two sample grids
    is_cached: bool
    workers: int
    usable_share: float  # of the samples; the others are skipped
    max_bad_fraction: float | None  # None = the default does
    context_length: int
    clip_batch: int
    clip_kimg: float


def choose(found: Inspection, machine: Machine, *, resolution: int | None = None) -> Plan:
    """Choose every number of the recipes.

    Args:
        found: the data.
        machine: what will train.
        resolution: pixels; None = by sizes and machine.

    Raises:
        UsageError: if `resolution` is no power of two, or out of range.
        DataError: if no picture is as large as that.
    """
    size_px, why = _resolution(found, machine, resolution)
    pictures = max(1, round(training_pictures(found) * found.share_reaching(size_px)))
    row = next(row for row in SIZES[machine.device] if row.below is None or pictures < row.below)
    base = max(row.channel_base, 32 * size_px)  # the group norm needs 32 channels at every resolution
    kimg = two_digits(_between(LOOKS * pictures / 1000, *KIMG[machine.device]))
    usable = len(found.sizes) / found.looked_at * found.share_reaching(size_px)
    is_cached = pictures * 3 * size_px**2 <= CACHE_BYTES
    return Plan(
        resolution=size_px,
        why_resolution=why,
        pictures=pictures,
        size=row,
        channel_base=base,
        kimg=kimg,
        stages=_stages(size_px, kimg, row, base, machine),
        interval_kimg=two_digits(kimg / 24),  # two dozen grids to look at
        is_cached=is_cached,
        workers=0 if is_cached or machine.device == "cpu" else int(_between(machine.cores - 1, 1, 8)),
        usable_share=usable,
        max_bad_fraction=_max_bad_fraction(found, usable),
        context_length=context_length(found),
        clip_batch=2 ** min(8, max(4, int(log2(pictures)))),
        clip_kimg=_clip_kimg(pictures),
    )


def training_split(found: Inspection) -> str:
    """The split of a folder to train on: `train`, else the largest; an empty string where there are none."""
    return "train" if "train" in found.splits else max(found.splits, key=found.splits.__getitem__, default="")


def training_pictures(found: Inspection) -> int:
    """Usable pictures of the training split, or of all."""
    return min(found.usable, found.splits.get(training_split(found), found.usable))


def cpu_hours(plan: Plan) -> float | None:
    """Hours on one core, in proportion to the measured row's; None = not measured."""
    if plan.size.seconds_per_kimg is None:
        return None
    return plan.kimg * plan.size.seconds_per_kimg * (plan.resolution / CPU_RESOLUTION) ** 2 / 3600


def percent(share: float) -> str:
    """Such as "12 %"; never 0 or 100 unless it is exactly that."""
    if 0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 < share < 1 else f"{100 * share:.0f} %"


def two_digits(number: float) -> float:
    """Rounded to two significant digits, as no choice here is better than that."""
    return float(f"{number:.2g}")


def _between(number: float, low: float, high: float) -> float:
    return min(max(number, low), high)


def _resolution(found: Inspection, machine: Machine, wanted: int | None) -> tuple[int, str]:
    """Pixels, and why so many."""
    if wanted is None:
        return _fitting(found, machine)
    if wanted & (wanted - 1) or not LIMITS[0] <= wanted <= LIMITS[1]:
        raise UsageError(f"--resolution {wanted}: choose a power of two from {LIMITS[0]} to {LIMITS[1]}.")
    return _reached(found, wanted), "as asked"


def _fitting(found: Inspection, machine: Machine) -> tuple[int, str]:
    """The largest resolution that the pictures reach and the machine can train."""
    limit, where = CPU_RESOLUTION, "a CPU"
    if machine.device == "cuda":
        limit = next(px for below, px in GPU_RESOLUTIONS if machine.gib < below)
        where = f"a GPU of {machine.gib:.0f} GiB"
    reached = [px for px in RESOLUTIONS if found.share_reaching(px) >= MIN_REACHING]
    if not reached:
        return _reached(found, RESOLUTIONS[0]), "the smallest that is chosen"
    if max(reached) > limit:
        why = f"more would take too long on {where} (a guess), though the pictures would allow {max(reached)}"
        return limit, why
    return max(reached), f"the largest that at least {percent(MIN_REACHING)} of the pictures reach"


def _reached(found: Inspection, resolution: int) -> int:
    if found.share_reaching(resolution):
        return resolution
    raise DataError(
        f"{found.source}: no picture is {resolution} px on its shorter side, the largest has {found.sides[-1]}, and "
        f"nothing is ever enlarged. Give larger pictures, or a smaller --resolution, {LIMITS[0]} at least."
    )


def _stages(resolution: int, kimg: float, row: Size, base: int, machine: Machine) -> tuple[Stage, ...]:
    """One stage, or from 64 px up in doublings on a GPU."""
    if machine.device == "cpu":
        return (Stage(resolution, kimg, None),)
    sizes = [*(px for px in (64, 128, 256) if px < resolution), resolution]
    shares = STAGE_SHARES[len(sizes)]
    return tuple(
        Stage(px, two_digits(kimg * share), _batch_gpu(px, row, base, machine))
        for px, share in zip(sizes, shares, strict=True)
    )


def _batch_gpu(resolution: int, row: Size, base: int, machine: Machine) -> int:
    """The largest piece that should fit; a guess from lite's CPU peak, 0.7 GiB an image at 64 px in float32, halved."""
    depth = (1 + 2 * row.num_res_blocks) / 5  # layers a block, of lite's
    maps = 0.4 * base / 32768 * depth * 2.5 ** log2(resolution / 64)  # twice the side: area x 4, channels / 2
    per_image, fixed = maps + 0.1, 3.5  # GiB; with DINO's maps; weights, Adam's moments and CLIP's text tower
    if machine.has_guidance:
        per_image, fixed = per_image + 0.2, fixed + 1.2  # ViT-L's maps and weights
    fitting = [n for n in (64, 32, 16) if n <= row.batch and fixed + n * per_image <= 0.8 * machine.gib]
    return fitting[0] if fitting else 8  # batch norm works on groups of 8


def _max_bad_fraction(found: Inspection, usable_share: float) -> float | None:
    """More than the share of samples that will be skipped, where that comes near the default of 0.2."""
    if found.kind == "folder" or usable_share > 0.9:  # the import of a folder leaves them out
        return None
    return round(min(1.0, 1.1 - usable_share), 2)


def context_length(found: Inspection) -> int:
    """Tokens that hold 95 % of the captions, start and end included."""
    needed = TOKENS_PER_WORD * typical_longest(found) + 2
    return next((length for length in CONTEXTS if length >= needed), CONTEXTS[-1])


def typical_longest(found: Inspection) -> int:
    """Words that 95 % of the captions do not exceed."""
    return found.words[ceil(0.95 * len(found.words)) - 1]


def _clip_kimg(pictures: int) -> float:
    kimg = _between(CLIP_LOOKS * pictures / 1000, *CLIP_KIMG)
    return round(round(kimg / CLIP_QUANTUM) * CLIP_QUANTUM, 1)
