"""Agreement of pictures of any size with their captions, by a CLIP, batch by batch. Not the decoding, nor a threshold.

The numbers are those of other tools: open_clip's evaluation transform on the picture, both embeddings of unit length,
the raw cosine. A number belongs to its network and weights, whose names go with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from t2igan.clip_scorer import build_scorer
from t2igan.curate.config import clip_name
from t2igan.errors import UsageError
from t2igan.metrics.config import ScorerConfig

Precision = Literal["fp32", "bf16", "fp16"]
AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
MAX_ASPECT = 16  # longer ends are cut off first: a picture of 1 x 60,000 would be resized to 224 x 13,440,000


class ClipMeter:
    """A CLIP that scores.

    Attributes:
        name: network and weights, as in ViT-L-14/openai or embedded:shapes_scorer.
        weights: 16 hexadecimal digits of all weights.
        dim: length of an embedding.
    """

    def __init__(
        self, config: ScorerConfig, *, device: str | torch.device = "cpu", precision: Precision = "fp32"
    ) -> None:
        """Load the network.

        Args:
            config: which network.
            device: where it runs.
            precision: of its activations; other than fp32 on a GPU only.

        Raises:
            WeightsError: if its weights are not on this machine.
            CheckpointError: if its checkpoint cannot be read.
            UsageError: if the device cannot work in this precision.
        """
        self._device = torch.device(device)
        if self._device.type == "cpu" and precision != "fp32":
            raise UsageError(f"precision {precision}: a CPU scores in fp32 only. Use a GPU, or fp32.")
        self._dtype = AUTOCAST[precision]
        self._scorer = build_scorer(config)
        self._scorer.to(self._device)
        self.name, self.weights, self.dim = clip_name(config), self._scorer.weights_hash(), self._scorer.dim

    def prepare(self, picture: Image.Image | np.ndarray) -> Tensor:
        """One RGB picture, or uint8 array [H, W, 3] -> the network's input size; safe in several threads.

        Returns:
            [3, S, S] on the CPU, all of one size and type, to be stacked for `embed_prepared`.
        """
        whole = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        return self._scorer.prepare(_cut_ends(whole))

    @torch.no_grad()
    def embed_prepared(self, prepared: Tensor) -> Tensor:
        """Stacked [N, 3, S, S] -> unit-length embeddings [N, D] float32 on the CPU."""
        with self._autocast():
            return F.normalize(self._scorer.embed_prepared(prepared).float(), dim=1).cpu()

    def embed(self, pictures: Sequence[Image.Image | np.ndarray]) -> Tensor:
        """At least one picture, each of any size -> unit-length embeddings [N, D] float32 on the CPU."""
        return self.embed_prepared(torch.stack([self.prepare(picture) for picture in pictures]))

    @torch.no_grad()
    def scores(self, embeddings: Tensor, captions: Sequence[str]) -> Tensor:
        """Cosine of each image embedding [N, D] with its caption; float32 [N] on the CPU, -1 .. 1.

        Captions longer than the network reads are cut by its tokenizer.
        """
        with self._autocast():
            texts = F.normalize(self._scorer.embed_texts(captions).float(), dim=1).cpu()
        return (embeddings * texts).sum(dim=1)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=self._dtype, enabled=self._dtype is not None)


def _cut_ends(picture: Image.Image) -> Image.Image:
    """Cut the longer side down to 16 times the shorter one, about the centre."""
    longest = MAX_ASPECT * min(picture.size)
    if max(picture.size) <= longest:
        return picture
    width, height = (min(side, longest) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
