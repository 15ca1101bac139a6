"""A frozen open_clip text tower as a conditioner: any model name, pretrained tag or local weights file.

Not a trainer, and not the image tower: losses and metrics build that one themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from t2igan import checkpoint, weights
from t2igan.text.config import ClipTextConfig
from t2igan.types import Condition


class ClipText:
    """Captions -> Condition(embed [N, D], unit length), as StyleGAN-T conditions on ViT-L/14."""

    def __init__(
        self, config: ClipTextConfig, carried: Mapping[str, Tensor], *, device: str | torch.device = "cpu"
    ) -> None:
        del carried  # open_clip weights have a public name
        self.config = config
        model = weights.open_clip_model(
            config.model, pretrained=config.pretrained, quick_gelu=config.quick_gelu
        )
        model.visual = None  # the image tower is most of the memory, and nobody asks it here
        self._model = model.eval().requires_grad_(False).to(device)
        self._tokenizer = weights.open_clip_tokenizer(config.model)
        self._device = device
        self.context_length = int(self._tokenizer.context_length)
        self.fingerprint = f"clip_text-{config.model}-{checkpoint.fingerprint(model.state_dict())}"
        self.dim = self(["a"]).embed.shape[1]  # pyright: ignore[reportOptionalMemberAccess]

    @torch.no_grad()
    def __call__(self, captions: Sequence[str]) -> Condition:
        """Encode captions; those beyond the context are cut, see `cut`."""
        ids = self._tokenizer(list(captions)).to(self._device)
        return Condition(embed=F.normalize(self._model.encode_text(ids).float(), dim=1))

    def cut(self, caption: str) -> str:
        """The end of `caption` that does not fit the context."""
        ids = self._tokenizer.encode(caption)
        return self._tokenizer.decode(ids[self.context_length - 2 :]).strip()

    def weights(self) -> dict[str, Tensor]:
        """Nothing: the header names them."""
        return {}
