"""What a foreign pickle turns into: inert records, and tensors that are read when asked for. Nothing here runs foreign code.

Sizes that a pickle states are checked against the bytes that are there, so that a small file cannot ask for a large tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2igan.errors import CheckpointError

DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
Buffer = bytes | memoryview
MOST_NUMBERS = 1 << 60


@dataclass(frozen=True)
class Global:
    """The name of a class or function in a pickle: two words, and never the thing itself."""

    module: str
    name: str

    def __str__(self) -> str:
        """For messages: without line breaks or terminal codes, and not too long."""
        return ascii(f"{self.module}.{self.name}"[:120])[1:-1]


@dataclass(eq=False)
class Record:
    """What stands in for a foreign object: what it was called, made of, and holds."""

    kind: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)  # of subclasses of list, dict and set


@dataclass(eq=False)
class Storage:
    """The numbers behind one or more tensors."""

    dtype: torch.dtype
    numel: int
    fetch: Callable[[], Buffer]  # numel * itemsize bytes, little-endian


@dataclass(frozen=True, eq=False)
class PickledTensor:
    """A view of a storage, as torch describes it."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def bare(self) -> Tensor:
        """Shape and type, as a tensor on the meta device; no number is read.

        Raises:
            CheckpointError: if it reaches beyond its storage, or is larger than it.
        """
        storage, numel = self.storage, math.prod(self.size)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        # a stride of 0 could make a petabyte of one number, and a side of 0 hide sides that torch cannot count
        is_beyond = numel and (last >= storage.numel or numel > storage.numel)
        if is_beyond or math.prod(max(n, 1) for n in self.size) >= MOST_NUMBERS:
            raise CheckpointError(
                f"a tensor of shape {self.size} does not fit its {storage.numel} numbers. The file is damaged."
            )
        return torch.empty(self.size, dtype=storage.dtype, device="meta")

    def read(self) -> Tensor:
        """The tensor, on the CPU and with memory of its own, which is no more than its own numbers take.

        Raises:
            CheckpointError: if it reaches beyond its storage, or is larger than it.
        """
        storage, bare = self.storage, self.bare()
        if not bare.numel():
            return torch.empty_like(bare, device="cpu")
        data, itemsize = storage.fetch(), storage.dtype.itemsize
        if len(data) != storage.numel * itemsize:
            raise CheckpointError(
                f"a tensor has {len(data)} bytes where {storage.numel} numbers were announced. The file is damaged."
            )
        # viewed as whole numbers of that size, as numpy has no bfloat16; the file's bytes may lie anywhere
        flat = np.frombuffer(data, f"i{itemsize}", offset=self.offset * itemsize)
        strides = [step * itemsize if n > 1 else 0 for n, step in zip(self.size, self.stride, strict=True)]
        view = np.lib.stride_tricks.as_strided(flat, self.size, strides, writeable=False)
        return torch.from_numpy(np.array(view, order="C")).view(storage.dtype)


@dataclass(eq=False)
class PickledDtype:
    """A numpy type: its code such as f4, and its byte order, which a pickle adds afterwards."""

    code: str
    order: str = "<"

    def real(self) -> np.dtype:
        """Numpy's own; a ValueError for anything but plain numbers, such as objects."""
        if not (self.code[:1] in "biufc" and self.code[1:] in ("1", "2", "4", "8", "16")):
            raise ValueError(f"of type {self.code[:20]!r}")
        return np.dtype(f"{self.order if self.order in '<>' else '='}{self.code}")


@dataclass(eq=False)
class PickledArray:
    """A numpy array; its pickle makes an empty one and fills it afterwards."""

    dtype: PickledDtype | None = None
    shape: tuple[int, ...] = ()
    is_fortran: bool = False
    data: Buffer = b""

    def bare(self) -> Tensor:
        """Shape and type, as a tensor on the meta device; no number is read.

        Raises:
            CheckpointError: if its bytes are not as many as its shape says, or torch has no such numbers.
        """
        return self._made(is_bare=True)

    def read(self) -> Tensor:
        """The array as a tensor on the CPU, with memory of its own.

        Raises:
            CheckpointError: if its bytes are not as many as its shape says, or torch has no such numbers.
        """
        return self._made(is_bare=False)

    def _made(self, *, is_bare: bool) -> Tensor:
        try:
            if not isinstance(self.dtype, PickledDtype):
                raise ValueError("it was never given a type")
            flat = np.frombuffer(self.data, self.dtype.real())
            shaped = flat.reshape(self.shape, order="F" if self.is_fortran else "C")
            native = flat.dtype.newbyteorder("=")
            if is_bare:
                return torch.from_numpy(np.empty(0, native)).new_empty(shaped.shape, device="meta")
            return torch.from_numpy(np.array(shaped, dtype=native, order="C"))
        except (ValueError, TypeError, OverflowError) as error:
            raise CheckpointError(f"a numpy array cannot be read ({error}). The file is damaged.") from error
