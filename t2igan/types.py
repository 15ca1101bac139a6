"""The nouns that every package shares: Condition, Batch, Sample, and the protocols of networks. No behaviour of any architecture.

Shape legend: N batch, R resolution, L tokens, D token width, K logits per image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, device, nn

NoiseMode = Literal["random", "const", "none"]


@dataclass(frozen=True)
class Condition:
    """What is asked for; the field's `c`. All tensors on one device, batch first."""

    embed: Tensor | None = None  # [N, c_dim] pooled text feature (unit length) or one-hot class
    tokens: Tensor | None = None  # [N, L, D] per-token text features
    mask: Tensor | None = None  # [N, L] bool, True where a token is real
    ids: Tensor | None = None  # [N, L] int64 token ids, for a text encoder that trains

    def __len__(self) -> int:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                return len(value)
        return 0

    def map(self, change: Callable[[Tensor], Tensor]) -> Condition:
        """Apply a function to every tensor that is there."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Condition(**{k: None if v is None else change(v) for k, v in values.items()})

    def to(self, where: device | str) -> Condition:
        """Move every tensor to a device."""
        return self.map(lambda t: t.to(where))

    def index(self, i: Tensor | slice | Sequence[int]) -> Condition:
        """Take rows."""
        return self.map(lambda t: t[i])

    def split(self, size: int) -> list[Condition]:
        """Cut into consecutive pieces of at most `size` rows."""
        return [self.index(slice(start, start + size)) for start in range(0, len(self), size)]

    def repeat(self, times: int) -> Condition:
        """Repeat the whole batch `times` times: rows 0..N-1, 0..N-1, ..."""
        return self.map(lambda t: t.repeat(times, *[1] * (t.ndim - 1)))


@dataclass(frozen=True)
class Sample:
    """One decoded training example."""

    image: np.ndarray  # [R, R, 3] uint8
    caption: str
    labels: tuple[int, ...] = ()  # ground-truth attributes, where the data carries them
    key: str = ""
    embed: np.ndarray | None = None  # [D] float16 of the caption, where it was computed beforehand


@dataclass(frozen=True)
class Batch:
    """What the loader gives: this rank's part of one step."""

    images: Tensor  # [N, 3, R, R] uint8
    captions: tuple[str, ...]
    labels: Tensor | None = None  # [N, A] int64 attributes, -1 = does not apply
    embed: Tensor | None = None  # [N, D] float16 of the captions, where they were computed beforehand

    def __len__(self) -> int:
        return len(self.captions)

    def to(self, where: device | str) -> Batch:
        """Move the tensors to a device."""
        labels, embed = (None if t is None else t.to(where) for t in (self.labels, self.embed))
        return Batch(self.images.to(where), self.captions, labels, embed)


@runtime_checkable
class Generator(Protocol):
    """Tier 1: every architecture. Calling it gives [N, 3, R, R] float32 images, about [-1, 1]."""

    z_dim: int
    c_dim: int
    img_resolution: int
    img_channels: int
    truncation: Literal["w", "z"]  # where psi acts

    def __call__(
        self, z: Tensor, c: Condition, *, psi: float = 1.0, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """[N, 3, R, R] images."""
        ...


@runtime_checkable
class StyleGenerator(Generator, Protocol):
    """Tier 2: what editing needs, the public steps z -> ws -> styles -> image."""

    w_dim: int
    num_ws: int

    def mapping(self, z: Tensor, c: Condition, *, psi: float = 1.0) -> Tensor:
        """[N, num_ws, w_dim]."""
        ...

    def styles(self, ws: Tensor) -> dict[str, Tensor]:
        """Layer name -> [N, channels], in layer order."""
        ...

    def synthesis(
        self, styles: dict[str, Tensor], c: Condition, *, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """[N, 3, R, R] from style codes."""
        ...


@runtime_checkable
class Upsampler(Protocol):
    """Images `scale` times as large. Fully convolutional: any side that is a multiple of `multiple` goes in.

    Attributes:
        z_dim: length of the latent.
        c_dim: length of the text features that it reads; 0 = it reads no text.
        scale: factor on both sides.
        img_resolution: side of the images that it was trained to read, in pixels: the natural size of a tile.
        multiple: sides of its input are multiples of this.
        has_attention: whether a pixel sees its whole tile, so that tiles of another side than it was trained on are new to it.
    """

    z_dim: int
    c_dim: int
    scale: int
    img_resolution: int
    multiple: int
    has_attention: bool

    def __call__(
        self, low: Tensor, z: Tensor, c: Condition | None = None, *, noise: Tensor | None = None
    ) -> Tensor:
        """Images [N, 3, h, w] in [-1, 1] -> [N, 3, h scale, w scale], about [-1, 1], float32.

        `z` is [N, z_dim], or [1, z_dim] for one that all rows share, which is faster; `c` has as many rows as `z`. `noise`, standard normal in the
        shape of `low`, is what it adds to its input at the strength that it was trained for; None = none.
        """
        ...


class Discriminator(Protocol):
    """Images [N, 3, R, R] in [-1, 1] and a Condition -> logits [N, K], all scales and heads in K."""

    def __call__(self, img: Tensor, c: Condition) -> Tensor:
        """[N, K] logits."""
        ...


class FeatureExtractor(Protocol):
    """A frozen image network. `name` and `protocol` are part of every statistics file, so that two are never mixed."""

    name: str
    protocol: str  # how it prepares images
    dim: int

    def __call__(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] uint8 -> [N, dim] float32."""
        ...


class Conditioner(Protocol):
    """Prompts or labels -> Condition: the only place where a string becomes a tensor."""

    dim: int
    config: Any  # its recipe section, complete enough for a checkpoint's header
    fingerprint: str  # which network and weights; stored in checkpoints and caches

    def __call__(self, captions: Sequence[str]) -> Condition:
        """N captions -> a Condition of N rows."""
        ...

    def cut(self, caption: str) -> str:
        """The end of `caption` that does not fit the context, or an empty string."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Tensors that a checkpoint must carry because nobody else could fetch them; usually none."""
        ...


@runtime_checkable
class TrainableConditioner(Conditioner, Protocol):
    """A conditioner whose text tower can be trained: StyleGAN-T's second phase."""

    carrying: Any  # `config` for a checkpoint that carries the tower's tensors

    def token_ids(self, captions: Sequence[str]) -> Tensor:
        """N captions -> token ids [N, L] int64, on the conditioner's device."""
        ...

    def tower(self) -> nn.Module:
        """A copy of the text tower: ids [N, L] -> embeddings [N, dim], not normalised. Its state dict is what `carried` takes."""
        ...
