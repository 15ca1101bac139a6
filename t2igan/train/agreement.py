"""What the processes of one run must agree on before they go on: errors, choices, versions. A process alone agrees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from t2igan import __version__, dist
from t2igan.errors import T2IGanError


class PeerError(T2IGanError):
    """Another process of the run cannot go on, so this one cannot either."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Make an error of one rank inside the block an error of all: nobody waits for a peer that has left.

    The block must not exchange anything itself.

    Raises:
        T2IGanError: this rank's own error as it is, or a PeerError with the text and the exit code of another's.
    """
    mine = None
    try:
        yield
    except T2IGanError as error:
        mine = error
    said = dist.all_gather_text(f"{mine.exit_code} {mine}" if mine else "", device)
    if mine is not None:
        raise mine
    for rank, text in enumerate(said):
        if text:
            code, _, line = text.partition(" ")
            raise PeerError(f"process {rank} of this run cannot go on: {line}", int(code))


def from_rank0(text: str, device: torch.device) -> str:
    """What rank 0 says, on every rank; at most 1024 bytes."""
    return dist.all_gather_text(text, device)[0]


def any_rank(claim: bool, device: torch.device) -> bool:
    """Whether a claim holds on any rank."""
    if dist.world() == 1:
        return claim
    return bool(dist.all_reduce_sum(torch.tensor(float(claim), device=device)))


def check_versions(device: torch.device) -> None:
    """Refuse processes of different versions in one run.

    Raises:
        T2IGanError: naming two that differ.
    """
    versions = dist.all_gather_text(__version__, device)
    for rank, version in enumerate(versions):
        if version != versions[0]:
            raise T2IGanError(
                f"mixed versions: process 0 of this run is t2igan {versions[0]}, process {rank} is t2igan {version}. "
                f"Install the same on every machine."
            )


@contextmanager
def lost_peers() -> Iterator[None]:
    """Turn the backend's error about a peer that died or hung into one line.

    Raises:
        T2IGanError: instead of it.
    """
    try:
        yield
    except RuntimeError as error:
        if not dist.is_lost_peer(error):
            raise
        raise T2IGanError(
            f"another process of this run died or hung ({str(error).splitlines()[0][:200]}). The cause is in what that "
            f"process wrote. The last checkpoint is whole; the same command goes on from it, and torchrun does so by "
            f"itself with --max-restarts."
        ) from error
