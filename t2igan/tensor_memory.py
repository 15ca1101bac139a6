"""Which tensors lie in the same memory. Not: how a file stores them (tensor_file.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors on the CPU, dense, no two of them in the same memory; copied only where they were not so.

    Weights of gigabytes, and those that are mapped from a file, are therefore saved without a copy of all.
    """
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    end = 0  # of the memory seen so far, in the order of addresses
    for name in sorted(plain, key=lambda name: plain[name].data_ptr()):
        start = plain[name].data_ptr()
        if start < end:
            plain[name] = plain[name].clone()
        end = max(end, start + tensors[name].nbytes)
    return plain
