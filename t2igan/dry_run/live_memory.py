"""Bytes of the tensors that live while something runs, and their peak. Knows no allocator, and no networks.

Not counted: what a kernel takes for itself while it runs, and what an allocator keeps or wastes.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakIdKeyDictionary


class LiveMemory(TorchDispatchMode):
    """Counts every storage that an operation makes inside the block, real or fake, until nobody holds it.

    >>> with LiveMemory(model.parameters()) as memory:
    ...     loss(model(x)).backward()
    >>> memory.peak      # bytes of activations, gradients and temporaries at their peak
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._storages = WeakIdKeyDictionary()
        self.ignore(known)

    def ignore(self, tensors: Iterable[Tensor]) -> None:
        """Never count these."""
        for tensor in tensors:
            self._storages.setdefault(tensor.untyped_storage(), 0)

    def restart(self) -> None:
        """Look for a new peak from here on."""
        self.peak = self.live

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and look at what it gives."""
        result = func(*args, **(kwargs or {}))
        for found in tree_iter(result):
            if isinstance(found, Tensor):
                self._count(found.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._storages:
            return
        size = storage.nbytes()
        self._storages[storage] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self.live -= size
