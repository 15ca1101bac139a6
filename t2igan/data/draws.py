"""Random numbers that are a pure function of a name, without torch. Not for latents: those are t2igan.rng's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
MAX_DRAWS = 64  # numbers that one Draws can give; a scene needs 25 at most


class Draws:
    """Up to 64 uniform numbers, read one after the other; equal names give equal numbers on every machine."""

    def __init__(self, *name: int | str) -> None:
        # The hash's own bytes are the numbers: 3 us, where seeding a numpy generator takes 10.
        digest = hashlib.shake_128(repr(name).encode()).digest(4 * MAX_DRAWS)
        self._numbers = iter(np.frombuffer(digest, "<u4").tolist())

    def uniform(self, low: float, high: float) -> float:
        """The next number, in [low, high)."""
        return low + (high - low) * next(self._numbers) / 2**32

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, each equally likely."""
        return options[next(self._numbers) * len(options) >> 32]


def permutation(length: int, *name: int | str) -> np.ndarray:
    """A random order of 0..length-1, int64 [length], as a pure function of `name`."""
    digest = hashlib.blake2b(repr(name).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little"))).permutation(length)
