"""Networks split over the ranks by torch's FSDP2, and their tensors as if they were whole.

Not: networks that every rank holds, which dist.wrap_phase is for. Beside dist.py, the only file that touches
torch.distributed. A split parameter is a DTensor: this rank has a slice of its rows, and all of it only while a unit computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from t2igan import dist
from t2igan.errors import UsageError


def split(network: nn.Module, units: Sequence[Sequence[nn.Module]], device: torch.device) -> None:
    """Split a network's parameters over the ranks, in place. Every rank must hold the same ones; alone, nothing changes.

    Numbers without dimension stay whole on every rank; see `average_whole`.

    Args:
        network: on its device.
        units: modules that are gathered together when the first of them is called, and freed after the last; parameters
            in none of them form one more.
        device: where it computes.

    Raises:
        UsageError: if this torch has no FSDP2.
    """
    if dist.world() == 1:
        return
    try:  # here, as it takes half a second and hardly any run needs it
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise UsageError(
            f"train.shard_generator needs torch 2.7 or later, this is {torch.__version__}."
        ) from error
    network.to(memory_format=torch.contiguous_format)  # slices are of rows, which channels last has not
    settings: dict[str, Any] = {
        "mesh": init_device_mesh(device.type, (dist.world(),)),
        "ignored_params": {param for param in network.parameters() if param.ndim == 0},
        "reshard_after_forward": True,  # also the network itself: outside of a pass it is always split
    }
    for unit in units:
        fully_shard(list(unit), **settings)
    fully_shard(network, **settings)


def is_split(thing: nn.Module | Tensor) -> bool:
    """Whether a tensor, or any parameter of a network, is a slice of one."""
    if isinstance(thing, nn.Module):
        return any(is_split(param) for param in thing.parameters())
    return hasattr(thing, "full_tensor")  # a DTensor, whose class takes half a second to import


def local(tensor: Tensor) -> Tensor:
    """This rank's slice of a split tensor, sharing its memory; any other tensor as it is."""
    return tensor.to_local() if is_split(tensor) else tensor  # pyright: ignore[reportAttributeAccessIssue]


@torch.no_grad()
def fill(target: Tensor, source: Tensor) -> None:
    """Copy a tensor into one of the same whole shape; both may be split."""
    if is_split(target) and not is_split(source):
        rows = -(-len(source) // dist.world())
        source = source[dist.rank() * rows : (dist.rank() + 1) * rows]
    local(target).copy_(local(source))


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Split tensors as whole ones on the CPU of rank 0, one at a time; others leave them out. On all ranks alike."""
    found = {}
    for name, tensor in tensors.items():
        if not is_split(tensor):
            found[name] = tensor
            continue
        whole = tensor.full_tensor()  # pyright: ignore[reportAttributeAccessIssue]
        if dist.rank() == 0:
            found[name] = whole.cpu()
    return found


def average_whole(params: Iterable[nn.Parameter]) -> None:
    """Average over the ranks the gradients of what FSDP leaves whole, in one exchange; nothing where nothing is split."""
    params = list(params)
    if not any(is_split(param) for param in params):
        return
    grads = [param.grad for param in params if param.grad is not None and not is_split(param)]
    if not grads:
        return
    row = torch.stack(grads)
    dist.all_reduce_mean([row])
    for grad, value in zip(grads, row, strict=True):
        grad.copy_(value)
