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

    def read(self) -> Tensor:
        """The tensor, on the CPU and with memory of its own.

        Raises:
            CheckpointError: if it reaches beyond its storage, or is larger than it.
        """
        storage, numel = self.storage, math.prod(self.size)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        # a stride of 0 could make a petabyte of one number
        if numel and (last >= storage.numel or numel > storage.numel):
            raise CheckpointError(
                f"a tensor of shape {self.size} does not fit its {storage.numel} numbers. The file is damaged."
            )
        if not numel:
            return torch.empty(self.size, dtype=storage.dtype)
        data = storage.fetch()
        if len(data) != storage.numel * storage.dtype.itemsize:
            raise CheckpointError(
                f"a tensor has {len(data)} bytes where {storage.numel} numbers were announced. The file is damaged."
            )
        # copied, as the file's bytes are neither writable nor aligned
        flat = torch.frombuffer(bytearray(data), dtype=storage.dtype)
        return flat.as_strided(self.size, self.stride, self.offset)


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

    def read(self) -> Tensor:
        """The array as a tensor on the CPU, with memory of its own.

        Raises:
            CheckpointError: if its bytes are not as many as its shape says, or torch has no such numbers.
        """
        try:
            if not isinstance(self.dtype, PickledDtype):
                raise ValueError("it was never given a type")
            flat = np.frombuffer(self.data, self.dtype.real())
            shaped = flat.reshape(self.shape, order="F" if self.is_fortran else "C")
            return torch.from_numpy(np.array(shaped, dtype=flat.dtype.newbyteorder("="), order="C"))
        except (ValueError, TypeError, OverflowError) as error:
            raise CheckpointError(f"a numpy array cannot be read ({error}). The file is damaged.") from error
