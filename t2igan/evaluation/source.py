"""What is measured: a fixed sequence of pictures that can be entered anywhere. Not where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True)
class Picture:
    """One image of a source."""

    image: Tensor  # [3, H, W] uint8
    caption: str = ""  # "" = none is known


class ImageSource(Protocol):
    """A sequence of pictures.

    Attributes:
        name: for people.
        fingerprint: changes with any pixel or caption that the source gives.
        protocol: how pictures are prepared, as in "centre crop, Lanczos 256 px"; part of every result.
        warnings: what a reader of the numbers should know.
    """

    name: str
    fingerprint: str
    protocol: str
    warnings: list[str]

    def __len__(self) -> int:
        """How many pictures."""
        ...

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        """Pictures start .. stop - 1, the same ones every time.

        Raises:
            DataError: if one cannot be read.
        """
        ...


@runtime_checkable
class OnDevice(Protocol):
    """A source that a network makes.

    Attributes:
        device: where it computes.
    """

    device: torch.device
