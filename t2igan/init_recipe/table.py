"""The table behind `t2igan init`: sizes by number of pictures, limits by machine, and the reasons. Not the rules: policy.py.

Rows marked `measured` were trained to the end on pictures (docs/emoji.md, docs/benchmarks.md). All others are guesses
that lean on the paper and on practice with StyleGANs; the recipes say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

RESOLUTIONS = (32, 64, 128, 256, 512)  # that are chosen; --resolution may ask for others
MIN_REACHING = 0.9  # nothing is ever enlarged, so what is smaller is lost
LIMITS = (16, 512)  # of --resolution

CPU_RESOLUTION = 32  # 64 px are four times the work, and 32 px already take an hour or two
GPU_RESOLUTIONS = ((10.0, 64), (30.0, 128), (inf, 256))  # memory below so many GiB -> pixels; a guess
USUAL_GIB = 24.0  # of a GPU that is not at hand

LOOKS = 200  # at each picture; after 108 the emoji had colours and outlines, and were still improving
KIMG = {"cpu": (200.0, 1000.0), "cuda": (1000.0, 10000.0)}
"""At least, at most: a GAN needs its steps with few pictures too, and somebody waits for many."""
CLIP_LOOKS = 17  # emoji_clip knew 99.4 % of its captions after so many
CLIP_KIMG = (51.2, 819.2)  # at least, at most
CLIP_QUANTUM = 6.4  # a whole number of steps of any batch up to 256, so the checkpoint's name is known
CONTEXTS = (32, 48, 64, 77)  # tokens of the small CLIP's text tower; 77 is CLIP's own
TOKENS_PER_WORD = 2.5  # of the tokenizer with 3,000 merges: 2.5 in the emoji captions, 2.1 in English prose
CACHE_BYTES = 2**30  # decoded pictures are kept in memory up to so much
STAGE_SHARES = {1: (1.0,), 2: (0.65, 0.35), 3: (0.5, 0.25, 0.25), 4: (0.4, 0.2, 0.2, 0.2)}
"""Most of the images at 64 px, where they are cheap, as in the paper's schedule; how many is the guess of `one_gpu`."""
GUIDANCE_GIB = 16.0  # memory from which on CLIP guidance, another ViT-L, is planned; a guess


@dataclass(frozen=True)
class Size:
    """One row: what G, batch and time look like up to a number of pictures."""

    below: int | None  # pictures; None = no limit
    channel_base: int
    channel_max: int
    num_res_blocks: int
    batch: int
    feature_drop: float
    seconds_per_kimg: float | None  # at 32 px, one core of a Xeon with AMX; None = not measured
    why: str


SIZES: dict[str, tuple[Size, ...]] = {
    "cpu": (
        Size(1_000, 1024, 128, 1, 64, 0.0, 5.0, "few pictures: the smallest G, that of the demo (measured on shapes)"),
        Size(None, 2048, 192, 1, 64, 0.0, 11.4, "the G of the emoji, 3,005 pictures (measured)"),
    ),
    "cuda": (
        Size(5_000, 8192, 256, 1, 64, 0.2, None, "few pictures: a quarter of lite's channels, 14 million parameters at 64 px to learn them by heart with (a guess)"),
        Size(100_000, 16384, 512, 2, 64, 0.2, None, "half of lite's channels, as in the recipe one_gpu; 63 million parameters at 64 px (a guess)"),
        Size(None, 32768, 512, 2, 128, 0.0, None, "lite, the paper's ablation setting; 75 million parameters at 64 px"),
    ),
}  # fmt: skip
