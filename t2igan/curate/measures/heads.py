"""Small heads on unit-length CLIP image embeddings: aesthetic scores, watermark and nsfw probabilities. Not the CLIP.

Layouts of the published files, told apart by their keys:
- one Linear: LAION-AI/aesthetic-predictor (V1, `weight` and `bias`), and any linear probe;
- layers.0, 2, 4, 6, 7: christophschuhmann/improved-aesthetic-predictor (V2). There is nothing but dropout between its
  five Linears, so that it is one affine map, and is folded into one;
- layers.0, 3, 6, 9, 11: the same with ReLUs between them (ava+logos-l14-reluMSE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from t2igan import checkpoint
from t2igan.convert import safe_pickle
from t2igan.convert.pickled import PickledTensor
from t2igan.errors import CheckpointError, WeightsError

Kind = Literal["aesthetic", "watermark", "nsfw"]
Linear = tuple[Tensor, Tensor]  # weight [out, in] and bias [out], float64
AFFINE, RELU = (0, 2, 4, 6, 7), (0, 3, 6, 9, 11)
EXPECTED = "one Linear (weight [1, D], bias [1]), or layers.{0,2,4,6,7}.weight and .bias, or layers.{0,3,6,9,11}.weight and .bias"


@dataclass(frozen=True)
class Head:
    """Embeddings -> one number each."""

    name: str
    """v1, v2 or v2-relu by the file's layout; watermark or nsfw."""
    kind: Kind
    """What the number is; watermark and nsfw go through a sigmoid."""
    weights: str
    """16 hexadecimal digits of the file's tensors."""
    dim: int
    """Length of the embeddings it reads."""
    linears: tuple[Linear, ...]
    """With a ReLU between each and the next."""

    @torch.no_grad()
    def __call__(self, embeddings: Tensor) -> Tensor:
        """Unit-length [N, D] -> float32 [N] on the CPU.

        Computed in float64, so that it does not depend on what else is in the batch.
        """
        x = embeddings.detach().cpu().double()
        for n, (weight, bias) in enumerate(self.linears):
            x = torch.relu(x) if n else x
            x = x @ weight.T + bias
        return (x if self.kind == "aesthetic" else x.sigmoid())[:, 0].float()


def load_head(path: str | Path, *, kind: Kind = "aesthetic", dim: int | None = None) -> Head:
    """Read a head from a .pth or .pt state dict, or a .safetensors file; nothing in it is run.

    Args:
        path: the file.
        kind: what the head predicts.
        dim: length of the embeddings that it will be given; None = whatever it reads.

    Raises:
        WeightsError: if the file is missing, damaged, of another network, or for embeddings of another length.
    """
    tensors = _read(Path(path))
    name, linears = _layout(tensors, path)
    _check_chain(linears, tensors, path)
    reads = linears[0][0].shape[1]
    if dim is not None and reads != dim:
        raise WeightsError(
            f"{path}: a head on embeddings of {reads} numbers, and this CLIP's have {dim}. Take the head that was trained "
            f"on this CLIP, or the CLIP that it was trained on (768: ViT-L/14, 512: ViT-B/32)."
        )
    folded = linears if name == "v2-relu" else (_fold(linears),)
    return Head(name if kind == "aesthetic" else kind, kind, checkpoint.fingerprint(tensors), reads, folded)


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict of a file, without a wrapper or a prefix "module."."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file. Fetch the head's weights, and correct the path.")
    try:
        found = _load(path)
    except (CheckpointError, SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: not a state dict in a .pth, .pt or .safetensors file ({type(error).__name__}). Fetch it again."
        ) from error
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else None
    if not isinstance(inner, Mapping) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise WeightsError(f"{path}: holds {type(found).__name__}, not a state dict. Expected {EXPECTED}.")
    return {str(key).removeprefix("module."): value for key, value in inner.items()}


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(str(path))
    return _tensors(safe_pickle.load(path))


def _tensors(found: Any) -> Any:
    """Dicts of pickled tensors -> dicts of tensors; anything else as it is."""
    if isinstance(found, Mapping):
        return {key: _tensors(value) for key, value in found.items()}
    return found.read() if isinstance(found, PickledTensor) else found


def _layout(tensors: Mapping[str, Tensor], path: str | Path) -> tuple[str, tuple[Linear, ...]]:
    """The layout's name, and its Linears in order."""
    stems = {key.rpartition(".")[0] for key in tensors}
    layouts = {"v1": tuple(stems), "v2": _stems(AFFINE), "v2-relu": _stems(RELU)}
    for name, wanted in layouts.items():
        keys = [(_key(stem, "weight"), _key(stem, "bias")) for stem in wanted]
        is_one = name != "v1" or len(wanted) == 1
        if is_one and set(tensors) == {key for pair in keys for key in pair}:
            return name, tuple((tensors[w].double(), tensors[b].double()) for w, b in keys)
    raise _wrong(tensors, path)


def _stems(numbers: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"layers.{n}" for n in numbers)


def _key(stem: str, part: str) -> str:
    return f"{stem}.{part}" if stem else part


def _check_chain(linears: tuple[Linear, ...], tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse shapes that do not follow each other down to one number, and numbers that are none."""
    width = None
    for weight, bias in linears:
        if weight.dim() != 2 or bias.shape != weight.shape[:1] or width not in (None, weight.shape[1]):
            raise _wrong(tensors, path)
        width = weight.shape[0]
    if width != 1:
        raise _wrong(tensors, path)
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise WeightsError(f"{path}: its weights are not all finite numbers. Fetch the file again.")


def _wrong(tensors: Mapping[str, Tensor], path: str | Path) -> WeightsError:
    shapes = [f"{key} {list(tensor.shape)}" for key, tensor in sorted(tensors.items())[:12]]
    more = ", ..." if len(tensors) > len(shapes) else ""
    return WeightsError(
        f"{path}: not a head that t2igan knows. Found {', '.join(shapes) or 'nothing'}{more}; expected {EXPECTED}, whose "
        "last Linear gives one number."
    )


def _fold(linears: tuple[Linear, ...]) -> Linear:
    """Linears with nothing between them -> the one Linear that they are."""
    weight, bias = linears[0]
    for next_weight, next_bias in linears[1:]:
        weight, bias = next_weight @ weight, next_weight @ bias + next_bias
    return weight, bias
