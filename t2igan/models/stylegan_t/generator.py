"""The StyleGAN-T generator: the public steps z -> ws -> styles -> image. Not: text encoding, which is the conditioner's."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from t2igan.models.common.mapping import Mapping
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.models.stylegan_t.plain import use_plain_layers
from t2igan.models.stylegan_t.synthesis import Styles, Synthesis
from t2igan.types import Condition, NoiseMode


class Generator(nn.Module):
    """StyleGAN-T (Sauer et al. 2023). Tensor names are the official ones, so trained weights load by name.

    Attributes:
        z_dim, c_dim, w_dim, num_ws, img_resolution, img_channels: sizes, see t2igan.types.
        truncation: psi acts in w, on its z part only.
    """

    truncation: Literal["w", "z"] = "w"

    def __init__(self, config: StyleGANTConfig) -> None:
        super().__init__()
        self.config = config
        self.z_dim = config.z_dim
        self.c_dim = config.c_dim
        self.w_dim = config.w_dim
        self.img_resolution = config.resolution
        self.img_channels = 3
        self.synthesis = Synthesis(config)
        self.num_ws = self.synthesis.num_ws
        self.mapping = Mapping(
            config.z_dim,
            config.c_dim,
            num_ws=self.num_ws,
            num_layers=config.mapping_layers,
            lr_multiplier=config.mapping_lr_multiplier,
            text_gain=config.text_gain,
            average_updates=config.average_updates,
        )

    def styles(self, ws: Tensor) -> Styles:
        """[N, num_ws, w_dim] -> layer name -> [N, channels], in layer order."""
        return self.synthesis.styles(ws)

    def trainable_names(self, freeze_up_to: int | None = None) -> list[str]:
        """Names of the parameters that train while blocks up to `freeze_up_to` pixels keep theirs, but for their toRGB."""
        names = [name for name, _ in self.named_parameters()]
        if freeze_up_to is None:
            return names
        blocks = tuple(f"synthesis.b{r}." for r in self.config.resolutions if r > freeze_up_to)
        return [name for name in names if name.startswith(blocks) or ".torgb." in name]

    def use_plain_formulation(self) -> None:
        """Compute as the official code does from now on: the same numbers, slower. For benchmarks."""
        use_plain_layers(self)

    def shard_units(self) -> list[list[nn.Module]]:
        """Modules whose weights are gathered together, see t2igan.sharding; each is called as a whole, one after another.

        All styles are computed before the first block, so a block's style layers are a unit of their own.
        """
        blocks = self.synthesis.blocks()
        styles = [block.style_layers() for block in blocks]
        return [[self.mapping.mlp], *styles, [blocks[0].input], *([block] for block in blocks)]

    def forward(
        self, z: Tensor, c: Condition, *, psi: float = 1.0, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """Generate [N, 3, R, R] float32 images, about [-1, 1], from latents [N, z_dim] and a Condition of N rows."""
        ws = self.mapping(z, c, psi=psi)
        return self.synthesis(self.styles(ws), c, noise_mode=noise_mode)
