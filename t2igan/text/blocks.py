"""Where the weights of a text transformer lie. Not the transformer."""

from __future__ import annotations

from torch import nn


def block_units(tower: nn.Module) -> list[list[nn.Module]]:
    """Every block of a tower's outermost lists of blocks, each alone: what is gathered together when a tower is split."""
    lists = [(name, m) for name, m in tower.named_modules() if isinstance(m, nn.ModuleList)]
    names = tuple(f"{name}." for name, _ in lists)
    return [[block] for name, blocks in lists if not name.startswith(names) for block in blocks]
