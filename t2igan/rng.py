"""Randomness with a name: latents by seed or by step, and per-step seeding.

Everything that a training step draws is drawn for the whole batch from (seed, step, draw) and then sliced by
rank, so the same run has the same noise in any micro-batch size and on any number of ranks. Not a global RNG.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def generator(*name: int | str) -> torch.Generator:
    """A CPU generator whose seed is a hash of `name`; equal names give equal streams on every machine."""
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """One independent latent a seed, [N, z_dim]: image 17 is the same in any batch."""
    rows = [torch.randn(1, z_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.cat(rows) if rows else torch.empty(0, z_dim)


def batch_normal(
    seed: int, step: int, draw: str, batch: int, dim: int, *, rank: int = 0, world: int = 1
) -> Tensor:
    """This rank's [batch, dim] slice of the step's normal numbers for `draw`; `batch` is per rank."""
    # Every rank draws all rows: torch.randn's values depend on the total count, so a prefix would not do.
    rows = torch.randn(world * batch, dim, generator=generator(seed, step, draw, "normal"))
    return rows[rank * batch : (rank + 1) * batch]


def batch_uniform(
    seed: int, step: int, draw: str, batch: int, dim: int, *, rank: int = 0, world: int = 1
) -> Tensor:
    """This rank's [batch, dim] slice of the step's uniform [0, 1) numbers for `draw`; `batch` is per rank."""
    # Every rank draws all rows: torch.rand's values depend on the total count, so a prefix would not do.
    rows = torch.rand(world * batch, dim, generator=generator(seed, step, draw, "uniform"))
    return rows[rank * batch : (rank + 1) * batch]


def seed_step(seed: int, rank: int, step: int) -> None:
    """Seed the global generators for one training step, so that a resumed run repeats the same noise."""
    torch.manual_seed(generator(seed, rank, step).initial_seed())
